package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

const gauge iot.DeviceType = "gauge"

func limitsConfig(highest int, lateness string) string {
	return changedConfig(2, lateness) + fmt.Sprintf("device_types: [{name: gauge, min: 0, max: %d}]\n", highest)
}

// gauges posts readings one by one until it is stopped.
type gauges struct {
	base     string
	stopping chan struct{}
	running  sync.WaitGroup

	mu sync.Mutex
	// accepted are the acknowledged readings. unsure are those that may be in the log although they were not acknowledged.
	accepted, unsure map[string]sample
	refused          int
}

func startGauges(base string) *gauges {
	g := &gauges{base: base, stopping: make(chan struct{}), accepted: make(map[string]sample), unsure: make(map[string]sample)}
	for i := range 3 {
		g.running.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 7))
			for {
				select {
				case <-g.stopping:
					return
				case <-time.After(10 * time.Millisecond):
					g.send(sample{fmt.Sprintf("gauge-%d", i), gauge, iot.CutTime(time.Now()), float64(random.IntN(100))})
				}
			}
		})
	}
	return g
}

func (s sample) key() string { return fmt.Sprint(s.device, " ", s.at.UnixMicro()) }

// send posts a reading until it is acknowledged or refused.
func (g *gauges) send(s sample) {
	r := iot.Reading{Device: iot.Device{ID: iot.DeviceID(s.device), Type: s.kind}, Time: s.at, Value: s.value, Status: iot.Online}
	body := wire.AppendReading(nil, &r)
	for {
		var answer struct {
			Accepted int
			Rejected []any
		}
		response, err := http.Post(g.base+"/api/v1/readings", "application/json", bytes.NewReader(body))
		if err == nil {
			err = json.NewDecoder(response.Body).Decode(&answer)
			response.Body.Close()
		}
		g.mu.Lock()
		switch {
		case err == nil && answer.Accepted == 1:
			g.accepted[s.key()] = s
		case err == nil && len(answer.Rejected) == 1:
			g.refused++
		default:
			g.unsure[s.key()] = s
		}
		decided := err == nil && answer.Accepted+len(answer.Rejected) == 1
		g.mu.Unlock()
		if decided {
			return
		}
		select {
		case <-g.stopping:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// deadGauges returns the readings among the dead letters.
func deadGauges(t *testing.T, s *server) map[string]string {
	t.Helper()
	type letter struct{ Reason, Value string }
	dead := make(map[string]string)
	for _, l := range list[letter](t, s.base(), "/api/v1/dead-letters", url.Values{"limit": {"100"}}) {
		var r iot.Reading
		if err := wire.DecodeReading([]byte(l.Value), &r); err != nil {
			t.Fatal(err)
		}
		dead[sample{device: string(r.ID), at: r.Time}.key()] = l.Reason
	}
	return dead
}

// TestChangedLimitsLeaveEveryNumberRight kills the program again and again, and starts it with another range of a type and another
// lateness, while readings are posted. Each acknowledged reading is either in the archive and in its window, or a dead letter with the
// reason, and never both.
func TestChangedLimitsLeaveEveryNumberRight(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute; make test runs it")
	}
	inTurn(t)
	s := newServer(t, t.TempDir(), limitsConfig(100, "1s"), "-no-simulator")
	s.start()
	posters := startGauges(s.base())
	time.Sleep(3 * time.Second)
	for i, step := range []struct {
		highest  int
		lateness string
	}{{60, "1s"}, {100, "3s"}, {60, "0s"}, {90, "1s"}} {
		if i == 2 {
			s.stop()
		} else {
			s.kill()
		}
		if err := os.WriteFile(s.config(), []byte(limitsConfig(step.highest, step.lateness)), 0o600); err != nil {
			t.Fatal(err)
		}
		s.start()
		waitFor(t, patience, "the limits are in force", func() bool {
			return strings.Count(s.log.String(), "limits on readings change") == i+1
		})
		time.Sleep(3 * time.Second)
	}
	close(posters.stopping)
	posters.running.Wait()
	s.kill()
	s.start()

	everything := make(map[string]sample)
	var archived []sample
	var wrong []string
	complete := eventually(patience, func() bool {
		clear(everything)
		archived, wrong = nil, nil
		for i := range 3 {
			device := fmt.Sprintf("gauge-%d", i)
			for at, value := range deviceReadings(t, s, device, time.Now()) {
				r := sample{device, gauge, time.UnixMicro(at).UTC(), value}
				everything[r.key()] = r
				archived = append(archived, r)
			}
		}
		wrong = wrongWindows(summaries(t, s), archived)
		return len(wrong) == 0
	})
	if !complete {
		t.Errorf("%d windows are wrong; the first: %q", len(wrong), wrong[:min(5, len(wrong))])
	}
	dead := deadGauges(t, s)
	for key, r := range posters.accepted {
		_, unsure := posters.unsure[key]
		stored, found := everything[key]
		reason, refused := dead[key]
		if found == refused && !unsure || found && stored.value != r.value || refused && !strings.Contains(reason, "physical range") {
			t.Errorf("%+v: archived %v as %+v, dead letter %v: %s", r, found, stored, refused, reason)
		}
	}
	for key, r := range everything {
		if _, known := posters.accepted[key]; !known && posters.unsure[key] != r {
			t.Errorf("%+v is archived and was never accepted", r)
		}
	}
	t.Logf("%d readings accepted, %d refused at the door, %d archived, %d dead letters", len(posters.accepted), posters.refused, len(archived), len(dead))
	if posters.refused == 0 || strings.Contains(s.log.String(), "level=ERROR") {
		t.Errorf("%d readings were refused; the log: %s", posters.refused, s.log.String())
	}
}
