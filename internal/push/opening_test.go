package push

import (
	"net/url"
	"testing"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

func TestOpeningIsReadFromTheQuery(t *testing.T) {
	for query, want := range map[string]opening{
		"":                             {filter: newFilter(wire.Filter{})},
		"batch=true":                   {filter: newFilter(wire.Filter{}), batched: true},
		"batch=0&session=ab-1&since=9": {filter: newFilter(wire.Filter{}), session: "ab-1", since: 9},
		"filter=" + url.QueryEscape(`{"type":"filter","device_ids":["b","a","b"]}`): {
			filter: newFilter(wire.Filter{DeviceIDs: []iot.DeviceID{"a", "b"}}),
		},
	} {
		got, err := parseOpening(parseQuery(t, query), 3)
		if err != nil {
			t.Errorf("%q: %v", query, err)
			continue
		}
		if got.filter.key != want.filter.key || got.session != want.session || got.since != want.since || got.batched != want.batched {
			t.Errorf("%q: got %+v, want %+v", query, got, want)
		}
	}
	for query, want := range map[string]string{
		"batch=perhaps":   `batch: not true or false (got "perhaps")`,
		"since=yesterday": `since: not the seq of a message (got "yesterday")`,
		"since=-1":        `since: not the seq of a message (got "-1")`,
	} {
		if _, err := parseOpening(parseQuery(t, query), 3); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", query, err, want)
		}
	}
	tooLong := "filter=" + url.QueryEscape(`{"type":"filter","device_ids":["1","2","3","4"]}`)
	if _, err := parseOpening(parseQuery(t, tooLong), 3); err == nil {
		t.Error("a list of four is accepted where three are the limit")
	}
}

func parseQuery(t *testing.T, query string) url.Values {
	t.Helper()
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// No query makes parseOpening panic, and what it accepts has a filter.
func FuzzOpening(f *testing.F) {
	for _, query := range []string{"", "batch=true", "session=ab-1&since=9", "since=-1", "filter=%7B%22type%22%3A%22filter%22%7D", "filter=%7B"} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		values, _ := url.ParseQuery(query) // What it could parse is used, as net/http does.
		o, err := parseOpening(values, 200)
		if (err == nil) != (o.filter != nil) {
			t.Errorf("%q: got filter %v and error %v", query, o.filter, err)
		}
	})
}
