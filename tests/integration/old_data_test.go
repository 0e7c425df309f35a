package integration

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"iotmon/internal/iot"
)

var makeOldData = flag.Bool("old-data", false, "make testdata/old-data.tar.gz again, by the old programs")

// oldData is a data directory that the program of oldSource was killed on, with what was posted to it in samples.json.
const oldData = "testdata/old-data.tar.gz"

// Devices are kept however old the file becomes.
const oldConfig = killConfig + `
devices:
  forget_after: 0s
`

// postedSample is a sample in samples.json; At is in microseconds.
type postedSample struct {
	Device string
	Kind   iot.DeviceType
	At     int64
	Value  float64
}

// writeOldData makes oldData again: go test ./tests/integration -run TestAnOldDataDirectory -old-data. Readings are posted before and after a restart, some of them late; then the program is killed with
// windows and an alert open. The archive has what was there at the restart, the log has the rest.
func writeOldData(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	s := oldProgram(t, "iotmon", oldConfig, "-data-dir", filepath.Join(dir, "data"), "-no-simulator")
	p := &posters{t: t, base: s.base()}
	random := rand.New(rand.NewPCG(3, 4))
	for round := range 2 {
		s.start()
		for range 30 {
			p.send(http.DefaultClient, makeBatch(random, "old", iot.CutTime(time.Now())))
			time.Sleep(200 * time.Millisecond)
		}
		p.send(http.DefaultClient, makeBatch(random, fmt.Sprint("late", round), iot.CutTime(time.Now().Add(-10*time.Second))))
		if round == 0 {
			s.stop()
		}
	}
	p.send(http.DefaultClient, []sample{{device: "old/00", kind: iot.Temperature, at: iot.CutTime(time.Now()), value: 35}})
	s.kill()
	var posted []postedSample
	for _, s := range p.samples {
		posted = append(posted, postedSample{s.device, s.kind, s.at.UnixMicro(), s.value})
	}
	text, err := json.Marshal(posted)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "samples.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	pack := exec.Command("tar", "-c", "-z", "-f", oldData, "--owner=0", "--group=0", "--exclude=control.json", "-C", dir, "data", "samples.json")
	if out, err := pack.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// unpackOldData returns a copy of the old data directory, and what was posted to it.
func unpackOldData(t *testing.T) (dir string, samples []sample) {
	t.Helper()
	dir = t.TempDir()
	if out, err := exec.Command("tar", "-x", "-z", "-f", oldData, "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "samples.json"))
	if err != nil {
		t.Fatal(err)
	}
	var posted []postedSample
	if err := json.Unmarshal(text, &posted); err != nil {
		t.Fatal(err)
	}
	for _, s := range posted {
		samples = append(samples, sample{s.Device, s.Kind, time.UnixMicro(s.At).UTC(), s.Value})
	}
	return filepath.Join(dir, "data"), samples
}

// TestAnOldDataDirectoryGoesOn starts the program on what an older one was killed on: SQLite and the embedded broker's log. Every
// window, alert, device and archived reading of both must be there, once.
func TestAnOldDataDirectoryGoesOn(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute; make test runs it")
	}
	inTurn(t)
	if *makeOldData {
		writeOldData(t)
	}
	dir, samples := unpackOldData(t)
	old := samples[len(samples)-1].at
	s := newServer(t, dir, oldConfig, "-no-simulator")
	s.start()
	everything := url.Values{"from": {"2020-01-01T00:00:00Z"}, "to": {"2100-01-01T00:00:00Z"}, "limit": {"500"}}
	began := time.Now()
	if wrong := compareDevices(t, s, samples); len(wrong) > 0 {
		t.Errorf("%d devices are wrong; the first: %q", len(wrong), wrong[:min(5, len(wrong))])
	}
	// The devices of before go on too. One has an alert open.
	same := &posters{t: t, base: s.base()}
	same.send(http.DefaultClient, makeBatch(rand.New(rand.NewPCG(5, 6)), "old", iot.CutTime(time.Now())))
	same.send(http.DefaultClient, []sample{{device: "old/00", kind: iot.Temperature, at: iot.CutTime(time.Now()), value: 20}})
	posters := startPosters(t, s.base(), "gateway")
	waitFor(t, patience, "readings are acknowledged", func() bool { return posters.acknowledged.Load() > 2000 })
	added := append(same.samples, posters.stop()...)
	samples = append(samples, added...)
	verifyWindows(t, s, samples, everything)
	recent := clone(everything)
	recent.Set("from", began.Truncate(2*time.Second).UTC().Format(time.RFC3339))
	verifyAreas(t, s, added, recent)
	verifyReadings(t, s, samples, old, time.Now())
}

// compareDevices compares the list of devices with the newest sample of each.
func compareDevices(t *testing.T, s *server, samples []sample) []string {
	t.Helper()
	newest := make(map[string]sample)
	for _, sample := range samples {
		if known, ok := newest[sample.device]; !ok || sample.at.After(known.at) {
			newest[sample.device] = sample
		}
	}
	type device struct {
		ID        string    `json:"device_id"`
		Timestamp time.Time `json:"timestamp"`
		Value     float64   `json:"value"`
	}
	var wrong []string
	for _, got := range list[device](t, s.base(), "/api/v1/devices", url.Values{"limit": {"500"}}) {
		if want, ok := newest[got.ID]; !ok || !got.Timestamp.Equal(want.at) || got.Value != want.value {
			wrong = append(wrong, fmt.Sprintf("%s: got %v at %v, want %v at %v (sent: %v)", got.ID, got.Value, got.Timestamp, want.value, want.at, ok))
		}
		delete(newest, got.ID)
	}
	for id := range newest {
		wrong = append(wrong, id+": missing")
	}
	slices.Sort(wrong)
	return wrong
}
