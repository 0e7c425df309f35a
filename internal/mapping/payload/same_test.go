package payload_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/mapping"
	"iotmon/internal/mapping/payload"
)

// metric is an element as Telegraf (the first four fields) or ThingsBoard (the last two) sends it, as the standard library sees it.
type metric struct {
	Name      string                     `json:"name,omitempty"`
	Tags      map[string]string          `json:"tags,omitempty"`
	Fields    map[string]json.RawMessage `json:"fields,omitempty"`
	Timestamp int64                      `json:"timestamp,omitempty"`

	Values map[string]json.RawMessage `json:"values,omitempty"`
	TS     int64                      `json:"ts,omitempty"`
}

// want returns the values of a metric that are a number, a boolean or a text, by the standard library.
func (m *metric) want(values map[string]json.RawMessage, at int64) []mapping.Point {
	var points []mapping.Point
	for _, field := range slices.Sorted(maps.Keys(values)) {
		raw := values[field]
		p := mapping.Point{Measurement: m.Name, Field: field, Tags: m.Tags, Time: time.UnixMilli(at).UTC()}
		switch {
		case json.Unmarshal(raw, &p.Value) == nil && raw[0] != 'n':
		case raw[0] == 't' || raw[0] == 'f':
			p.ValueText = string(raw)
		case raw[0] == '"' && json.Unmarshal(raw, &p.ValueText) == nil && p.ValueText != "":
		default:
			continue
		}
		points = append(points, p)
	}
	return points
}

// What Telegraf and ThingsBoard send becomes the points that the standard library finds in it.
func TestTheShapesAreReadAsTheStandardLibraryReadsThem(t *testing.T) {
	value := rapid.Custom(func(t *rapid.T) json.RawMessage {
		raw, err := json.Marshal(rapid.OneOf(
			rapid.Float64().AsAny(), rapid.Int64().AsAny(), rapid.Bool().AsAny(), rapid.String().AsAny(), rapid.Just[any](nil), rapid.Just[any]([]int{}),
		).Draw(t, "value"))
		if err != nil {
			t.Fatal(err)
		}
		return raw
	})
	name := rapid.StringN(1, 5, 20)
	d := payload.NewDecoder(payload.Auto)
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.MapOfN(name, value, 1, 8).Draw(t, "values")
		at := rapid.Int64Range(1_000_000_000_000, 2_000_000_000_000).Draw(t, "time")
		m := metric{Values: values, TS: at}
		if rapid.Bool().Draw(t, "Telegraf") {
			m = metric{Name: name.Draw(t, "name"), Tags: rapid.MapOf(name, name).Draw(t, "tags"), Fields: values, Timestamp: at}
		}
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.Decode(text, nil)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		slices.SortFunc(got, func(a, b mapping.Point) int {
			if a.Field < b.Field {
				return -1
			}
			return 1
		})
		if want := m.want(values, at); shown(got) != shown(want) {
			t.Fatalf("%s:\ngot  %s\nwant %s", text, shown(got), shown(want))
		}
	})
}

func BenchmarkZigbee2MQTT(b *testing.B) {
	text := []byte(`{"battery":97,"humidity":41.2,"last_seen":"2026-03-01T11:59:58.000Z","linkquality":120,"pressure":1013.2,"temperature":21.48,"voltage":2995}`)
	d := payload.NewDecoder(payload.Auto)
	var points []mapping.Point
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if points, err = d.Decode(text, points[:0]); err != nil || len(points) != 7 {
			b.Fatal(len(points), err)
		}
	}
}
