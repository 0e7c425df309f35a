package integration

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"testing"
	"time"

	"iotmon/internal/wire"
)

// forwardedState is what the test looks at of GET /api/v1/system at a gateway.
type forwardedState struct {
	Forward struct {
		Connected bool   `json:"connected"`
		Problem   string `json:"problem"`
		Lag       int64  `json:"lag"`
		Forwarded int64  `json:"forwarded"`
		Rejected  int64  `json:"rejected"`
		Lost      []any  `json:"lost"`
	} `json:"forward"`
}

func forwarded(t *testing.T, s *server) (state forwardedState) {
	t.Helper()
	response, err := http.Get(s.base() + "/api/v1/system")
	if err != nil {
		return state
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&state); err != nil {
		t.Error(err)
	}
	return state
}

// gateway prepares an iotmon that forwards to a centre.
func gateway(t *testing.T, to, more string) *server {
	t.Helper()
	return newServer(t, t.TempDir(), killConfig+fmt.Sprintf("forward: {to: [%q], historical_after: 2s%s}\n", to, more), "-no-simulator")
}

// TestACentreHasEachReadingOfItsGatewaysOnce kills gateways and centre at random, cuts the network between them, and compares the centre
// with what the gateways have acknowledged.
func TestACentreHasEachReadingOfItsGatewaysOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute; make test runs it")
	}
	inTurn(t)
	centre := newServer(t, t.TempDir(), killConfig, "-no-simulator")
	centre.start()
	network := startProxy(t, "127.0.0.1:0", centre.addr)
	gateways := []*server{gateway(t, "http://"+network.addr(), ""), gateway(t, "http://"+network.addr(), ", newest_first: true, max_rate: 20000")}
	var senders []*posters
	for i, g := range gateways {
		g.start()
		senders = append(senders, startPosters(t, g.base(), fmt.Sprint("site", i, "-")))
	}
	random := rand.New(rand.NewPCG(3, uint64(time.Now().UnixNano())))
	pause := func() { time.Sleep(time.Duration(200+random.IntN(800)) * time.Millisecond) }
	for round := range briefly(2, 40) {
		pause()
		network.set(networkFaults{cut: 0.05, cutAnswers: 0.1, delay: time.Duration(random.IntN(30)) * time.Millisecond})
		pause()
		gateways[round%2].kill()
		pause()
		gateways[round%2].start()
		network.set(networkFaults{away: true}) // Longer than historical_after.
		time.Sleep(3 * time.Second)
		network.set(networkFaults{})
		pause()
		centre.kill()
		pause()
		centre.start()
	}
	var all []sample
	for _, sender := range senders {
		all = append(all, sender.stop()...)
	}
	for _, g := range gateways {
		waitFor(t, patience, "everything is forwarded", func() bool { s := forwarded(t, g).Forward; return s.Connected && s.Lag == 0 })
		if s := forwarded(t, g).Forward; s.Rejected != 0 || len(s.Lost) != 0 {
			t.Errorf("got %+v, want nothing rejected and nothing lost", s)
		}
	}
	everything := url.Values{"from": {"2020-01-01T00:00:00Z"}, "to": {"2100-01-01T00:00:00Z"}, "limit": {"500"}}
	truth := summarize(all, 2*time.Second)
	var wrong []string
	if !eventually(patience, func() bool {
		wrong = compareSummaries(list[wire.Aggregate](t, centre.base(), "/api/v1/summaries", clone(everything)), truth)
		return len(wrong) == 0
	}) {
		t.Errorf("%d of %d windows are wrong; the first: %q", len(wrong), len(truth), wrong[:min(5, len(wrong))])
	}
	verifyReadings(t, centre, all, time.Now())
	t.Logf("%d readings, %d windows at the centre", len(all), len(truth))
	sameAtTheCentre(t, gateways, centre, all)
}

// sameAtTheCentre compares readings of the gateways with those of the centre one by one.
func sameAtTheCentre(t *testing.T, gateways []*server, centre *server, samples []sample) {
	t.Helper()
	devices := make(map[string]bool)
	for _, s := range samples {
		devices[s.device] = true
	}
	compared, now := 0, time.Now()
	for device := range devices {
		if compared++; compared > 6 {
			return
		}
		own := gateways[int(device[len("site")]-'0')]
		if at, there := deviceReadings(t, own, device, now), deviceReadings(t, centre, device, now); !maps.Equal(at, there) {
			t.Errorf("%s: %d readings at the gateway, %d others at the centre", device, len(at), len(there))
		}
	}
}

// TestAnOutageOfDaysAlarmsNobodyAtTheCentre has a gateway collect for days what violates a rule, before it reaches the centre. The gateway is killed
// meanwhile, and both are while it catches up: the centre has each reading once.
func TestAnOutageOfDaysAlarmsNobodyAtTheCentre(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute; make test runs it")
	}
	inTurn(t)
	centre := newServer(t, t.TempDir(), killConfig, "-no-simulator")
	network := startProxy(t, "127.0.0.1:0", centre.addr)
	network.set(networkFaults{away: true})
	g := gateway(t, "http://"+network.addr(), ", max_rate: 250")
	g.start()
	centre.start()
	var all []sample
	day := time.Now().Add(-48 * time.Hour)
	poster := &posters{t: t, base: g.base()}
	random := rand.New(rand.NewPCG(5, 5))
	for begin := time.Now().Add(-72 * time.Hour).Truncate(time.Second); begin.Before(time.Now().Add(-time.Hour)); begin = begin.Add(15 * time.Minute) {
		batch := makeBatch(random, "old", begin)
		poster.send(http.DefaultClient, batch)
		all = append(all, batch...)
		if begin.After(day) {
			g.kill()
			g.start()
			day = day.Add(24 * time.Hour)
		}
	}
	time.Sleep(3 * time.Second) // Longer than historical_after.
	waitFor(t, patience, "the lag is every reading, while the centre is away", func() bool {
		s := forwarded(t, g).Forward
		return !s.Connected && s.Lag >= int64(len(all)) && s.Problem != ""
	})
	network.set(networkFaults{})
	for i, killed := range []*server{g, centre, g} {
		least := int64(len(all)) * int64(3-i) / 4
		waitFor(t, patience, "a part is forwarded", func() bool { s := forwarded(t, g).Forward; return s.Connected && s.Lag < least })
		killed.kill()
		killed.start()
	}
	waitFor(t, patience, "everything is forwarded", func() bool { s := forwarded(t, g).Forward; return s.Connected && s.Lag == 0 })
	if s := forwarded(t, g).Forward; s.Rejected != 0 || len(s.Lost) != 0 {
		t.Errorf("got %+v, want nothing rejected and nothing lost", s)
	}
	everything := url.Values{"from": {"2020-01-01T00:00:00Z"}, "to": {"2100-01-01T00:00:00Z"}, "limit": {"500"}}
	truth := summarize(all, 2*time.Second)
	var wrong []string
	if !eventually(patience, func() bool {
		wrong = compareSummaries(list[wire.Aggregate](t, centre.base(), "/api/v1/summaries", clone(everything)), truth)
		return len(wrong) == 0
	}) {
		t.Errorf("%d of %d windows are wrong; the first: %q", len(wrong), len(truth), wrong[:min(5, len(wrong))])
	}
	sameOverDays(t, centre, all)
	alerts := list[struct {
		Historical bool `json:"historical"`
	}](t, centre.base(), "/api/v1/alerts", clone(everything))
	for _, a := range alerts {
		if !a.Historical {
			t.Error("a live alert was raised for the past")
			break
		}
	}
	if len(alerts) == 0 {
		t.Error("no alert is in the history, though readings violate a rule")
	}
	t.Logf("%d readings, %d windows and %d past alerts at the centre", len(all), len(truth), len(alerts))
}

// sameOverDays compares every archived reading of some days with what was sent: there are few enough of a device for one answer.
func sameOverDays(t *testing.T, centre *server, samples []sample) {
	t.Helper()
	want := make(map[string]map[time.Time]float64)
	for _, s := range samples {
		if want[s.device] == nil {
			want[s.device] = make(map[time.Time]float64)
		}
		want[s.device][s.at.UTC()] = s.value
	}
	for device, sent := range want {
		archived := make(map[time.Time]float64)
		for _, item := range list[struct {
			Timestamp time.Time `json:"timestamp"`
			Value     float64   `json:"value"`
		}](t, centre.base(), "/api/v1/devices/"+url.PathEscape(device)+"/readings", url.Values{
			"from": {time.Now().Add(-80 * time.Hour).Format(time.RFC3339Nano)}, "to": {time.Now().Format(time.RFC3339Nano)}, "max_points": {"5000"}}) {
			archived[item.Timestamp.UTC()] = item.Value
		}
		if !maps.Equal(archived, sent) {
			t.Errorf("%s: got %d readings at the centre, want the %d that were sent", device, len(archived), len(sent))
		}
	}
}
