package process_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

// press is the machine of the devices of the building A.
var press = iot.Machine{Area: "A"}

// points appends points of a machine.
func (j *journal) points(appended float64, machine iot.Machine, points ...iot.Point) {
	j.decide(appended, iot.KindPoints, string(wire.AppendMachineKey(nil, machine)), wire.AppendPoints(nil, (*iot.Points)(&points)))
}

// pump is the point of that name, whose device has sent at the given second, and has the state with the offset. It holds for a minute.
func pump(value, seen float64, offset int64) iot.Point {
	return iot.Point{
		Name: "pump", Device: "p", Good: true, Value: value, Seen: at(seen), For: time.Minute, Evidence: iot.Position{Partition: 1, Offset: offset},
	}
}

// of adds a reading of a device of that machine.
func (j *journal) of(appended float64, device string, value float64) {
	j.write(appended, iot.Reading{Device: iot.Device{ID: iot.DeviceID(device), Location: iot.Location{Building: "A"}}, Time: at(appended), Value: value})
}

func drawPoints(t *rapid.T, j *journal, now float64) {
	var points iot.Points
	for _, name := range []string{"pump", "valve"} {
		if rapid.IntRange(0, 3).Draw(t, "left out") == 0 && (name == "pump" || points != nil) {
			continue
		}
		point := pump(rapid.SampledFrom([]float64{20, 23, 27, 31}).Draw(t, "value of the point"), now-rapid.SampledFrom([]float64{0, 0, 1, 5, 59, 70, -30}).Draw(t, "age of the point"), 0)
		point.Name, point.Device = name, rapid.SampledFrom([]iot.DeviceID{"p", "p", "q"}).Draw(t, "device of the point")
		point.Evidence = iot.Position{Partition: int32(rapid.IntRange(0, 1).Draw(t, "partition")), Offset: int64(now) + rapid.Int64Range(0, 5).Draw(t, "offset")}
		if rapid.IntRange(0, 4).Draw(t, "good") == 0 {
			point.Good, point.Value = false, 0
		}
		points = append(points, point)
	}
	j.points(now, iot.Machine{Area: rapid.SampledFrom([]iot.Area{"A", "A", "B", "hall 7"}).Draw(t, "machine")}, points...)
}

// above is a rule about another point of the machine, whose alerts deviations returns.
func above(expression string, change func(*iot.Rule)) iot.RuleEntry {
	entry := iot.RuleEntry{Version: 1, Rule: iot.Rule{
		Name: "odd", Severity: iot.Warning, Selector: iot.Selector{Type: iot.Temperature}, Condition: iot.Condition{Kind: iot.Expression, Expression: expression},
	}}
	if change != nil {
		change(&entry.Rule)
	}
	return entry
}

func TestAnExpressionOfAnotherPointOfTheMachine(t *testing.T) {
	var j journal
	j.rule(0, above(`value - point("pump").value > 5`, nil))
	j.of(1, "a", 30) // The pump is not known yet.
	j.points(2, press, pump(20, 2, 1))
	j.of(3, "a", 24)
	j.of(4, "a", 26)
	j.points(5, press, pump(22, 5, 2)) // It changes nothing before the device sends.
	j.of(6, "a", 26)
	j.points(7, iot.Machine{Area: "B"}, pump(0, 7, 3)) // Of another machine.
	j.points(7, iot.Machine{Tenant: "acme", Area: "A"}, pump(0, 7, 3))
	j.points(7, iot.Machine{Area: "A/line"}, pump(0, 7, 3))
	j.of(8, "a", 26)
	j.reading(9, "b", 9, 36) // It is of no machine.
	out, p := owned(t, options(t), j, process.Checkpoint{}, newRecorder())
	mustEqual(t, deviations(t, out), "raised a 26 4", "cleared a 26 6")
	if counts := p.ResetCounts(); counts.PointsMissing != 1 || counts.Failures != 0 {
		t.Errorf("got %d times that a point was missing, and %d failures", counts.PointsMissing, counts.Failures)
	}
	for n := range j {
		mustEqual(t, deviations(t, killedAt(t, options(t), j, n)), "raised a 26 4", "cleared a 26 6")
	}
}

// While a point that is needed has no good value, everything stays as it was; an expression that asks for its age first goes on.
func TestWithoutItsPointARuleChangesNothing(t *testing.T) {
	lost := pump(0, 5, 9)
	lost.Good = false
	for expression, want := range map[string][]string{
		`value > point("pump").value`:                              {"raised a 30 2", "cleared a 10 100"},
		`point("pump").age < 10 and value > point("pump").value`:   {"raised a 30 2", "cleared a 30 40"},
		`point("pump").age > 80000 or value > point("pump").value`: {"raised a 30 2", "cleared a 10 100"},
		`point("pump").age > 30 and point("pump").age < 80000`:     {"raised a 30 40", "cleared a 30 70"},
	} {
		var j journal
		j.rule(0, above(expression, nil))
		j.points(1, press, pump(20, 1, 1))
		j.of(2, "a", 30)
		j.points(6, press, lost)
		j.of(7, "a", 30)
		j.of(40, "a", 30)
		j.of(70, "a", 30) // The last record is over.
		j.points(99, press, pump(20, 99, 10))
		j.of(100, "a", 10)
		mustEqual(t, deviations(t, onePass(t, j)), want...)
	}
}

// Of two web services one may be behind. What it appends changes nothing: states of one device are ordered by their position, those of different ones by
// when they have sent.
func TestAPointOfAnOlderStateChangesNothing(t *testing.T) {
	var j journal
	j.rule(0, above(`value > point("pump").value`, nil))
	other := pump(0, 0, 99)
	other.Device = "q"
	for s := 2.0; s < 50; s++ {
		j.points(s, press, pump(20, s, int64(10*s)))
		j.points(s, press, pump(40, s, int64(10*s-5)))
		other.Seen = at(s - 1)
		j.points(s, press, other)
		j.of(s, "a", 30)
	}
	other.Seen, other.Value = at(51), 50
	j.points(51, press, other)
	j.of(51, "a", 30)
	mustEqual(t, deviations(t, onePass(t, j)), "raised a 30 2", "cleared a 30 51")
}

func TestReadingsOfThePastAreNotJudgedByAPoint(t *testing.T) {
	var j journal
	j.rule(0, above(`value > point("pump").value`, nil))
	j.of(99, "a", 10)
	j.points(100, press, pump(20, 100, 1))
	for s := 10.0; s < 60; s++ {
		j.write(101, iot.Reading{Device: iot.Device{ID: "a", Location: iot.Location{Building: "A"}}, Time: at(s), Value: 36, Historical: true})
	}
	j.of(102, "a", 30)
	mustEqual(t, deviations(t, onePass(t, j)), "raised a 30 102")
}

// A device that moves to another machine is judged by the points there.
func TestAnAlertByAPointEndsWhereItsDeviceLeavesTheMachine(t *testing.T) {
	var j journal
	j.rule(0, above(`value > point("pump").value`, nil))
	j.points(1, press, pump(20, 1, 1))
	j.of(2, "a", 30)
	j.entry(3, "a", iot.DeviceEntry{Version: 1, Area: "B"})
	j.of(4, "a", 30)
	mustEqual(t, deviations(t, onePass(t, j)), "raised a 30 2", "cleared a 30 3")
}

func TestPointsAreBounded(t *testing.T) {
	var j journal
	names := make(iot.Points, iot.MaxMachinePoints)
	for i := range names {
		names[i] = pump(20, 1, 1)
		names[i].Name = fmt.Sprint("point ", i)
	}
	for i := range iot.MaxPoints/iot.MaxMachinePoints + 10 {
		j.points(1, iot.Machine{Area: iot.Area(fmt.Sprint("press ", i))}, names...)
	}
	j.points(1, iot.Machine{Area: "press 0"}, pump(20, 1, 1)) // One more than a machine may have.
	out, p := owned(t, options(t), j, process.Checkpoint{}, newRecorder())
	if got := countPoints(t, out); got != iot.MaxPoints {
		t.Errorf("got %d points in force, want %d", got, iot.MaxPoints)
	}
	if counts, want := p.ResetCounts(), len(j)*iot.MaxMachinePoints-iot.MaxMachinePoints+1-iot.MaxPoints; counts.PointsLeftOut != int64(want) {
		t.Errorf("got %d left out, want %d", counts.PointsLeftOut, want)
	}
	j.tick(70)
	j.points(71, press, pump(20, 71, 1))
	for n := range []int{len(j) - 2, len(j) - 1} {
		if got := countPoints(t, killedAt(t, options(t), j, n)); got != 1 {
			t.Errorf("got %d points in force after they have ended, want one", got)
		}
	}
}

func countPoints(t *testing.T, out *recorder) (n int) {
	t.Helper()
	for key, value := range out.inForce {
		if of, _, ok := wire.SplitInForceKey([]byte(key)); ok && of == wire.PointsInForce && value != nil {
			points, err := wire.DecodePointsInForce(value)
			if err != nil {
				t.Fatal(err)
			}
			n += len(points.Points)
		}
	}
	return n
}

// BenchmarkPoints is a record with two points of a machine, one of 1,000, that are put in force and published.
func BenchmarkPoints(b *testing.B) {
	const machines = 1000
	b.ReportAllocs()
	p := process.New(options(b), 3, process.Checkpoint{}, false)
	records := make([]process.Record, machines)
	offset := int64(0)
	for b.Loop() {
		b.StopTimer()
		bytes := 0
		for i := range records {
			points := iot.Points{pump(float64(offset), 1, offset), pump(20, 1, offset)}
			points[1].Name, points[1].Device = "valve", "device_0001"
			records[i] = process.Record{
				Offset: offset, Appended: at(2), Key: wire.AppendMachineKey(nil, iot.Machine{Area: iot.Area(fmt.Sprint("hall 7/line 3/press ", i))}),
				Value: wire.AppendPoints(nil, &points), RecordKind: iot.RecordKind{Kind: iot.KindPoints, Level: 1},
			}
			bytes += len(records[i].Value)
			offset++
		}
		b.ReportMetric(float64(bytes)/machines, "bytes/record")
		b.StartTimer()
		if err := p.Process(records, ignored{}); err != nil {
			b.Fatal(err)
		}
		p.PublishStates(ignored{})
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(offset), "ns/record")
}
