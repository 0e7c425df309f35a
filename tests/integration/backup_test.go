package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// command runs iotmon and returns its exit status and output.
func command(t *testing.T, args ...string) (status int, said string) {
	t.Helper()
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(filepath.Join(dir, "iotmon"), args...).CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		status = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return status, string(out)
}

// backUp saves a data directory, restores it elsewhere and returns where.
func backUp(t *testing.T, dataDir string) (restored string) {
	t.Helper()
	file, restored := filepath.Join(t.TempDir(), "iotmon.tar.gz"), filepath.Join(t.TempDir(), "restored", "data")
	for _, args := range [][]string{{"backup", "-data-dir", dataDir, file}, {"restore", "-data-dir", restored, file}} {
		status, said := command(t, args...)
		if status != 0 {
			t.Fatalf("%s: got status %d: %s", args[0], status, said)
		}
		t.Log(strings.TrimSpace(said))
	}
	if left, _ := filepath.Glob(filepath.Join(dataDir, "backup-*")); len(left) > 0 {
		t.Errorf("left in the data directory: %v", left)
	}
	return restored
}

// on starts the program on a directory.
func on(t *testing.T, dataDir string) *server {
	t.Helper()
	s := newServer(t, dataDir, killConfig, "-no-simulator")
	s.start()
	return s
}

// TestBackupIsAsItWas makes a backup after all readings were acknowledged and while they are being processed. The restored system
// must have the same windows, alerts and rows, and nothing that was sent after the backup.
func TestBackupIsAsItWas(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute; make test runs it")
	}
	inTurn(t)
	dir := t.TempDir()
	s := on(t, dir)
	posters := startPosters(t, s.base(), "before")
	waitFor(t, patience, "there is something to back up", func() bool { return posters.acknowledged.Load() > 10_000 })
	samples := posters.stop()
	restored := backUp(t, dir)
	later := startPosters(t, s.base(), "after")
	waitFor(t, patience, "readings are acknowledged afterwards", func() bool { return later.acknowledged.Load() > 1_000 })
	all := append(slices.Clone(samples), later.stop()...)
	verify(t, s, all)
	s.stop()
	t.Run("of a running one", func(t *testing.T) { verify(t, on(t, restored), samples) })
	t.Run("of a stopped one", func(t *testing.T) { verify(t, on(t, backUp(t, dir)), all) })
}

// TestBackupsUnderLoad makes backups at random moments while readings are posted. Each restored system must have every reading
// that was acknowledged before its backup began, and summaries that match its own rows.
func TestBackupsUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute; make test runs it")
	}
	inTurn(t)
	dir := t.TempDir()
	s := on(t, dir)
	posters := startPosters(t, s.base(), "gateway")
	type saved struct {
		dir    string
		before []sample
	}
	var backups []saved
	for range 3 {
		before := posters.acknowledged.Load()
		waitFor(t, patience, "many are acknowledged", func() bool { return posters.acknowledged.Load() > before+5_000 })
		time.Sleep(time.Duration(rand.IntN(1500)) * time.Millisecond)
		posters.mu.Lock()
		acknowledged := slices.Clone(posters.samples)
		posters.mu.Unlock()
		backups = append(backups, saved{backUp(t, dir), acknowledged})
	}
	all := posters.stop()
	verify(t, s, all)
	s.stop()
	kinds := make(map[string]iot.DeviceType)
	for _, sample := range all {
		kinds[sample.device] = sample.kind
	}
	for i, b := range backups {
		t.Run(fmt.Sprint("backup ", i), func(t *testing.T) { agrees(t, on(t, b.dir), b.before, kinds) })
	}
}

// agrees checks that the summaries of a restored system are those of its own rows, and that it has all rows of before.
func agrees(t *testing.T, s *server, before []sample, kinds map[string]iot.DeviceType) {
	t.Helper()
	everything := url.Values{"from": {"2020-01-01T00:00:00Z"}, "to": {"2100-01-01T00:00:00Z"}, "limit": {"500"}}
	var wrong []string
	rows := 0
	complete := eventually(patience, func() bool {
		var samples []sample
		wrong = nil
		archived := make(map[string]map[int64]float64)
		for device, kind := range kinds {
			archived[device] = deviceReadings(t, s, device, time.Now())
			for at, value := range archived[device] {
				samples = append(samples, sample{device, kind, time.UnixMicro(at), value})
			}
		}
		rows = len(samples)
		for _, sample := range before {
			if value, there := archived[sample.device][sample.at.UnixMicro()]; !there || value != sample.value {
				wrong = append(wrong, fmt.Sprintf("%s at %v is missing", sample.device, sample.at))
			}
		}
		wrong = append(wrong, compareSummaries(list[wire.Aggregate](t, s.base(), "/api/v1/summaries", clone(everything)), summarize(samples, 2*time.Second))...)
		return len(wrong) == 0
	})
	if !complete {
		t.Errorf("%d things are wrong; the first: %q", len(wrong), wrong[:min(5, len(wrong))])
	}
	t.Logf("%d rows, %d of which had been acknowledged before, and every window of them", rows, len(before))
}

func TestBackupsAreRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the program; make test runs it")
	}
	inTurn(t)
	dir, elsewhere := t.TempDir(), t.TempDir()
	s := on(t, dir)
	file, cut, there := filepath.Join(elsewhere, "whole.tar.gz"), filepath.Join(elsewhere, "cut.tar.gz"), filepath.Join(elsewhere, "there")
	if status, said := command(t, "backup", "-data-dir", dir, file); status != 0 {
		t.Fatalf("got status %d: %s", status, said)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want a file that only its owner may read", info.Mode(), err)
	}
	for name, content := range map[string][]byte{cut: whole[:len(whole)/2], there: []byte("something")} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	target := filepath.Join(elsewhere, "new")
	for name, test := range map[string]struct {
		args []string
		want int
		said string
	}{
		"a file that is there":    {[]string{"backup", "-data-dir", dir, there}, 1, "exists already"},
		"no data directory":       {[]string{"backup", "-data-dir", elsewhere, file + "2"}, 1, "is not a data directory"},
		"nowhere to write":        {[]string{"backup", "-data-dir", dir, filepath.Join(elsewhere, "no", "file")}, 1, "no such file"},
		"a directory in use":      {[]string{"restore", "-data-dir", dir, file}, 1, "is not empty"},
		"one that was cut off":    {[]string{"restore", "-data-dir", target, cut}, 1, "ends too early"},
		"something else":          {[]string{"restore", "-data-dir", target, there}, 1, "not a backup"},
		"no such backup":          {[]string{"restore", "-data-dir", target, file + "3"}, 1, "no such file"},
		"no file":                 {[]string{"backup", "-data-dir", dir}, 2, "want the name of one file"},
		"a flag that is not ours": {[]string{"restore", "-devices", "5", file}, 2, "-devices"},
	} {
		status, said := command(t, test.args...)
		if status != test.want || !strings.Contains(said, test.said) || strings.Count(said, "\n") != 1 {
			t.Errorf("%s: got status %d and %q, want %d and one line with %q", name, status, said, test.want, test.said)
		}
	}
	left, err := filepath.Glob(filepath.Join(elsewhere, "*"))
	if want := []string{cut, there, file}; err != nil || !slices.Equal(left, want) {
		t.Errorf("left are %v, want %v", left, want)
	}
	refusedWithoutToken(t, dir)
	s.stop()
	if _, err := os.Stat(filepath.Join(dir, "control.json")); !os.IsNotExist(err) {
		t.Errorf("control.json is left behind: %v", err)
	}
}

// refusedWithoutToken requests a backup without the token, as a user who cannot read the data directory.
func refusedWithoutToken(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, "control.json")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want a file that only its owner may read", info, err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var control struct{ URL string }
	if err := json.Unmarshal(text, &control); err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{"", "Bearer ", "Bearer AAAA"} {
		request, err := http.NewRequest(http.MethodPost, control.URL+"/backup", bytes.NewReader(nil))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", token)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusUnauthorized {
			t.Errorf("with %q: got status %d", token, response.StatusCode)
		}
	}
}
