package iot_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
)

// As many values are below a median as above it, whatever their order, and it is a number however great they are.
func TestAMedianIsInTheMiddle(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3}, {[]float64{3, 1}, 2}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 2, 100}, 3},
		{[]float64{math.MaxFloat64, math.MaxFloat64}, math.MaxFloat64}, {[]float64{-math.MaxFloat64, math.MaxFloat64}, 0},
	} {
		if got := iot.Median(slices.Clone(test.values)); got != test.want {
			t.Errorf("%v: got %v, want %v", test.values, got, test.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-1e300, 1e300), 1, 50).Draw(t, "values")
		other := rapid.Permutation(values).Draw(t, "another order")
		median := iot.Median(slices.Clone(values))
		below, above := 0, 0
		for _, value := range values {
			if value < median {
				below++
			}
			if value > median {
				above++
			}
		}
		if most := len(values) / 2; below > most || above > most || iot.Median(other) != median {
			t.Fatalf("got %v: %d below and %d above of %d", median, below, above, len(values))
		}
	})
}

func TestInvalidReferences(t *testing.T) {
	valid := iot.Reference{Median: 20, Devices: iot.MinPeers, Newest: time.Unix(1e9, 0), For: time.Minute}
	for name, change := range map[string]func(*iot.Reference){
		"median":  func(r *iot.Reference) { r.Median = math.Inf(1) },
		"devices": func(r *iot.Reference) { r.Devices = iot.MinPeers - 1 },
		"newest":  func(r *iot.Reference) { r.Newest = time.Time{} },
		"for":     func(r *iot.Reference) { r.For = iot.MaxReferenceFor + time.Second },
	} {
		r := valid
		change(&r)
		mustRefuse(t, name, r.Normalize(), name, "")
	}
	if err := valid.Normalize(); err != nil {
		t.Error(err)
	}
	for name, peers := range map[string]iot.Peers{
		"device_type": {Area: "hall"}, "area": {Area: "a//b", Type: "t"}, "tenant": {Tenant: "a\x1fb", Type: "t"},
	} {
		mustRefuse(t, name, peers.Normalize(), name, "")
	}
}

func TestInvalidDeviations(t *testing.T) {
	for name, c := range map[string]iot.Condition{
		"threshold": {Threshold: 0}, "within": {Threshold: 3, Within: time.Minute}, "below": {Threshold: 3, Below: true}, "limit": {Threshold: 3, Limit: 1},
		"last": {Threshold: 3, Last: 2}, "hysteresis": {Threshold: 3, Hysteresis: -1},
	} {
		c.Kind = iot.Deviation
		mustRefuse(t, name, c.Normalize(), name, "")
	}
	deadband := iot.Condition{Kind: iot.Deviation, Threshold: 3, Hysteresis: 4}
	mustRefuse(t, "threshold", deadband.Normalize(), "threshold", "")
	entry := iot.RuleEntry{Version: 1, Rule: iot.Rule{
		Name: "odd", Severity: iot.Info, Selector: iot.Selector{Type: iot.Temperature}, Condition: iot.Condition{Kind: iot.Deviation, Threshold: 3, Hysteresis: 3},
	}}
	if err := entry.Normalize(); err != nil || entry.Level() != iot.RuleLevelDeviation || !entry.Rule.SelectsType() {
		t.Errorf("got %v, level %d", err, entry.Level())
	}
}
