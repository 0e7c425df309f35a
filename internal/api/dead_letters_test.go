package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/api"
	"iotmon/internal/iot"
)

// drawer holds dead letters, oldest first, in one partition. It answers with err if that is set, and not before wait is closed.
type drawer struct {
	letters []api.DeadLetter
	err     error
	wait    chan struct{}
}

func (d *drawer) Newest(_ context.Context, before map[int32]int64, limit int) (api.DeadLetterPage, error) {
	if d.wait != nil {
		<-d.wait
	}
	end := len(d.letters)
	if from, ok := before[0]; ok {
		end = int(from)
	}
	from := max(end-limit, 0)
	page := slices.Clone(d.letters[from:end])
	slices.Reverse(page)
	result := api.DeadLetterPage{Letters: page, End: int64(len(d.letters))}
	if from > 0 {
		result.Next = map[int32]int64{0: int64(from)}
	}
	return result, d.err
}

func (d *drawer) Find(_ context.Context, ids []api.DeadLetterID) (map[api.DeadLetterID]api.DeadLetter, error) {
	found := make(map[api.DeadLetterID]api.DeadLetter)
	for _, letter := range d.letters {
		if slices.Contains(ids, letter.ID) {
			found[letter.ID] = letter
		}
	}
	return found, d.err
}

// letter returns a dead letter of a reading.
func letter(offset int64, value string) api.DeadLetter {
	return api.DeadLetter{
		ID: api.DeadLetterID{Offset: offset}, Rejected: noon, Field: "value", Reason: "not a number", Topic: "device-data", Partition: 3,
		Offset: 100 + offset, Appended: noon.Add(-time.Second), Key: []byte("d1"), Value: []byte(value), Size: len(value),
	}
}

// fullDrawer holds dead letters in which every field of the answers is there.
func fullDrawer() *drawer {
	return &drawer{letters: []api.DeadLetter{received(letter(0, "{}")), letter(1, "\xff"), letter(2, readingText("d1", 20))}}
}

// received returns the dead letter as that of a source.
func received(of api.DeadLetter) api.DeadLetter {
	of.Source, of.Topic, of.Partition, of.Offset, of.Appended, of.Key = "hall-3", "plant/press", 0, 0, time.Time{}, []byte("hall-3")
	return of
}

func readingText(device string, value float64) string {
	return fmt.Sprintf(`{"device_id":%q,"device_type":"temperature_sensor","timestamp":%q,"value":%v}`, device, noon.Format(time.RFC3339), value)
}

type letterPage struct {
	Items []map[string]any
	Next  string
	End   *int64
}

func withLetters(t testing.TB, d *drawer, change func(*api.Options)) http.Handler {
	t.Helper()
	return newAPI(t, plant{}, &archive{}, func(o *api.Options) {
		o.DeadLetters, o.Appender = d, &appender{}
		if change != nil {
			change(o)
		}
	})
}

func TestDeadLetterIsShownAsItIs(t *testing.T) {
	h := withLetters(t, fullDrawer(), nil)
	text := request(h, http.MethodGet, "/api/v1/dead-letters?limit=1").Body.String()
	text = text[:strings.Index(text, `,"next"`)] + "}"
	const want = `{"items":[{"id":"0-2","rejected_at":"2026-03-01T12:00:00Z","field":"value","reason":"not a number","kind":"reading",` +
		`"source":{"topic":"device-data","partition":3,"offset":102,"appended_at":"2026-03-01T11:59:59Z"},"key":"d1","encoding":"utf-8",` +
		`"value":"{\"device_id\":\"d1\",\"device_type\":\"temperature_sensor\",\"timestamp\":\"2026-03-01T12:00:00Z\",\"value\":20}","size":99,"complete":true}]}`
	if text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	binary := get[map[string]any](t, h, "/api/v1/dead-letters/0-1")
	if binary["encoding"] != "base64" || binary["value"] != "/w==" {
		t.Errorf("what is no text: got %v, want it in base64", binary)
	}
}

// A message that a source has received is in no topic of Kafka, and is no reading that could be sent again, whatever it looks like.
func TestDeadLetterOfASourceSaysWhichOne(t *testing.T) {
	d := &drawer{letters: []api.DeadLetter{received(letter(0, readingText("d1", 20)))}}
	h := withLetters(t, d, nil)
	got := request(h, http.MethodGet, "/api/v1/dead-letters").Body.String()
	if !strings.Contains(got, `"received_by":{"name":"hall-3","topic":"plant/press"},"key":"hall-3"`) || strings.Contains(got, `"source"`) {
		t.Errorf("got %s", got)
	}
	if got := resend(h, "0-0").Body.String(); !strings.Contains(got, `"result":"rejected","reason":"only readings are sent again, this is what the source hall-3 received"`) {
		t.Errorf("sent again: got %s", got)
	}
}

// A listing shows the beginning of a long value, never a part of a character, and one dead letter has it all.
func TestLongValuesAreCutInTheListing(t *testing.T) {
	d := &drawer{}
	h := withLetters(t, d, nil)
	rapid.Check(t, func(rt *rapid.T) {
		value := rapid.StringMatching(`[a-z]{0,3}`).Draw(rt, "ascii") + strings.Repeat(rapid.SampledFrom([]string{"x", "é", "栋", "🌡"}).Draw(rt, "character"), rapid.IntRange(1, 4000).Draw(rt, "length"))
		d.letters = []api.DeadLetter{letter(0, value)}
		item := get[letterPage](t, h, "/api/v1/dead-letters").Items[0]
		shown := item["value"].(string)
		complete := len(value) <= api.ShownBytes
		if item["encoding"] != "utf-8" || !strings.HasPrefix(value, shown) || item["complete"] != complete || len(shown) < min(len(value), api.ShownBytes-3) ||
			len(shown) > api.ShownBytes || item["size"] != float64(len(value)) {
			rt.Errorf("got %d bytes of %d, %v", len(shown), len(value), item["complete"])
		}
		if whole := get[map[string]any](t, h, "/api/v1/dead-letters/0-0"); whole["value"] != value || whole["complete"] != true {
			rt.Errorf("got %v, want the whole value", whole)
		}
	})
}

func TestDeadLettersArePaged(t *testing.T) {
	d := &drawer{}
	for i := range 7 {
		d.letters = append(d.letters, letter(int64(i), "{}"))
	}
	h := withLetters(t, d, nil)
	var ids []string
	var ends []*int64
	for target := "/api/v1/dead-letters?limit=3"; target != ""; {
		page := get[letterPage](t, h, target)
		for _, item := range page.Items {
			ids = append(ids, item["id"].(string))
		}
		ends = append(ends, page.End)
		if target = ""; page.Next != "" {
			target = "/api/v1/dead-letters?limit=2&cursor=" + page.Next
		}
	}
	if want := []string{"0-6", "0-5", "0-4", "0-3", "0-2", "0-1", "0-0"}; !slices.Equal(ids, want) {
		t.Errorf("got %v, want %v", ids, want)
	}
	// Only the first page says where the dead letters ended: the others are of that moment.
	if ends[0] == nil || *ends[0] != 7 || ends[1] != nil || ends[2] != nil {
		t.Errorf("got %v as the ends of the pages, want 7 and none", ends)
	}
}

func TestDeadLetterProblems(t *testing.T) {
	down := withLetters(t, &drawer{err: errors.New("no broker")}, nil)
	h := withLetters(t, fullDrawer(), nil)
	for _, test := range []struct {
		h        http.Handler
		target   string
		status   int
		contains string
	}{
		{h, "/api/v1/dead-letters?limit=101", 422, "query.limit"},
		{h, "/api/v1/dead-letters?cursor=x", 400, "query.cursor"},
		{h, "/api/v1/dead-letters/0-9", 404, "0-9"},
		{h, "/api/v1/dead-letters/1-0", 404, "1-0"},
		{h, "/api/v1/dead-letters/00-1", 422, "path.id"},
		{h, "/api/v1/dead-letters/0--1", 422, "path.id"},
		{h, "/api/v1/dead-letters/first", 422, "path.id"},
		{down, "/api/v1/dead-letters", 503, "Kafka"},
		{down, "/api/v1/dead-letters/0-1", 503, "Kafka"},
	} {
		checkProblem(t, request(test.h, http.MethodGet, test.target), test.status, test.contains)
	}
	if text := request(down, http.MethodGet, "/api/v1/dead-letters").Body.String(); strings.Contains(text, "broker") {
		t.Errorf("shows a client the inside: %s", text)
	}
}

// Reading dead letters costs memory: only a few requests at a time do so, and the others are asked to come again.
func TestFewRequestsReadDeadLettersAtOnce(t *testing.T) {
	d := fullDrawer()
	d.wait = make(chan struct{})
	h := withLetters(t, d, nil)
	answers := make(chan *httptest.ResponseRecorder, 20)
	var asking sync.WaitGroup
	for range cap(answers) {
		asking.Go(func() { answers <- request(h, http.MethodGet, "/api/v1/dead-letters") })
	}
	for range cap(answers) - 4 {
		w := <-answers
		checkProblem(t, w, http.StatusTooManyRequests, "too many")
		if w.Header().Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	close(d.wait)
	asking.Wait()
	if w := request(h, http.MethodGet, "/api/v1/dead-letters"); w.Code != http.StatusOK {
		t.Errorf("afterwards: got %d, want 200", w.Code)
	}
}

// Each id has one text, and each text that is accepted is that of an id.
func TestDeadLetterIDHasOneText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := api.DeadLetterID{Partition: rapid.Int32Min(0).Draw(t, "partition"), Offset: rapid.Int64Min(0).Draw(t, "offset")}
		var back api.DeadLetterID
		if err := back.UnmarshalText([]byte(id.String())); err != nil || back != id {
			t.Errorf("%s: got %v, %v", id, back, err)
		}
	})
}

func FuzzDeadLetterID(f *testing.F) {
	for _, text := range []string{"0-0", "0-17", "00-1", "1-", "-1-2", "2147483648-0", "0-9223372036854775808", "+0-1", "0-1-2", "0x1-1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var id api.DeadLetterID
		if id.UnmarshalText([]byte(text)) == nil && (id.String() != text || id.Partition < 0 || id.Offset < 0) {
			t.Errorf("%q is %v", text, id)
		}
	})
}

// appender keeps what is appended, and fails with err if that is set.
type appender struct {
	err      error
	appended []iot.Reading
}

func (a *appender) Append(_ context.Context, readings []iot.Reading) error {
	a.appended = append(a.appended, readings...)
	return a.err
}

func resend(h http.Handler, ids ...string) *httptest.ResponseRecorder {
	body, _ := json.Marshal(map[string][]string{"ids": ids}) // Strings always marshal.
	r := httptest.NewRequest(http.MethodPost, "/api/v1/dead-letters/resend", strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// What would be rejected again is not sent, and the answer says what became of each.
func TestSendingDeadLettersAgain(t *testing.T) {
	status, cut := letter(4, "{}"), letter(5, readingText("d5", 5))
	status.Kind, cut.Size = iot.KindStatus, 1<<20
	d := &drawer{letters: []api.DeadLetter{letter(0, "not JSON"), letter(1, readingText("d1", 1)), letter(2, readingText("d2", 9999)), letter(3, readingText("d3", 3)), status, cut}}
	log := &appender{}
	h := withLetters(t, d, func(o *api.Options) { o.Appender = log })
	w := resend(h, "0-3", "0-0", "0-1", "0-2", "0-3", "0-4", "0-5", "0-99")
	const want = `{"sent":2,"items":[{"id":"0-3","result":"sent","device_id":"d3"},` +
		`{"id":"0-0","result":"rejected","reason":"malformed JSON at byte 2: invalid character 'o' in literal null (expecting 'u')"},{"id":"0-1","result":"sent","device_id":"d1"},` +
		`{"id":"0-2","result":"rejected","field":"value","reason":"outside the physical range -273.15 to 2000 °C of temperature_sensor (got 9999)"},` +
		`{"id":"0-4","result":"rejected","reason":"only readings are sent again, this is a record of the kind status"},` +
		`{"id":"0-5","result":"rejected","reason":"only the first 98 of its 1048576 bytes were kept"},{"id":"0-99","result":"gone"}]}`
	if got := strings.TrimSpace(w.Body.String()); w.Code != http.StatusOK || got != want {
		t.Errorf("got  %d %s\nwant %s", w.Code, got, want)
	}
	var devices []iot.DeviceID
	for _, r := range log.appended {
		devices = append(devices, r.ID)
	}
	if want := []iot.DeviceID{"d3", "d1"}; !slices.Equal(devices, want) {
		t.Errorf("appended %v, want %v", devices, want)
	}
}

func TestProblemsOfSendingDeadLettersAgain(t *testing.T) {
	d := &drawer{letters: []api.DeadLetter{letter(0, readingText("d1", 1))}}
	many := make([]string, 101)
	for i := range many {
		many[i] = fmt.Sprintf("0-%d", i)
	}
	log := &appender{}
	h := withLetters(t, d, func(o *api.Options) { o.Appender = log })
	for _, test := range []struct {
		ids      []string
		contains string
	}{
		{nil, "body.ids"}, {many, "body.ids"}, {[]string{"0"}, "body.ids[0]"}, {[]string{"0-99999999999999999999"}, "id of a dead letter"},
	} {
		checkProblem(t, resend(h, test.ids...), http.StatusUnprocessableEntity, test.contains)
	}
	if len(log.appended) > 0 {
		t.Errorf("appended %v, want nothing", log.appended)
	}
	log.err = errors.New("disk full")
	w := resend(h, "0-0")
	checkProblem(t, w, http.StatusServiceUnavailable, "may be sent again")
	if w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "disk") {
		t.Errorf("got Retry-After %q, %s", w.Header().Get("Retry-After"), w.Body)
	}
	d.err = errors.New("no broker")
	checkProblem(t, resend(h, "0-0"), http.StatusServiceUnavailable, "Kafka")
}
