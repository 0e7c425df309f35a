package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// kills is how often the process is killed; at least a third must hit an open transaction.
const kills = 50

const killConfig = `
aggregation:
  window_seconds: 2
  allowed_lateness: 1s
alerts:
  device_offline: "off"
  temperature_critical: "off"
archive:
  retention:
    readings: 0s
    summaries: 0s
    alerts: 0s
`

var killRule = iot.Rule{Name: "temperature_high", Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Warning, Condition: iot.Condition{Threshold: 28, Hysteresis: 0.5}}

// TestKillsLoseAndDoubleNothing kills the program at random moments while readings are posted, and compares every closed window,
// alert and archived reading with the readings that were acknowledged to the posters.
func TestKillsLoseAndDoubleNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes; make test runs it")
	}
	inTurn(t)
	dir := t.TempDir()
	s := newServer(t, dir, killConfig, "-no-simulator", "-log-format", "json")
	s.start()

	posters := startPosters(t, s.base(), "gateway")
	random := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	inTransaction, dropped := 0, 0
	for range kills {
		before := posters.acknowledged.Load()
		waitFor(t, patience, "readings are acknowledged again", func() bool { return posters.acknowledged.Load() > before })
		time.Sleep(time.Duration(random.IntN(1500)) * time.Millisecond)
		s.kill()
		// A transaction that an earlier kill has left open stays in the files.
		if open := openTransactions(t, dir); open > dropped {
			inTransaction++
			dropped = open
		}
		s.start()
	}
	samples := posters.stop()
	if inTransaction*3 < kills {
		t.Errorf("%d of %d kills hit an open transaction, want at least a third", inTransaction, kills)
	}
	t.Logf("%d kills, %d of them inside an open transaction; %d readings acknowledged", kills, inTransaction, len(samples))
	verify(t, s, samples)
}

// verify waits until everything acknowledged has been archived and compares it.
func verify(t *testing.T, s *server, samples []sample) {
	t.Helper()
	everything := url.Values{"from": {"2020-01-01T00:00:00Z"}, "to": {"2100-01-01T00:00:00Z"}, "limit": {"500"}}
	verifyWindows(t, s, samples, everything)
	verifyAreas(t, s, samples, everything)
	verifyReadings(t, s, samples, time.Now())
}

// verifyWindows waits until all windows and alerts have been archived and compares them.
func verifyWindows(t *testing.T, s *server, samples []sample, everything url.Values) {
	t.Helper()
	truth := summarize(samples, 2*time.Second)
	latest, last := lastWindows(truth)
	var wrong []string
	complete := eventually(patience, func() bool {
		if wrong = compareSummaries(list[wire.Aggregate](t, s.base(), "/api/v1/summaries", clone(latest)), last); len(wrong) > 0 {
			return false
		}
		got := list[wire.Aggregate](t, s.base(), "/api/v1/summaries", clone(everything))
		wrong = compareSummaries(got, truth)
		return len(wrong) == 0
	})
	if !complete {
		t.Errorf("%d of %d windows are wrong; the first: %q", len(wrong), len(truth), wrong[:min(5, len(wrong))])
	}
	want := episodes(samples, killRule)
	got := list[archivedAlert](t, s.base(), "/api/v1/alerts", clone(everything))
	if wrong := compareAlerts(got, want); len(wrong) > 0 {
		t.Errorf("%d of %d alerts are wrong; the first: %q", len(wrong), len(want), wrong[:min(5, len(wrong))])
	}
	t.Logf("%d windows and %d alerts equal the truth", len(truth)-len(wrong), len(want))
}

// verifyAreas compares the windows of each area.
func verifyAreas(t *testing.T, s *server, samples []sample, query url.Values) {
	t.Helper()
	inside := make(map[string][]sample)
	for _, sample := range samples {
		inside[sample.building()] = append(inside[sample.building()], sample)
	}
	for _, building := range buildings {
		if building == "" {
			continue
		}
		q := clone(query)
		q.Set("area", string((&iot.Location{Building: building}).FirstArea()))
		truth := summarize(inside[building], 2*time.Second)
		if wrong := compareSummaries(list[wire.Aggregate](t, s.base(), "/api/v1/summaries", q), truth); len(wrong) > 0 {
			t.Errorf("%s: %d of %d windows are wrong; the first: %q", building, len(wrong), len(truth), wrong[:min(5, len(wrong))])
		}
	}
}

// verifyReadings compares the archived readings of some devices one by one. All of them are from the minutes before the given times.
func verifyReadings(t *testing.T, s *server, samples []sample, before ...time.Time) {
	t.Helper()
	byDevice := make(map[string]map[int64]float64)
	for _, sample := range samples {
		if byDevice[sample.device] == nil {
			byDevice[sample.device] = make(map[int64]float64)
		}
		byDevice[sample.device][sample.at.UnixMicro()] = sample.value
	}
	compared := 0
	for device, want := range byDevice {
		if compared++; compared > 10 {
			break
		}
		got := deviceReadings(t, s, device, before...)
		if len(got) != len(want) {
			t.Errorf("%s: got %d archived readings, want %d", device, len(got), len(want))
		}
		for at, value := range want {
			if stored, ok := got[at]; !ok || stored != value {
				t.Errorf("%s at %v: got %v (found: %v), want %v", device, time.UnixMicro(at).UTC(), stored, ok, value)
				break
			}
		}
	}
}

// deviceReadings returns the archived readings of a device of the minutes before the given times.
func deviceReadings(t *testing.T, s *server, device string, before ...time.Time) map[int64]float64 {
	t.Helper()
	readings := make(map[int64]float64)
	for _, end := range before {
		maps.Copy(readings, readingsBetween(t, s, device, end.Add(-20*time.Minute), end.Add(time.Minute)))
	}
	return readings
}

// readingsBetween returns the archived readings of a device, by their times in microseconds.
func readingsBetween(t *testing.T, s *server, device string, from, to time.Time) map[int64]float64 {
	t.Helper()
	readings := make(map[int64]float64)
	for ; from.Before(to); from = from.Add(time.Minute) { // Short ranges come back whole rather than thinned.
		items := list[struct {
			Timestamp time.Time `json:"timestamp"`
			Value     float64   `json:"value"`
		}](t, s.base(), "/api/v1/devices/"+url.PathEscape(device)+"/readings", url.Values{
			"from": {from.Format(time.RFC3339Nano)}, "to": {from.Add(time.Minute).Format(time.RFC3339Nano)}, "max_points": {"5000"}})
		for _, item := range items {
			readings[item.Timestamp.UnixMicro()] = item.Value
		}
	}
	return readings
}

// posters are several gateways, each with its own devices. They repeat each request until the server has acknowledged it. Together they
// send some 700 readings per second: enough to be everywhere in the system at any moment. As many as a machine can process, as in the long
// form, would only take it from the tests beside this one.
type posters struct {
	t    *testing.T
	base string
	// name begins the ids of the devices.
	name         string
	quit         chan struct{}
	running      sync.WaitGroup
	acknowledged atomic.Int64
	// attempted counts the readings of all requests that were sent, acknowledged or not.
	attempted atomic.Int64

	mu      sync.Mutex
	samples []sample
}

func startPosters(t *testing.T, base, name string) *posters {
	p := &posters{t: t, base: base, name: name, quit: make(chan struct{})}
	for gateway := range 4 {
		p.running.Go(func() { p.post(gateway) })
	}
	return p
}

// stop lets the batches under way be acknowledged and returns all samples that were.
func (p *posters) stop() []sample {
	close(p.quit)
	p.running.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.samples
}

func (p *posters) post(gateway int) {
	random := rand.New(rand.NewPCG(uint64(gateway), 7))
	client := &http.Client{Timeout: 15 * time.Second}
	most := briefly(150, 20)
	var last time.Time
	for {
		select {
		case <-p.quit:
			return
		case <-time.After(time.Duration(random.IntN(most)) * time.Millisecond):
		}
		now := iot.CutTime(time.Now())
		if !now.After(last) {
			continue
		}
		last = now
		batch := makeBatch(random, fmt.Sprint(p.name, gateway), now)
		p.send(client, batch)
		if random.IntN(10) == 0 {
			p.send(client, batch) // A gateway that did not trust the answer.
		}
	}
}

// makeBatch makes one reading of each of some devices, all with the same timestamp, now and then beyond the threshold.
func makeBatch(random *rand.Rand, gateway string, at time.Time) []sample {
	kinds := []iot.DeviceType{iot.Temperature, iot.Humidity, iot.Pressure}
	var batch []sample
	for device := range 30 {
		if random.IntN(2) == 0 {
			continue
		}
		kind := kinds[device%len(kinds)]
		value := 20 + random.Float64()*7
		if kind == iot.Temperature && random.IntN(20) == 0 {
			value = 28 + random.Float64()*5
		}
		batch = append(batch, sample{device: fmt.Sprintf("%s/%02d", gateway, device), kind: kind, at: at, value: value})
	}
	return batch
}

// send repeats the batch until it is acknowledged. It is the sender's own record that counts as the truth.
func (p *posters) send(client *http.Client, batch []sample) {
	if len(batch) == 0 {
		return
	}
	body := encode(batch)
	for {
		p.attempted.Add(int64(len(batch)))
		response, err := client.Post(p.base+"/api/v1/readings", "application/x-ndjson", bytes.NewReader(body))
		if err == nil {
			var answer wire.Ingested
			err = json.NewDecoder(response.Body).Decode(&answer)
			response.Body.Close()
			if err == nil && response.StatusCode == http.StatusOK && answer.Accepted == len(batch) {
				p.mu.Lock()
				p.samples = append(p.samples, batch...)
				p.mu.Unlock()
				p.acknowledged.Add(int64(len(batch)))
				return
			}
			if err == nil && response.StatusCode != http.StatusServiceUnavailable && response.StatusCode != http.StatusTooManyRequests {
				p.t.Errorf("post: got status %d, accepted %d of %d, rejected %v", response.StatusCode, answer.Accepted, len(batch), answer.Rejected)
				return
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func encode(batch []sample) []byte {
	var body []byte
	for _, s := range batch {
		body = wire.AppendReading(body, &iot.Reading{
			Device: iot.Device{ID: iot.DeviceID(s.device), Type: s.kind, Location: iot.Location{Building: s.building()}},
			Time:   s.at,
			Value:  s.value,
		})
		body = append(body, '\n')
	}
	return body
}

func clone(v url.Values) url.Values {
	c := make(url.Values, len(v))
	for key, values := range v {
		c[key] = values
	}
	return c
}

// eventually polls until done or patience runs out, and reports which. Where to look takes long, as at all pages of a listing, it pauses as
// long, so that it does not keep busy what it waits for.
func eventually(patience time.Duration, done func() bool) bool {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		began := time.Now()
		if done() {
			return true
		}
		time.Sleep(max(100*time.Millisecond, time.Since(began)))
	}
	return done()
}

func waitFor(t *testing.T, patience time.Duration, what string, done func() bool) {
	t.Helper()
	if !eventually(patience, done) {
		t.Fatalf("waited %v in vain until %s", patience, what)
	}
}
