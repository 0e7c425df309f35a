package httpsource_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// FuzzBody sends any bytes as JSON and as lines. Whatever they are, the answer accounts for every reading exactly once,
// nothing that was not accepted reaches the log, and the elements of an array are those that encoding/json sees.
func FuzzBody(f *testing.F) {
	good := reading("a", nil)
	for _, seed := range []string{
		good, "[" + good + "," + good + "]", good + "\n" + good, "[]", "[1,\"]\",{\"a\":[\"\\\"\"]}]", "[[],{}]", "nonsense", "\n", "[1,]",
		`"\\"`, "\xef\xbb\xbf" + good, reading("a", map[string]any{"received_at": 1e300}),
	} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, body []byte, lines bool) {
		contentType := "application/json"
		if lines {
			contentType = "application/x-ndjson"
		}
		var log memoryLog
		w := post(newHandler(t, &log, nil), contentType, bytes.NewReader(body))
		switch w.Code {
		case http.StatusOK, http.StatusMultiStatus, http.StatusUnprocessableEntity:
		case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
			if len(log.readings) > 0 {
				t.Fatalf("refused with %d but %d readings are in the log", w.Code, len(log.readings))
			}
			return
		default:
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		got := result(t, w)
		if got.Accepted != len(log.readings) {
			t.Errorf("%d accepted, but %d in the log", got.Accepted, len(log.readings))
		}
		for i := range log.readings {
			checkAdmittedAgain(t, log.readings[i])
		}
		total := got.Accepted + len(got.Rejected)
		last := -1
		for _, r := range got.Rejected {
			if r.Index <= last || r.Index >= total || r.Reason == "" {
				t.Errorf("rejection %+v after index %d of %d readings", r, last, total)
			}
			last = r.Index
		}
		var array []json.RawMessage
		if !lines && json.Unmarshal(body, &array) == nil && array != nil && len(array) != total {
			t.Errorf("%d readings, want %d as in the array", total, len(array))
		}
	})
}

// checkAdmittedAgain decodes and admits the record of an accepted reading as the processor does, which must succeed.
func checkAdmittedAgain(t *testing.T, r iot.Reading) {
	t.Helper()
	record := wire.AppendReading(nil, &r)
	if len(record) > wire.MaxMessage {
		t.Errorf("accepted a reading that is %d bytes in the log", len(record))
	}
	var again iot.Reading
	if err := wire.DecodeReading(record, &again); err != nil {
		t.Fatalf("accepted %s, which cannot be read: %v", record, err)
	}
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	admission := iot.Admission{Catalog: catalog, Skew: 10 * time.Second, Retention: 24 * time.Hour}
	if err := admission.Admit(&again, noon); err != nil {
		t.Errorf("accepted %s, which is refused later: %v", record, err)
	}
	if !reflect.DeepEqual(again, r) {
		t.Errorf("accepted %+v, which comes out of the log as %+v", r, again)
	}
}
