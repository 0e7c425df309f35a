package httpsource

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
)

// unwrap returns the elements of {"metrics":[…]}, as Telegraf sends a batch; false if the text is something else. It stops after
// limit+1.
func unwrap(text []byte, limit int) ([][]byte, bool) {
	if !bytes.Contains(text, []byte(`"metrics"`)) {
		return nil, false
	}
	var batch struct {
		Metrics json.RawMessage `json:"metrics"`
		Value   json.RawMessage `json:"value"`
	}
	if json.Unmarshal(text, &batch) != nil || len(batch.Metrics) == 0 || batch.Metrics[0] != '[' || batch.Value != nil {
		return nil, false
	}
	return splitText(batch.Metrics, limit), true
}

// tagsOf returns the parameters of the request's URL as tags.
func tagsOf(r *http.Request) map[string]string {
	query := r.URL.Query()
	tags := make(map[string]string, len(query))
	for name := range query {
		tags[name] = query.Get(name)
	}
	return tags
}

// foreign is an element of a batch that is not a reading: its points, one for each value, and the name of the program that writes like
// this; empty for any JSON.
type foreign struct {
	shape  string
	points []mapping.Point
}

// tag gives the tags of the request to the points that have none.
func (f *foreign) tag(tags map[string]string) {
	for i := range f.points {
		if f.points[i].Tags == nil {
			f.points[i].Tags = tags
		}
	}
}

// fields returns the set of the points' field names.
func (f *foreign) fields() map[string]bool {
	names := make(map[string]bool, len(f.points))
	for i := range f.points {
		if !f.points[i].Note {
			names[f.points[i].Field] = true
		}
	}
	return names
}

// unmapped returns the error for an element none of whose points has a rule. It lists the names that a rule could use.
func (f *foreign) unmapped(rules int) error {
	measurement, tags := "", "none"
	if len(f.points) > 0 {
		measurement, tags = f.points[0].Measurement, iot.QuoteNames(maps.Keys(f.points[0].Tags))
	}
	what := "no rule of ingest.map matches any of them"
	if rules == 0 {
		what = "add rules to ingest.map that say which devices they are"
	}
	return iot.Invalid("", "in the shape of %s: measurement %s, fields %s, tags %s; %s",
		f.shape, iot.Quote(measurement), iot.QuoteNames(maps.Keys(f.fields())), tags, what)
}
