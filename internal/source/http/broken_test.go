package httpsource_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"iotmon/internal/iot"
	httpsource "iotmon/internal/source/http"
)

var errNoBroker = errors.New("no broker")

// withValue returns the JSON of a reading whose value is replaced by any text.
func withValue(device, value string) string {
	return strings.Replace(reading(device, nil), "21.5", value, 1)
}

// One element of 500 is malformed in some way. The others are accepted, in their order.
func TestOneBadElementIsRejectedAlone(t *testing.T) {
	for name, bad := range map[string]string{
		"nan": withValue("bad", "nan"), "NaN": withValue("bad", "NaN"), "-nan": withValue("bad", "-nan"), "Infinity": withValue("bad", "Infinity"),
		"-inf": withValue("bad", "-inf"), "no value": withValue("bad", ""), "a leading zero": withValue("bad", "007"), "a word": withValue("bad", "warm"),
		"a comma for the point": withValue("bad", "21,5"), "nothing": "", "a trailing comma": strings.TrimSuffix(withValue("bad", "1"), "}") + ",}",
		"single quotes":       "{'device_id':'bad'}",
		"an open brace":       `{"device_id":"bad","value":{"x":1}`,
		"a brace too many":    withValue("bad", "1}"),
		"another bracket":     `{"device_id":"bad","value":[1}}`,
		"an open string":      `{"device_id":"bad","value":1,"device_type":"temperature_sensor` + "\n}",
		"a control character": withValue("ba\x01d", "1")[:20] + "\x01" + `"}`,
	} {
		for _, at := range []int{0, 250, 499} {
			var elements []string
			for i := range 500 {
				elements = append(elements, reading(fmt.Sprintf("d%03d", i), nil))
			}
			elements[at] = bad
			var log memoryLog
			w := post(newHandler(t, &log, nil), "application/json", strings.NewReader("["+strings.Join(elements, ",\n")+"]"))
			if bad == "" && w.Code == http.StatusOK {
				continue // Nothing between two commas is ignored.
			}
			got := result(t, w)
			if w.Code != http.StatusMultiStatus || got.Accepted != 499 || len(got.Rejected) != 1 || got.Rejected[0].Index != at {
				t.Errorf("%s at %d: got %d, %d accepted, rejected %+v", name, at, w.Code, got.Accepted, got.Rejected)
			}
			if !slices.IsSortedFunc(log.readings, func(a, b iot.Reading) int { return strings.Compare(string(a.ID), string(b.ID)) }) {
				t.Errorf("%s at %d: the order is another", name, at)
			}
		}
	}
}

func TestAReadingThatIsNoNumberIsNamed(t *testing.T) {
	for _, body := range []string{withValue("a", "NaN"), "[" + withValue("a", "-Infinity") + "]"} {
		w := post(newHandler(t, &memoryLog{}, nil), "application/json", strings.NewReader(body))
		if got := result(t, w); len(got.Rejected) != 1 || got.Rejected[0].Field != "value" || !strings.Contains(got.Rejected[0].Reason, "finite") {
			t.Errorf("%s: got %d %s", body, w.Code, w.Body)
		}
	}
}

func TestMarksAndZeroBytesAroundABodyAreIgnored(t *testing.T) {
	const mark = "\ufeff"
	good := reading("a", nil)
	for name, body := range map[string]string{
		"a mark before an object": mark + good, "a mark before an array": mark + "[" + good + "]", "a zero byte behind": good + "\x00",
		"zero bytes and a line's end": "[" + good + "]\x00\x00\r\n",
	} {
		w := post(newHandler(t, &memoryLog{}, nil), "application/json", strings.NewReader(body))
		if w.Code != http.StatusOK {
			t.Errorf("%s: got %d %s", name, w.Code, w.Body)
		}
	}
	lines := mark + good + "\r\n" + mark + reading("b", nil) + "\r\n\x00\r\n" + reading("c", nil) + "\x00\r\n\x00"
	for _, contentType := range []string{"application/x-ndjson", "application/json"} {
		w := post(newHandler(t, &memoryLog{}, nil), contentType, strings.NewReader(lines))
		if got := result(t, w); w.Code != http.StatusOK || got.Accepted != 3 {
			t.Errorf("lines as %s: got %d %s", contentType, w.Code, w.Body)
		}
	}
	w := post(newHandler(t, &memoryLog{}, nil), "application/json", strings.NewReader("\xff\xfe{\x00}\x00"))
	checkProblem(t, w, http.StatusBadRequest, "UTF-16")
}

// However a body is malformed, the time to answer grows only with its length.
func TestBrokenBodiesTakeNoLongerThanOthers(t *testing.T) {
	h := newHandler(t, &memoryLog{}, func(o *httpsource.Options) { o.MaxReadings = 10_000_000 })
	random := rand.New(rand.NewPCG(1, 2))
	pieces := []string{`,{`, `{"`, `"x`, `,{"a`, `[`, `]`, `}`, `\`, "\n", `,`, strings.Repeat("x", 500)}
	var bodies []string
	for _, piece := range pieces {
		bodies = append(bodies, "["+strings.Repeat(piece, 1<<20/len(piece))+"]")
	}
	for range 5 {
		var body strings.Builder
		for body.Len() < 1<<20 {
			body.WriteString(pieces[random.IntN(len(pieces)-1)])
		}
		bodies = append(bodies, "["+body.String()+"]")
	}
	for _, body := range bodies {
		start := time.Now()
		post(h, "application/json", strings.NewReader(body))
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%.20q…: took %v for a MiB", body, took)
		}
	}
}

func TestDuplicatesAndConflictsAreCounted(t *testing.T) {
	h := newHandler(t, &memoryLog{}, nil)
	a, other, b := reading("a", nil), reading("a", map[string]any{"value": 22}), reading("b", nil)
	for _, step := range []struct {
		body                  string
		duplicates, conflicts int
	}{
		{"[" + a + "," + a + "," + other + "," + b + "]", 1, 1},
		{"[" + a + "," + a + "]", 2, 0}, // The same request again, as after a lost answer.
		{other, 0, 1},
		{reading("a", map[string]any{"timestamp": "2026-03-01T11:59:59Z"}), 0, 0},
		{"[" + reading("c", map[string]any{"unit": "°F", "value": 32}) + "," + reading("c", map[string]any{"value": 0}) + "]", 1, 0},
	} {
		w := post(h, "application/json", strings.NewReader(step.body))
		if got := result(t, w); w.Code != http.StatusOK || got.Duplicates != step.duplicates || got.Conflicts != step.conflicts {
			t.Errorf("%s: got %d %s, want %d duplicates and %d conflicts", step.body, w.Code, w.Body, step.duplicates, step.conflicts)
		}
	}
}

// Readings that the log has not acknowledged were not accepted, so a client that sends them again sends no duplicates.
func TestARefusedRequestIsNotRemembered(t *testing.T) {
	log := memoryLog{err: errNoBroker}
	h := newHandler(t, &log, nil)
	if w := post(h, "application/json", strings.NewReader(reading("a", nil))); w.Code != http.StatusServiceUnavailable {
		t.Fatalf("got %d %s, want 503", w.Code, w.Body)
	}
	log.fail(nil)
	w := post(h, "application/json", strings.NewReader(reading("a", nil)))
	if got := result(t, w); got.Duplicates != 0 {
		t.Errorf("got %s, want no duplicates", w.Body)
	}
}
