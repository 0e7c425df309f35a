package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"iotmon/internal/iot"
)

// byPoints is a rule in force about temperatures, with another expression.
func (r *registry) byPoints(expression string, change func(*iot.Rule)) {
	entry := iot.RuleEntry{Version: 1, Rule: iot.Rule{
		Name: "odd", Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Warning, Condition: iot.Condition{Kind: iot.Expression, Expression: expression},
	}}
	if change != nil {
		change(&entry.Rule)
	}
	r.SetRule(&iot.RuleInForce{RuleEntry: entry})
}

// machineDevice is a device of a type in a machine, none for "", whose partition is 0.
func machineDevice(machine, id string, t iot.DeviceType, change func(*iot.DeviceState)) iot.DeviceState {
	state := iot.DeviceState{
		Latest: iot.Reading{Device: iot.Device{ID: iot.DeviceID(id), Type: t, Location: iot.Location{Building: machine}}}, Status: iot.Online, LastSeen: noon.Add(-time.Minute),
	}
	if change != nil {
		change(&state)
	}
	return state
}

// inForce puts points of a machine in force in a partition: each is a device, with a value if it is good.
func (r *registry) inForce(machine string, partition int32, points ...iot.Point) {
	for i := range points {
		points[i].For = iot.PointLasts
	}
	r.SetPoints(iot.Machine{Area: iot.Area(machine)}, &iot.PointsInForce{Points: points, Position: iot.Position{Partition: partition}})
}

// A rule whose expression names points says which machines have them, and which devices lack one, and why.
func TestARuleShowsItsPoints(t *testing.T) {
	r := newRegistry()
	r.byPoints(`value > point("pump").value + point("pressure_sensor").value`, func(rule *iot.Rule) { rule.Except = []iot.Selector{{Devices: []iot.DeviceID{"press-t9"}}} })
	elsewhere := func(s *iot.DeviceState) { s.Partition = 3 }
	offline := func(s *iot.DeviceState) { s.Status = iot.Offline }
	bad := func(s *iot.DeviceState) { s.Latest.Quality = iot.Bad }
	devices := plant{
		machineDevice("press", "press-t1", iot.Temperature, nil), machineDevice("press", "press-t2", iot.Temperature, elsewhere), machineDevice("press", "press-t9", iot.Temperature, nil),
		machineDevice("press", "press-p", iot.Pressure, nil), machineDevice("press", "press-pump", iot.Current, nil),
		machineDevice("double", "double-t", iot.Temperature, nil), machineDevice("double", "double-p1", iot.Pressure, nil), machineDevice("double", "double-p2", iot.Pressure, nil),
		machineDevice("away", "away-t", iot.Temperature, nil), machineDevice("away", "pump", iot.Current, offline), machineDevice("away", "away-p", iot.Pressure, bad),
		machineDevice("new", "new-t", iot.Temperature, nil), machineDevice("new", "new-p", iot.Pressure, nil),
		machineDevice("full", "full-t", iot.Temperature, func(s *iot.DeviceState) { s.Partition = 2 }), machineDevice("full", "full-p", iot.Pressure, nil),
		machineDevice("", "lost-t", iot.Temperature, nil), machineDevice("retired", "retired-t", iot.Temperature, nil),
	}
	register := func(id, area, label string, retired bool) {
		r.SetDevice(iot.Identity{ID: iot.DeviceID(id)}, &iot.EntryInForce{DeviceEntry: iot.DeviceEntry{
			Version: 1, Area: iot.Area(area), Labels: map[string]string{iot.PointLabel: label}, Retired: retired,
		}})
	}
	register("press-pump", "", "pump", false)
	register("new-pump", "new", "pump", false) // It has never sent.
	register("retired-t", "", "", true)
	ago := func(seconds int) time.Time { return noon.Add(-time.Duration(seconds) * time.Second) }
	r.inForce("press", 0, iot.Point{Name: "pressure_sensor", Device: "press-p", Good: true, Value: 4, Seen: ago(9)}, iot.Point{Name: "pump", Device: "press-pump", Good: true, Value: 7, Seen: ago(2)})
	r.inForce("press", 3, iot.Point{Name: "pressure_sensor", Device: "press-p", Good: true, Value: 5, Seen: ago(3)})
	r.inForce("away", 0, iot.Point{Name: "pump", Device: "pump", Seen: ago(60)}, iot.Point{Name: "pressure_sensor", Device: "away-p", Seen: ago(60)})
	for i := range iot.MaxPoints {
		r.inForce(fmt.Sprint("machine ", i), 2, iot.Point{Name: "pump", Device: "other", Good: true, Value: 1, Seen: ago(1)})
	}
	h := newAPI(t, devices, &archive{}, r.use)
	got := send(h, "GET", "/api/v1/rules/odd", "").Body.String()
	seen := `"last_seen":"2026-03-01T11:59:00Z"`
	for _, want := range []string{
		`"points":{"names":["pressure_sensor","pump"],"machines":5,"found":2,"items":[`,
		`{"area":"press","point":"pressure_sensor","device_id":"press-p","device_type":"pressure_sensor","value":5,"last_seen":"2026-03-01T11:59:57Z","age_seconds":3,"until":"2026-03-01T12:00:57Z","watched":2}`,
		`{"area":"press","point":"pump","device_id":"press-pump","device_type":"current_sensor","value":7,"last_seen":"2026-03-01T11:59:58Z","age_seconds":2,"until":"2026-03-01T12:00:58Z","watched":1}],"devices_without":6,`,
		`"without":[{"device_id":"lost-t","area":"","missing":[{"point":"pressure_sensor","reason":"no_area"},{"point":"pump","reason":"no_area"}]}`,
		`{"device_id":"away-t","area":"away","missing":[{"point":"pressure_sensor","reason":"not_good","device_id":"away-p",` + seen + `},{"point":"pump","reason":"offline","device_id":"pump",` + seen + `}]}`,
		`{"device_id":"double-t","area":"double","missing":[{"point":"pressure_sensor","reason":"several","devices":2},{"point":"pump","reason":"no_such_point"}]}`,
		`{"device_id":"full-t","area":"full","missing":[{"point":"pressure_sensor","reason":"many_points","device_id":"full-p",` + seen + `},{"point":"pump","reason":"no_such_point"}]}`,
		`{"device_id":"new-t","area":"new","missing":[{"point":"pressure_sensor","reason":"none_in_force","device_id":"new-p",` + seen + `},{"point":"pump","reason":"never_sent","device_id":"new-pump"}]}`,
		`{"device_id":"press-t2","area":"press","missing":[{"point":"pump","reason":"none_in_force","device_id":"press-pump",` + seen + `}]}]`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s,\nwant %s", got, want)
		}
	}
	for name, change := range map[string]func(){
		"without points": func() { r.byPoints(`value > 3`, nil) },
		"disabled":       func() { r.byPoints(`value > point("pump").value`, func(rule *iot.Rule) { rule.Disabled = true }) },
	} {
		change()
		if got := send(h, "GET", "/api/v1/rules/odd", "").Body.String(); strings.Contains(got, `"points"`) || !strings.Contains(got, `"odd"`) {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

// A large plant gets an answer of a bounded length, with the numbers of what is left out.
func TestTheListOfPointsOfARuleIsBounded(t *testing.T) {
	r := newRegistry()
	r.byPoints(`value > point("p").value`, nil)
	var devices plant
	for i := range 150 {
		machine := fmt.Sprintf("press %03d", i)
		devices = append(devices, machineDevice(machine, fmt.Sprintf("t%03d", i), iot.Temperature, nil), machineDevice("pit", fmt.Sprintf("u%03d", i), iot.Temperature, nil))
		r.inForce(machine, 0, iot.Point{Name: "p", Device: "p", Good: true, Value: float64(i), Seen: noon})
	}
	got := send(newAPI(t, devices, &archive{}, r.use), "GET", "/api/v1/rules/odd", "").Body.String()
	for want, count := range map[string]int{`"machines":151,"found":150,`: 1, `"devices_without":150,`: 1, `"watched":1`: 100, `"no_such_point"`: 20, `"press 099"`: 1, `"press 100"`: 0, `"u019"`: 1, `"u020"`: 0} {
		if n := strings.Count(got, want); n != count {
			t.Errorf("got %s %d times, want %d", want, n, count)
		}
	}
}

// ordered is a fleet whose devices are in the order of their ids.
type ordered struct{ plant }

func (p ordered) Scan(_ iot.DeviceID, _ bool, visit func(*iot.DeviceState) bool) {
	for i := range p.plant {
		if !visit(&p.plant[i]) {
			return
		}
	}
}

// Device returns none.
func (ordered) Device(iot.DeviceID) (iot.DeviceState, bool) { return iot.DeviceState{}, false }

// BenchmarkRulePoints is the answer about a rule that watches a tenth of 100,000 devices by another one of their machine, half of which lack it.
func BenchmarkRulePoints(b *testing.B) {
	r := newRegistry()
	r.byPoints(`value > point("p").value`, nil)
	var devices plant
	for i := range 10_000 {
		machine := fmt.Sprintf("press %05d", i)
		devices = append(devices, machineDevice(machine, fmt.Sprintf("t%05d", i), iot.Temperature, nil))
		for j := range 9 {
			devices = append(devices, machineDevice(machine, fmt.Sprintf("%05d-%d", i, j), iot.Humidity, nil))
		}
		if i%2 == 0 {
			r.inForce(machine, 0, iot.Point{Name: "p", Device: "p", Good: true, Seen: noon})
		}
	}
	h := newAPI(b, ordered{devices}, &archive{}, r.use)
	for b.Loop() {
		if got := send(h, "GET", "/api/v1/rules/odd", "").Body.String(); !strings.Contains(got, `"machines":10000,"found":5000,`) {
			b.Fatal(got)
		}
	}
}
