package alert_test

import (
	"fmt"
	"testing"
	"time"

	"iotmon/internal/alert"
	"iotmon/internal/iot"
)

// BenchmarkRules evaluates readings of 1,000 devices by 100 rules of a kind, of which each watches a tenth of the devices, so that ten are evaluated for a
// reading. No reading violates one.
func BenchmarkRules(b *testing.B) {
	const devices, rules, halls = 1000, 100, 10
	within := time.Minute
	for name, c := range map[string]iot.Condition{
		"threshold":           {Threshold: 1000},
		"levels":              {Kind: iot.LevelLimits, Levels: iot.Levels{2: {On: true, Limit: 1000}}},
		"rise":                {Kind: iot.Rise, Threshold: 1000, Within: within},
		"stuck":               {Kind: iot.Stuck, Within: within},
		"average":             {Kind: iot.Average, Threshold: 1000, Within: within},
		"maximum":             {Kind: iot.Maximum, Threshold: 1000, Within: within},
		"count":               {Kind: iot.Count, Limit: 1000, Within: within},
		"of_last":             {Kind: iot.OfLast, Limit: 1000, Last: 20},
		"deviation":           {Kind: iot.Deviation, Threshold: 1000},
		"no_data":             {Kind: iot.NoData, Within: time.Hour},
		"expression":          {Kind: iot.Expression, Expression: "value > 1000 and labels.line != 'test'"},
		"expression_previous": {Kind: iot.Expression, Expression: "abs(value - previous) > 1000 and elapsed < 60"},
		"expression_average":  {Kind: iot.Expression, Expression: "abs(value - average) > 1000", Within: within},
	} {
		b.Run(name, func(b *testing.B) {
			var all []iot.Rule
			for i := range rules {
				all = append(all, iot.Rule{
					Name: fmt.Sprintf("rule_%03d", i), Selector: iot.Selector{Type: iot.Temperature, Area: iot.Area(fmt.Sprint("hall ", i%halls))},
					Condition: c, Severity: iot.Info,
				})
			}
			engine, err := alert.New(all, catalog(b))
			if err != nil {
				b.Fatal(err)
			}
			engine.JudgeBy(benchReferences(halls))
			readings := make([]iot.Reading, devices)
			selections, states := make([]alert.Selection, devices), make([]iot.RuleStates, devices)
			for i := range readings {
				readings[i] = reading(0, "20")
				readings[i].ID, readings[i].Location.Building = iot.DeviceID(fmt.Sprintf("device_%04d", i)), fmt.Sprint("hall ", i%halls)
			}
			var out alert.Output = emit(func(a *iot.Alert) { b.Fatalf("%+v", a) })
			next := 0
			evaluateNext := func() {
				i := next % devices
				next++
				r := &readings[i]
				r.Time, r.Value = r.Time.Add(5*time.Second), 20+float64(next%7)
				set := engine.Select(&selections[i], nil, r)
				engine.Evaluate(set, &states[i], r, out)
				engine.EndSilence(set, &states[i], r.Time, out)
				if set.Patience(&states[i]) < 0 {
					b.Fatal("a negative time")
				}
			}
			for next < devices*20 { // Until conditions remember as much as they will.
				evaluateNext()
			}
			b.ReportAllocs()
			for b.Loop() {
				evaluateNext()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(rules/halls), "ns/rule")
		})
	}
}

// medians are references by their peers.
type medians map[iot.Peers]float64

func (m medians) Reference(peers iot.Peers, _ *iot.Reading) (float64, bool) {
	median, ok := m[peers]
	return median, ok
}

// benchReferences returns the median of each hall.
func benchReferences(halls int) medians {
	m := make(medians)
	for i := range halls {
		m[iot.Peers{Area: iot.Area(fmt.Sprint("hall ", i)), Type: iot.Temperature}] = 20
	}
	return m
}
