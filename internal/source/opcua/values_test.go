package opcua_test

import (
	"testing"
	"time"

	"iotmon/internal/iot"
)

func TestValuesOfAllTypesBecomeReadings(t *testing.T) {
	t.Parallel()
	// asyncua sends no value with a bad status. Motor is a type of its own, Span one of the standard's.
	structure := map[product]string{asyncua: "Motor", nodeOPCUA: "Span"}
	for _, p := range products {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			s := p.shared(t)
			r := run(t, newOptions(t, s.endpoint(), "Temp", "Bool", "SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float", "NaN",
				"String", "Empty", "Date", "Array", "Words", structure[p], "Bad", "Uncertain"), "Words/*")
			want := map[string]float64{
				"Temp": 20.5, "Bool": 1, "SByte": -7, "Byte": 200, "Int16": -300, "UInt16": 60000, "Int32": -70000, "UInt32": 4000000000, "Int64": -(1 << 62),
				"UInt64": 1 << 64, "Float": 1.5, "Date": 1767323045, "Array/0": 1, "Array/1": 2, "Array/2": 3, "Uncertain": 8,
			}
			if p == asyncua {
				want["Motor/Speed"], want["Motor/Count"], want["Motor/Phases/2"] = 1450.5, 3, 3
			} else {
				want["Span/Low"], want["Span/High"], want["Bad"] = -5, 5, 7
			}
			for device, value := range want {
				r.within(15*time.Second, device, func() bool { return r.has(device, value) })
			}
			if got := r.of("Temp")[0]; got.Unit != "°C" {
				t.Errorf("got the unit %q, want °C", got.Unit)
			}
			if bad := r.of("Bad"); len(bad) > 0 && bad[0].Quality != iot.Bad {
				t.Errorf("got the quality %q, want bad", bad[0].Quality)
			}
			if got := r.of("Uncertain")[0].Quality; got != iot.Uncertain {
				t.Errorf("got the quality %q, want uncertain", got)
			}
			r.within(time.Second, "reports about values that are no numbers", func() bool {
				return r.reported("NaN", "not a number") && (p != asyncua || r.reported("Bad", "BadSensorFailure"))
			})
			r.within(time.Second, "texts are rejected with their reason", func() bool {
				return r.refused(`"running"), in the value "String"`) && r.refused(`missing, in the value "Empty"`) &&
					r.refused(`"run"), in the value "Words/0"`) && r.refused(`"stop"), in the value "Words/1"`)
			})
		})
	}
}
