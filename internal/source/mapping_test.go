package source_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/mapping/payload"
	"iotmon/internal/source"
)

// What rules make of payloads: readings, reports about one device or several, nothing, and dead letters.
func TestRulesMakeReadingsAndReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &records{}
		o := options(t, log)
		rules, err := mapping.New([]mapping.Rule{
			{Topic: "tele/+/LWT", Status: &mapping.Status{Below: "{{topic 2}}-", Online: []string{"Online"}, Offline: []string{"Offline"}}},
			{Topic: "cmnd/#", Ignore: true},
			{Topic: "+/status", Device: "{{topic 1}}", Status: &mapping.Status{}},
			{Topic: "tele/+/SENSOR", Field: "*.Temperature", Device: "{{topic 2}}-{{field 1}}", Type: iot.Temperature},
		}, o.Admission.Catalog)
		if err != nil {
			t.Fatal(err)
		}
		decoder := payload.NewDecoder(payload.Auto)
		o.Mapping = rules
		o.Decode = func(m *source.Message, points []mapping.Point) ([]mapping.Point, error) {
			return decoder.Decode(m.Payload, points)
		}
		p := running(t, o)
		for _, m := range []source.Message{
			{Topic: "tele/plug/LWT", Payload: []byte("Online")}, // About no device yet.
			{Topic: "tele/plug/SENSOR", Payload: []byte(`{"A":{"Temperature":20},"B":{"Temperature":21},"TempUnit":"C"}`)},
			{Topic: "tele/plugin/SENSOR", Payload: []byte(`{"A":{"Temperature":68},"TempUnit":"F"}`)},
			{Topic: "tele/plug/LWT", Payload: []byte("Offline"), Retained: true},
			{Topic: "tele/plug/LWT", Payload: []byte("Perhaps")},
			{Topic: "pump/status", Payload: []byte(`{"state":"online"}`)},
			{Topic: " /status", Payload: []byte(`{"state":"online"}`)},
			{Topic: "cmnd/plug/POWER", Payload: []byte("ON")},
			{Topic: "any", Payload: []byte(fmt.Sprintf(`{"device_id":"own","device_type":"temperature_sensor","value":22,"timestamp":%d}`, time.Now().Unix()))},
			{Topic: "any", Payload: []byte(`{"device_id":"later","device_type":"temperature_sensor","value":23}`)},
			{Topic: "any", Payload: []byte(`{"device_id":"never","device_type":"temperature_sensor","value":23}`), Retained: true},
			{Topic: "any", Payload: []byte(`{"timestamp":"2026-03-01T00:00:00Z"}`)},
			{Topic: "tele/plug/SENSOR", Report: &iot.StatusReport{Status: iot.ReportedBad}, Points: []mapping.Point{{Field: "A.Temperature"}, {Field: "B.Temperature"}}},
		} {
			if err := p.Send(t.Context(), &m); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		var readings, reports, rejected []string
		for _, r := range log.readings {
			readings = append(readings, fmt.Sprintf("%s %.0f", r.ID, r.Value))
		}
		for _, r := range log.reports {
			if r.Time.IsZero() {
				t.Errorf("a report without a time: %+v", r)
			}
			reports = append(reports, fmt.Sprintf("%s %s", r.Device.ID, r.Status))
		}
		slices.Sort(reports[:2]) // Of several devices in any order.
		for _, r := range log.rejected {
			rejected = append(rejected, r.Field+": "+r.Reason)
		}
		for what, test := range map[string]struct{ got, want []string }{
			"readings": {readings, []string{"plug-A 20", "plug-B 21", "plugin-A 20", "own 22", "later 23"}},
			"reports":  {reports, []string{"plug-A offline", "plug-B offline", "pump online", "plug-A bad", "plug-B bad"}},
			"rejected": {rejected, []string{`status: no word of the rule for online, offline or bad (got "Perhaps")`, `device_id: `, ": no values in it"}},
		} {
			if !slices.EqualFunc(test.got, test.want, func(got, want string) bool { return strings.HasPrefix(got, want) }) {
				t.Errorf("%s: got %q, want %q", what, test.got, test.want)
			}
		}
		if s := o.Status.Snapshot(); s.Ignored != 1 || s.Untimed != 1 {
			t.Errorf("got %+v, want one value ignored and one message untimed", s)
		}
	})
}
