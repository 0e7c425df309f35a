package process_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

// outage appends that a gateway is silent, for a time in seconds, or that it is not any more if that is 0. evidence is the offset of its state.
func (j *journal) outage(appended float64, gateway string, evidence int64, seconds float64) {
	said := iot.Outage{Silent: seconds > 0, For: time.Duration(seconds * float64(time.Second)), Evidence: iot.Position{Partition: 7, Offset: evidence}}
	j.decide(appended, iot.KindOutage, gateway, wire.AppendOutage(nil, &said))
}

// below registers a device that sends through a gateway.
func (j *journal) below(appended float64, device, gateway string) {
	j.entry(appended, device, iot.DeviceEntry{Version: 1, Parent: iot.DeviceID(gateway)})
}

// ticks appends a tick for each second from one to another, both included.
func (j *journal) ticks(from, to float64) {
	for s := from; s <= to; s++ {
		j.tick(s)
	}
}

func drawOutage(t *rapid.T, j *journal, now float64) {
	j.outage(now, rapid.SampledFrom([]string{"a", "gateway", "gateway"}).Draw(t, "silent parent"),
		rapid.Int64Range(1, 4).Draw(t, "evidence"), rapid.SampledFrom([]float64{0, 0, 15, 60}).Draw(t, "lasts"))
}

// silenceEvents returns the events about silence as words: transition, device, second, and what suppresses the alert.
func silenceEvents(t *testing.T, out *recorder) (events []string) {
	t.Helper()
	for _, text := range out.alerts {
		a, err := wire.DecodeAlert([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if a.Rule != iot.RuleOffline && a.Rule != "quiet" {
			continue
		}
		event := fmt.Sprint(a.Transition, " ", a.DeviceID, " ", a.Time.Sub(epoch).Seconds(), " ", a.Suppressed, " ", a.SuppressedBy)
		events = append(events, strings.TrimRight(event, " "))
	}
	return events
}

// The gateway is found silent after its devices were: their timeouts run out first. It has one alert that somebody is notified of. After it has
// returned, so has one device; the other one is dead.
func TestASilentGatewaySilencesItsDevices(t *testing.T) {
	var j journal
	for _, device := range []string{"a", "b"} {
		j.below(0, device, "gateway")
		j.reading(0, device, 0, 20)
	}
	j.ticks(1, 25)
	j.outage(25, "gateway", 10, 600)
	j.ticks(26, 300)
	j.outage(300, "gateway", 20, 0)
	j.ticks(301, 309)
	j.reading(310, "a", 310, 20)
	j.ticks(311, 324)
	mustEqual(t, silenceEvents(t, onePass(t, j)),
		"raised a 15 by_parent gateway", "raised b 15 by_parent gateway", "cleared a 310 by_parent gateway", "updated b 320")
}

// The gateway is there, so it is the device that is dead: somebody is notified once the gateway has had the time to be found silent.
func TestADeadDeviceIsFoundBehindAGateway(t *testing.T) {
	var j journal
	j.below(0, "a", "gateway")
	j.reading(0, "a", 0, 20)
	j.reading(0, "lone", 0, 20)
	j.ticks(1, 40)
	mustEqual(t, silenceEvents(t, onePass(t, j)), "raised a 15 by_parent gateway", "raised lone 15", "updated a 35")
}

// Nobody says any more that the gateway is silent: its devices are not silenced for good.
func TestAnOutageEndsUnlessItIsSaidAgain(t *testing.T) {
	var j journal
	j.below(0, "a", "gateway")
	j.reading(0, "a", 0, 20)
	j.ticks(1, 20)
	j.outage(20, "gateway", 10, 60)
	j.ticks(21, 70)
	j.outage(70, "gateway", 11, 60)
	j.ticks(71, 140)
	out := onePass(t, j)
	mustEqual(t, silenceEvents(t, out), "raised a 15 by_parent gateway", "updated a 130")
	if got, is := out.finalInForce()["outage\x1fgateway"]; is {
		t.Errorf("got %s in force, want it removed", got)
	}
}

// A partition in which all devices are silent has ticks as long as an outage lasts, so a longer pause is a standstill of the whole system: after it the outage
// has to be said again, and there is time for that.
func TestAStandstillEndsNoOutage(t *testing.T) {
	for name, again := range map[string]bool{"said again": true, "not said again": false} {
		var j journal
		j.below(0, "a", "gateway")
		j.reading(0, "a", 0, 20)
		j.ticks(1, 20)
		j.outage(20, "gateway", 10, 60)
		p := process.New(options(t), 3, process.Checkpoint{}, false)
		if err := p.Process(j, newRecorder()); err != nil || !p.NeedsTicks(at(21)) {
			t.Errorf("got %v, want ticks to be needed", err)
		}
		j.ticks(5000, 5010)
		want := []string{"raised a 15 by_parent gateway", "updated a 5020"}
		if again {
			j.outage(5010, "gateway", 12, 60)
			want = want[:1]
		}
		j.ticks(5011, 5030)
		if got := silenceEvents(t, onePass(t, j)); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// Two processes say what they know, and one is behind.
func TestAnEarlierStateOfTheGatewayIsIgnored(t *testing.T) {
	var j journal
	j.below(0, "a", "gateway")
	j.reading(0, "a", 0, 20)
	j.ticks(1, 20)
	j.outage(20, "gateway", 10, 600)
	j.tick(21)
	j.outage(22, "gateway", 20, 0)
	j.outage(23, "gateway", 10, 600)
	j.ticks(24, 45)
	mustEqual(t, silenceEvents(t, onePass(t, j)), "raised a 15 by_parent gateway", "updated a 42")
	// A gateway that was forgotten has no state.
	j = j[:len(j)-24]
	said := iot.Outage{}
	j.decide(22, iot.KindOutage, "gateway", wire.AppendOutage(nil, &said))
	j.ticks(23, 45)
	mustEqual(t, silenceEvents(t, onePass(t, j)), "raised a 15 by_parent gateway", "updated a 42")
}

// A device that sends seldom has as long to return as it may always be silent, and so has a rule of the kind NoData.
func TestDevicesHaveTheirTimeToReturn(t *testing.T) {
	opts := *options(t)
	opts.Rules = append(opts.Rules, iot.Rule{Name: "quiet", Severity: iot.Info, Condition: iot.Condition{Kind: iot.NoData, Within: 40 * time.Second}})
	var j journal
	j.entry(0, "a", iot.DeviceEntry{Version: 1, Parent: "gateway", Interval: 20 * time.Second})
	j.reading(0, "a", 0, 20)
	j.ticks(1, 50)
	j.outage(50, "gateway", 10, 3600)
	j.ticks(51, 100)
	j.outage(100, "gateway", 20, 0)
	j.ticks(101, 170)
	out, p := newRecorder(), process.New(&opts, 3, process.Checkpoint{}, false)
	if err := p.Process(j, out); err != nil {
		t.Fatal(err)
	}
	mustEqual(t, silenceEvents(t, out),
		"raised a 40 by_parent gateway", "raised a 60 by_parent gateway", "updated a 140", "updated a 160")
}

// A device is moved behind another gateway, and taken from behind it.
func TestADeviceMayBeMovedToAnotherParent(t *testing.T) {
	var j journal
	j.below(0, "a", "gateway")
	j.reading(0, "a", 0, 20)
	j.ticks(1, 20)
	j.outage(20, "gateway", 10, 600)
	j.outage(20, "other", 10, 600)
	j.ticks(21, 60)
	j.entry(61, "a", iot.DeviceEntry{Version: 2, Parent: "other"})
	j.outage(62, "gateway", 20, 0)
	j.ticks(63, 130)
	j.entry(131, "a", iot.DeviceEntry{Version: 3})
	j.entry(132, "a", iot.DeviceEntry{Version: 4, Parent: "gateway"})
	mustEqual(t, silenceEvents(t, onePass(t, j)),
		"raised a 15 by_parent gateway", "updated a 61 by_parent other", "updated a 131")
}

// A person, and planned maintenance, come before the parent. Other alerts than those about silence are not suppressed.
func TestOnlySilenceIsSuppressedByAParent(t *testing.T) {
	var j journal
	j.below(0, "a", "gateway")
	j.reading(0, "a", 0, 40)
	j.ticks(1, 16)
	j.outage(17, "gateway", 10, 600)
	j.maintain(18, "overhaul", 1, iot.Selector{}, 20, 30)
	j.ticks(19, 35)
	j.command(36, "a", iot.Command{Action: iot.Shelve, Rule: iot.RuleOffline, Until: at(50)})
	j.ticks(37, 55)
	out := onePass(t, j)
	mustEqual(t, silenceEvents(t, out),
		"raised a 15 by_parent gateway", "updated a 20 by_design overhaul", "updated a 30 by_parent gateway", "updated a 36 shelved u-17", "updated a 50 by_parent gateway")
	mustEqual(t, handledEvents(t, out), "raised 0", "updated 20   by_design 30", "updated 30")
}

// The log's clock ran ahead while a gateway was silent: the outage does not last until then.
func TestAnOutageIsSetBackWithTheClock(t *testing.T) {
	var j journal
	j.below(0, "a", "gateway")
	j.reading(0, "a", 0, 20)
	j.ticks(1, 20)
	j.tick(1e6)
	j.outage(1e6+1, "gateway", 10, 100)
	j.ticks(21, 200)
	events := silenceEvents(t, onePass(t, j))
	if last := events[len(events)-1]; last != "updated a 149" && last != "updated a 150" && last != "updated a 151" {
		t.Errorf("got %q, want the alert not suppressed 100 s after the clock was set back at about 50", events)
	}
}

// 10,000 devices fall silent in one tick, and nobody says anything of their gateway. What is judged is judged once.
func TestThousandsOfDevicesBehindOneGateway(t *testing.T) {
	const devices = 10_000
	var j journal
	for i := range devices {
		j.below(0, fmt.Sprint("device_", i), "gateway")
		j.reading(0, fmt.Sprint("device_", i), 0, 20)
	}
	j.ticks(1, 20)
	j.outage(21, "gateway", 1, 60)
	j.ticks(22, 60)
	j.outage(61, "gateway", 2, 0)
	j.ticks(62, 85)
	start := time.Now()
	out := onePass(t, j)
	t.Log(time.Since(start))
	if raised, all := strings.Count(strings.Join(out.alerts, ""), `"by_parent"`), len(out.alerts); raised != devices || all != 2*devices {
		t.Errorf("got %d events, %d of them suppressed, want each device raised, suppressed, and then not", all, raised)
	}
}

// A processor that is killed while an outage suppresses alerts goes on as if it had not been.
func TestAnOutageOutlivesAKill(t *testing.T) {
	var j journal
	for _, device := range []string{"a", "b", "c"} {
		j.below(0, device, "gateway")
		j.reading(0, device, 0, 20)
	}
	j.ticks(1, 25)
	j.outage(25, "gateway", 10, 60)
	j.ticks(26, 50)
	j.outage(51, "gateway", 11, 60)
	j.ticks(52, 60)
	j.outage(60, "gateway", 20, 0)
	j.reading(65, "a", 65, 20)
	j.ticks(66, 100)
	want := onePass(t, j)
	for n := range j {
		if diff := killedAt(t, options(t), j, n).difference(want); diff != "" {
			t.Fatalf("killed after %d records: %s", n, diff)
		}
	}
}
