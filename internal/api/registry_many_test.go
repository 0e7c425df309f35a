package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"iotmon/internal/api"
	"iotmon/internal/iot"
)

func patchMany(h http.Handler, query, body string) *httptest.ResponseRecorder {
	return send(h, http.MethodPatch, "/api/v1/devices"+query, body, "Content-Type", asJSON)
}

func TestChangingManyDevices(t *testing.T) {
	fleet := plant{device("d1", iot.Temperature, 1, nil), device("d2", iot.Temperature, 2, nil), device("d3", iot.Humidity, 3, func(s *iot.DeviceState) { s.Latest.Unit = "%" })}
	for _, test := range []struct {
		name, query, body string
		status            int
		contains          []string
		// changed are the devices whose entries have changed.
		changed []iot.DeviceID
	}{
		{
			"named", "", `{"devices":[{"device_id":"d2"},{"device_id":"d1","version":1},{"device_id":"new","version":0}],"patch":{"labels":{"line":"1"},"name":null}}`, 200,
			[]string{`{"dry_run":false,"devices":3,"changed":3,"in_force":true,"items":[{"device_id":"d2","after":{"version":1,"labels":{"line":"1"}}},` +
				`{"device_id":"d1","before":{"version":1,"name":"oven","area":"hall"},"after":{"version":2,"area":"hall","labels":{"line":"1"}}},{"device_id":"new"`},
			[]iot.DeviceID{"d1", "d2", "new"},
		},
		{
			"a dry run", "?dry_run=true", `{"devices":[{"device_id":"d2"},{"device_id":"d1"}],"patch":{"name":"oven"}}`, 200,
			[]string{`{"dry_run":true,"devices":2,"changed":1,"in_force":false,"items":[{"device_id":"d2","after":{"version":1,"name":"oven"}}]}`}, nil,
		},
		{
			"selected", "?type=temperature_sensor", `{"patch":{"area":"hall"}}`, 200,
			[]string{`"devices":2,"changed":1,"in_force":true,"items":[{"device_id":"d2","after":{"version":1,"area":"hall"}}]`}, []iot.DeviceID{"d2"},
		},
		{"selected by the registry", "?area=hall&never_sent=true", `{"patch":{"retired":true}}`, 200, []string{`"devices":2,"changed":2`}, []iot.DeviceID{"d1", "unsent"}},
		{"nothing selected", "?area=nowhere", `{"patch":{"retired":true}}`, 200, []string{`"devices":0,"changed":0,"in_force":true,"items":[]`}, nil},
		{"nobody named", "", `{"devices":[],"patch":{"retired":true}}`, 200, []string{`"devices":0,"changed":0`}, nil},
		{"forgotten", "", `{"devices":[{"device_id":"unsent"}],"forget":true}`, 200,
			[]string{`"items":[{"device_id":"unsent","before":{"version":1,"name":"press","area":"hall"}}]`}, []iot.DeviceID{"unsent"}},
		{"an unknown one forgotten", "", `{"devices":[{"device_id":"unsent"},{"device_id":"none"}],"forget":true}`, 422, []string{`"value":"none"`, "no device has the id none"}, nil},
		{"some of other versions", "", `{"devices":[{"device_id":"d2"},{"device_id":"d1","version":0},{"device_id":"unsent","version":9}],"patch":{"name":"x"}}`, 412,
			[]string{`device \"d1\" has version 1`, `"location":"body.version","value":"d1"`, `"location":"body.version","value":"unsent"`}, nil},
		{"an invalid patch", "", `{"devices":[{"device_id":"d1"},{"device_id":"d2"}],"patch":{"area":"a//b"}}`, 422, []string{"body.area", `"value":"d1"`, `"value":"d2"`}, nil},
		{"a unit that fits some", "", `{"devices":[{"device_id":"d1"},{"device_id":"d3"}],"patch":{"unit":"°F"}}`, 422, []string{"body.unit", `device \"d3\"`}, nil},
		{"the same twice", "", `{"devices":[{"device_id":"d1"},{"device_id":"d1"}],"patch":{"name":"x"}}`, 422, []string{"the same device twice"}, nil},
		{"an invalid id", "", `{"devices":[{"device_id":" "}],"patch":{"name":"x"}}`, 422, []string{"device_id"}, nil},
		{"no choice", "?never_sent=true", `{"patch":{"name":"x"}}`, 422, []string{"probably a mistake"}, nil},
		{"two choices", "?type=temperature_sensor", `{"devices":[{"device_id":"d1"}],"patch":{"name":"x"}}`, 422, []string{"together with a filter"}, nil},
		{"an unknown type", "?type=teapot", `{"patch":{"name":"x"}}`, 422, []string{"known: temperature_sensor"}, nil},
		{"neither patch nor forget", "", `{"devices":[]}`, 422, []string{"either a patch"}, nil},
		{"patch and forget", "", `{"devices":[],"patch":{},"forget":true}`, 422, []string{"either a patch"}, nil},
		{"a patch that is none", "", `{"devices":[{"device_id":"d1"}],"patch":[1]}`, 422, []string{"JSON object"}, nil},
		{"an unknown key", "", `{"device_ids":["d1"],"patch":{}}`, 422, []string{"unknown key", `"body.device_ids"`}, nil},
		{"too many", "", `{"patch":{},"devices":[` + strings.Repeat(`{"device_id":"d1"},`, 10_000) + `{"device_id":"d1"}]}`, 422, []string{"more than 10000 (got 10001)"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRegistry()
			h := newAPI(t, fleet, &archive{}, r.use)
			entered := map[iot.DeviceID]iot.DeviceEntry{"d1": {Name: "oven", Area: "hall"}, "unsent": {Name: "press", Area: "hall"}}
			r.enter(t, entered)
			w := patchMany(h, test.query, test.body)
			for _, contains := range test.contains {
				if test.status != http.StatusOK {
					checkProblem(t, w, test.status, contains)
				} else if w.Code != test.status || !strings.Contains(w.Body.String(), contains) {
					t.Errorf("got %d %s, want %d with %s", w.Code, w.Body, test.status, contains)
				}
			}
			var changed []iot.DeviceID
			for _, o := range r.store.All() {
				if _, before := entered[iot.DeviceID(o.ID)]; !before || o.Version > 1 {
					changed = append(changed, iot.DeviceID(o.ID))
				}
			}
			if slices.Sort(changed); !slices.Equal(changed, test.changed) {
				t.Errorf("got %q changed, want %q", changed, test.changed)
			}
		})
	}
}

// Ten thousand devices in one request, of which the answer lists the first.
func TestChangingTenThousandDevices(t *testing.T) {
	var fleet plant
	for i := range 10_000 {
		fleet = append(fleet, device(iot.DeviceID(fmt.Sprintf("d%05d", i)), iot.Temperature, 1, nil))
	}
	r := newRegistry()
	h := newAPI(t, known{fleet}, &archive{}, r.use)
	w := patchMany(h, "?q=d", `{"patch":{"area":"hall"}}`)
	var got struct {
		Changed   int
		InForce   bool `json:"in_force"`
		Truncated bool
		Items     []json.RawMessage
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK || got.Changed != 10_000 || !got.InForce || !got.Truncated || len(got.Items) != 1000 {
		t.Errorf("got %d %.300s, want 10000 changed and 1000 listed", w.Code, w.Body)
	}
	fleet = append(fleet, device("d", iot.Temperature, 1, nil))
	h = newAPI(t, known{fleet}, &archive{}, r.use)
	checkProblem(t, patchMany(h, "?q=d", `{"patch":{"area":"x"}}`), http.StatusUnprocessableEntity, "more than 10000 (got 10001)")
}

// known is a large plant, in which no device is searched for one by one.
type known struct{ plant }

func (k known) Known(iot.DeviceID) bool { return true }

func FuzzPatchMany(f *testing.F) {
	f.Add(`{"devices":[{"device_id":"d1","version":0}],"patch":{"name":"x","labels":{"a":null}}}`)
	f.Add(`{"devices":[{"device_id":"d1"}],"forget":true}`)
	r := newRegistry()
	h := newAPI(f, plant{device("d1", iot.Temperature, 1, nil)}, &archive{}, func(o *api.Options) { r.use(o) })
	f.Fuzz(func(t *testing.T, body string) {
		w := patchMany(h, "?dry_run=true", body)
		if w.Code != http.StatusOK && w.Code != http.StatusUnprocessableEntity && w.Code != http.StatusBadRequest && w.Code != http.StatusPreconditionFailed {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	})
}
