package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/control"
	"iotmon/internal/iot"
)

// handlingPlant is a fleet whose alerts people handle: it does at once what is appended, as the processor does.
type handlingPlant struct {
	plant
	inForce *control.InForce
	offset  int64
	calls   int
	// appended is called after each append; nil for nothing.
	appended func()
	// usedElsewhere are requests by their keys that the processors know, and the web service does not yet.
	usedElsewhere map[string]string

	applied map[string]bool
	err     error
	// older means that consumers of an older version may still run, silent that the processor does not run, and apart that the requests with a key are not known
	// of each other: their devices are in different partitions, and what was done with the one is not read yet.
	older, silent, apart bool
	// reading means that what is shelved has not been read yet.
	reading bool
}

func (p *handlingPlant) Remembers(context.Context) bool        { return !p.older }
func (p *handlingPlant) Outcome(id string) (iot.Outcome, bool) { return p.inForce.Outcome(id) }
func (p *handlingPlant) Request(key string) (request string, known bool) {
	if request, known = p.inForce.Request(key); p.apart {
		return "", false
	}
	return request, known
}

func (p *handlingPlant) WaitOutcome(ctx context.Context, id string) bool {
	return p.inForce.WaitOutcome(ctx, id)
}

func (p *handlingPlant) Shelved(d iot.Identity) iot.ShelvedInForce { return p.inForce.Shelved(d) }
func (p *handlingPlant) Returned(id string) (iot.Alert, bool)      { return p.inForce.Returned(id) }

func (p *handlingPlant) EachShelved(visit func(iot.Identity, *iot.ShelvedInForce) bool) {
	p.inForce.EachShelved(visit)
}

// Current reports that everything has been read, unless a test says otherwise.
func (p *handlingPlant) Current() bool { return !p.reading }

func (p *handlingPlant) WaitShelved(ctx context.Context, d iot.Identity, command iot.Position) bool {
	return p.inForce.WaitShelved(ctx, d, command)
}

func (p *handlingPlant) Command(_ context.Context, devices []iot.Identity, commands []iot.Command) ([]iot.Position, error) {
	p.calls++
	if p.err != nil {
		return nil, p.err
	}
	if p.appended != nil {
		defer p.appended()
	}
	at := make([]iot.Position, len(commands))
	for i, c := range commands {
		at[i] = iot.Position{Offset: p.offset}
		p.offset++
		for d := range p.plant {
			state := &p.plant[d]
			if state.Latest.Identity() != devices[i] {
				continue
			}
			if _, known := p.Outcome(c.ID); p.silent || known {
				continue
			}
			state.Offset = p.offset
			outcome := iot.Outcome{Refused: iot.KeyReused}
			request, known := p.Request(c.Key)
			if used, elsewhere := p.usedElsewhere[c.Key]; elsewhere {
				request, known = used, true
			}
			if !known || request == c.Request || p.older {
				outcome = p.apply(state, &c)
			}
			if outcome.Refused == "" {
				p.applied[c.ID] = true
			}
			outcome.ID, outcome.Key, outcome.Request = c.ID, c.Key, c.Request
			if !p.older {
				p.inForce.SetOutcome(&outcome)
			}
		}
	}
	return at, nil
}

// deviceOf returns the device of an alert.
func deviceOf(p *handlingPlant, id string) iot.DeviceID {
	for _, state := range p.plant {
		for _, a := range state.OpenAlerts() {
			if a.ID == id {
				return a.DeviceID
			}
		}
	}
	return ""
}

func (p *handlingPlant) apply(state *iot.DeviceState, c *iot.Command) iot.Outcome {
	id := state.Latest.Identity()
	if c.Alert == "" {
		known := p.Shelved(id)
		next, outcome := known.Apply(c, c.Time, p.offset)
		if next == nil {
			next = &known
		}
		next.Position = iot.Position{Offset: p.offset}
		p.inForce.SetShelved(id, next)
		return outcome
	}
	for i := range state.Alerts {
		raised := *state.Alerts[i].Raised
		switch {
		case raised.ID != c.Alert:
			continue
		case c.Action == iot.Acknowledge && !raised.AckedAt.IsZero():
			return iot.Outcome{Refused: iot.AlreadyAcknowledged, By: raised.AckedBy, At: raised.AckedAt, State: raised.LifeState()}
		case c.Action == iot.Acknowledge:
			raised.AckedAt, raised.AckedBy, raised.Transition = c.Time, c.Actor, iot.Acknowledged
			state.Alerts[i].Raised = &raised
			return iot.Outcome{By: c.Actor, At: c.Time, State: raised.LifeState()}
		case c.Action == iot.Reset:
			return iot.Outcome{Refused: iot.NotLatched, State: raised.LifeState()}
		}
		return iot.Outcome{State: raised.LifeState()}
	}
	return iot.Outcome{}
}

// handlingAPI returns an API over devices with two open alerts each, which are archived, and their ids.
func handlingAPI(t *testing.T, devices int) (http.Handler, *handlingPlant, *archive, []string) {
	t.Helper()
	p := &handlingPlant{inForce: control.NewInForce(), applied: make(map[string]bool)}
	history := &archive{}
	var ids []string
	for i := range devices {
		p.plant = append(p.plant, device(iot.DeviceID(fmt.Sprintf("d%04d", i)), iot.Temperature, 40, func(s *iot.DeviceState) {
			alarmed("hot", iot.Warning)(s)
			alarmed("rising", iot.Critical)(s)
		}))
		for _, a := range p.plant[i].OpenAlerts() {
			history.alerts = append(history.alerts, api.ArchivedAlert{Alert: a, Raised: a.Time})
			ids = append(ids, a.ID)
		}
	}
	slices.SortFunc(history.alerts, func(a, b api.ArchivedAlert) int { return strings.Compare(a.ID, b.ID) })
	slices.Sort(ids)
	h := newAPI(t, p, history, func(o *api.Options) { o.Commands, o.Handled = p, p })
	return h, p, history, ids
}

const actionsPath = "/api/v1/alerts/actions"

type manyAnswer struct {
	Done  int
	More  bool
	Items []struct {
		ID    string
		Done  bool
		Error string
		Alert struct {
			AlarmState string `json:"alarm_state"`
		}
	}
}

func handleMany(t *testing.T, h http.Handler, body string) manyAnswer {
	t.Helper()
	w := send(h, "POST", actionsPath, body, "Content-Type", asJSON, "Idempotency-Key", strconv.Itoa(int(crc32.ChecksumIEEE([]byte(body)))))
	var out manyAnswer
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%s: got %d %s", body, w.Code, w.Body)
	}
	return out
}

func TestManyAlertsAreHandledByTheirIDs(t *testing.T) {
	h, p, _, ids := handlingAPI(t, 3)
	body := fmt.Sprintf(`{"action":"acknowledge","ids":[%q,%q,%q,"none"],"comment":"seen"}`, ids[0], ids[1], ids[0])
	for range 2 { // The answer to the first was lost.
		got := handleMany(t, h, body)
		if got.Done != 2 || len(got.Items) != 3 || got.Items[0].ID != "none" || got.Items[0].Error == "" || !got.Items[1].Done ||
			got.Items[2].Alert.AlarmState != "acknowledged" {
			t.Errorf("got %+v", got)
		}
	}
	if len(p.applied) != 2 {
		t.Errorf("%d commands were applied, want 2", len(p.applied))
	}
	for _, test := range []struct {
		body   string
		status int
		want   string
	}{
		{`{"action":"acknowledge"}`, 422, "ids or a filter"},
		{`{"action":"acknowledge","ids":["a"],"filter":{}}`, 422, "ids or a filter"},
		{`{"action":"boil","filter":{}}`, 422, "body.action"},
		{`{"action":"acknowledge","filter":{"type":"none"}}`, 422, "unknown device type"},
		{`{"action":"acknowledge","filter":{"prio":"high"}}`, 422, "unknown key"},
		{fmt.Sprintf(`{"action":"acknowledge","ids":[%q],"seconds":5}`, ids[2]), 422, "only shelving has an end"},
		{fmt.Sprintf(`{"action":"comment","ids":[%q]}`, ids[2]), 422, "body.comment"},
		{fmt.Sprintf(`{"action":"shelve","comment":"x","ids":[%q],"seconds":60,"until":"2026-03-01T13:00:00Z"}`, ids[2]), 422, "together with seconds"},
		{`{"action":"acknowledge","ids":[` + strings.Repeat(`"a",`, 1000) + `"a"]}`, 422, "body.ids"},
	} {
		w := send(h, "POST", actionsPath, test.body, "Content-Type", asJSON)
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.want) {
			t.Errorf("%.100s: got %d %s, want %d %s", test.body, w.Code, w.Body, test.status, test.want)
		}
	}
	p.err = errors.New("no broker")
	w := send(h, "POST", actionsPath, body, "Content-Type", asJSON)
	checkProblem(t, w, http.StatusServiceUnavailable, "log does not answer")
	p.err = control.ErrOlder
	checkProblem(t, send(h, "POST", actionsPath, body, "Content-Type", asJSON), http.StatusConflict, "upgrade finish")
}

// A script with an empty cell in its list of alerts handles no alert that it has not named.
func TestAnEmptyIDIsNoAlert(t *testing.T) {
	h, p, _, ids := handlingAPI(t, 2)
	got := handleMany(t, h, fmt.Sprintf(`{"action":"acknowledge","ids":["",%q]}`, ids[2]))
	if got.Done != 1 || len(p.applied) != 1 || len(got.Items) != 2 || got.Items[0].Done || !strings.Contains(got.Items[0].Error, "no alert") {
		t.Errorf("got %+v, %d were applied, want the one that is named", got, len(p.applied))
	}
}

// Each device has one change of its shelving in a round, because the next one says that it knows of it.
func TestManyAlertsOfOneDeviceAreShelved(t *testing.T) {
	h, p, _, ids := handlingAPI(t, 2)
	got := handleMany(t, h, fmt.Sprintf(`{"action":"shelve","seconds":600,"comment":"part ordered","ids":["%s"]}`, strings.Join(ids, `","`)))
	if got.Done != 4 || p.calls != 2 || len(p.applied) != 4 {
		t.Errorf("got %+v in %d rounds, %d were applied, want all of them in two", got, p.calls, len(p.applied))
	}
	got = handleMany(t, h, `{"action":"unshelve","filter":{"state":"open"}}`)
	if got.Done != 4 || len(p.Shelved(iot.Identity{ID: "d0000"}).Shelvings) != 0 {
		t.Errorf("got %+v", got)
	}
	got = handleMany(t, h, fmt.Sprintf(`{"action":"out_of_service","device":true,"comment":"sensor is broken","ids":["%s"]}`, strings.Join(ids, `","`)))
	if got.Done != 4 || p.calls != 5 {
		t.Errorf("got %+v, want that a device is taken out of service once", got)
	}
}

// A filter that selects more than fit is sent again until nothing is left, also past those that are handled already.
func TestMoreAlertsThanFitAreHandledInTurn(t *testing.T) {
	h, p, history, ids := handlingAPI(t, 1200)
	for i := range history.alerts {
		history.alerts[i].Onset = noon.Add(-time.Duration(i) * time.Second) // The archive's order.
	}
	total := 0
	for turn := range 4 {
		got := handleMany(t, h, `{"action":"acknowledge","filter":{"state":"open"}}`)
		total += got.Done
		if got.More != (turn < 2) || got.Done != min(1000, len(ids)-1000*turn) && turn < 3 {
			t.Errorf("turn %d: got %d done, more is %v", turn, got.Done, got.More)
		}
	}
	if total != 2400 || len(p.applied) != 2400 || len(slices.Collect(maps.Keys(p.applied))) != len(ids) {
		t.Errorf("got %d done by %d commands, want 2400", total, len(p.applied))
	}
	if q := history.alertsQuery; q.Open == nil || !*q.Open || q.Limit != 1000 {
		t.Errorf("got the query %+v", q)
	}
}

// oneAnswer is the answer to what was done about one alert.
type oneAnswer struct {
	Done    bool
	Refused *struct{ Reason, By string }
	Remains string
	Alert   struct {
		AlarmState string `json:"alarm_state"`
	}
}

func handleOne(t *testing.T, h http.Handler, id, action, key, body string, status int) (out oneAnswer) {
	t.Helper()
	w := send(h, "POST", "/api/v1/alerts/"+id+"/"+action, body, "Content-Type", asJSON, "Idempotency-Key", key)
	if w.Code != status {
		t.Fatalf("%s %s: got %d %s, want %d", action, key, w.Code, w.Body, status)
	}
	if status < 300 {
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// The answer is what the processor has done with this command, and not what is true of the alert.
func TestTheAnswerIsWhatTheProcessorHasDone(t *testing.T) {
	h, p, _, ids := handlingAPI(t, 1)
	got := handleOne(t, h, ids[0], "acknowledge", "k-1", "{}", 200)
	if !got.Done || got.Refused != nil || got.Alert.AlarmState != "acknowledged" {
		t.Errorf("got %+v", got)
	}
	got = handleOne(t, h, ids[0], "acknowledge", "k-2", `{"comment":"me too"}`, 200)
	if got.Done || got.Refused == nil || got.Refused.Reason != "already_acknowledged" || got.Refused.By == "" || got.Alert.AlarmState != "acknowledged" {
		t.Errorf("got %+v, want it refused, and by whom it was acknowledged", got)
	}
	calls := p.calls
	if got := handleOne(t, h, ids[0], "acknowledge", "k-1", "{}", 200); !got.Done || p.calls != calls {
		t.Errorf("got %+v, want the same answer as before", got)
	}
	if got := handleOne(t, h, ids[0], "shelve", "s-1", `{"seconds":600,"comment":"A","device":true}`, 200); !got.Done {
		t.Errorf("got %+v", got)
	}
	if got := handleOne(t, h, ids[0], "unshelve", "s-2", "{}", 200); got.Done || got.Refused == nil || got.Refused.Reason != "nothing_to_end" || got.Remains != "device_shelved" {
		t.Errorf("got %+v, want that the device stays shelved", got)
	}
	if got := handleOne(t, h, ids[1], "reset", "r-1", "{}", 200); got.Done || got.Refused == nil || got.Refused.Reason != "not_latched" {
		t.Errorf("got %+v", got)
	}
}

// An idempotency key is that of one request: another one about anything else is refused before it does anything.
func TestAKeyIsOfOneRequest(t *testing.T) {
	h, p, _, ids := handlingAPI(t, 2)
	handleOne(t, h, ids[0], "comment", "k-1", `{"comment":"first"}`, 200)
	handleOne(t, h, ids[0], "shelve", "s-1", `{"seconds":600,"comment":"part ordered"}`, 200)
	calls := p.calls
	for _, other := range []struct{ id, action, key, body string }{
		{ids[0], "comment", "k-1", `{"comment":"SECOND"}`}, {ids[1], "comment", "k-1", `{"comment":"first"}`}, {ids[0], "acknowledge", "k-1", `{"comment":"first"}`},
		{ids[0], "shelve", "s-1", `{"seconds":1200,"comment":"why"}`},
	} {
		handleOne(t, h, other.id, other.action, other.key, other.body, 422)
	}
	for _, key := range []string{"k-1", "s-1"} {
		w := send(h, "POST", actionsPath, fmt.Sprintf(`{"action":"comment","comment":"first","ids":[%q]}`, ids[0]), "Content-Type", asJSON, "Idempotency-Key", key)
		checkProblem(t, w, 422, "has this key")
	}
	if p.calls != calls {
		t.Errorf("%d requests were appended", p.calls-calls)
	}
	if got := handleOne(t, h, ids[0], "shelve", "s-1", `{"seconds":600,"comment":"part ordered"}`, 200); !got.Done || p.calls != calls {
		t.Errorf("got %+v, want the same answer as before", got)
	}
	// Another web service has used the key, and this one does not know yet: the processor refuses it.
	p.usedElsewhere = map[string]string{"k-9": "another request"}
	handleOne(t, h, ids[0], "comment", "k-9", `{"comment":"x"}`, 422)
	if calls++; p.calls != calls {
		t.Errorf("%d requests were appended, want that the processor has refused it", p.calls-calls+1)
	}
	got := handleMany(t, h, fmt.Sprintf(`{"action":"comment","comment":"first","ids":[%q,%q]}`, ids[0], ids[1]))
	if got.Done != 2 { // The parts of one request are distinguished, too.
		t.Errorf("got %+v", got)
	}
}

// A key is that of one request also while it is not known what came of the first one, as with two tabs, or a script that goes on with its next alert: the
// processors of two partitions do not know of each other.
func TestAKeyIsOfOneRequestAtOnce(t *testing.T) {
	h, p, _, ids := handlingAPI(t, 2)
	p.silent = true
	other := ids[slices.IndexFunc(ids, func(id string) bool { return deviceOf(p, id) != deviceOf(p, ids[0]) })]
	begun, over := make(chan struct{}), make(chan oneAnswer)
	p.appended = func() { close(begun) }
	go func() { over <- handleOne(t, h, ids[0], "acknowledge", "k-1", "{}", 202) }()
	<-begun
	p.appended = func() {}
	calls := p.calls
	many := fmt.Sprintf(`{"action":"comment","comment":"x","ids":[%q]}`, other)
	refused := func(when string) {
		t.Helper()
		handleOne(t, h, other, "acknowledge", "k-1", "{}", 422)
		handleOne(t, h, ids[0], "comment", "k-1", `{"comment":"x"}`, 422)
		checkProblem(t, send(h, "POST", actionsPath, many, "Content-Type", asJSON, "Idempotency-Key", "k-1"), 422, "has this key")
		if p.calls != calls {
			t.Errorf("%s: %d requests with the same key were appended", when, p.calls-calls)
		}
	}
	refused("while the first waits")
	<-over
	refused("after the first, of which nothing is known")
	p.silent = false
	if got := handleOne(t, h, ids[0], "acknowledge", "k-1", "{}", 200); !got.Done || len(p.applied) != 1 {
		t.Errorf("got %+v, %d commands were applied, want that the same request is done once", got, len(p.applied))
	}
	calls = p.calls
	refused("after the first was done")
}

// A key of a request that has done nothing is free for the next one, which may be about what was wrong with it.
func TestAKeyOfNothingIsFree(t *testing.T) {
	h, p, _, ids := handlingAPI(t, 1)
	handleOne(t, h, ids[0], "shelve", "k-1", `{"seconds":600}`, 422)
	if got := handleOne(t, h, ids[0], "shelve", "k-1", `{"seconds":600,"comment":"belt"}`, 200); !got.Done {
		t.Errorf("got %+v", got)
	}
	p.err = control.ErrOlder
	handleOne(t, h, ids[0], "acknowledge", "k-2", "{}", 409)
	p.err = errors.New("no broker: it may be in the log all the same")
	handleOne(t, h, ids[0], "comment", "k-2", `{"comment":"x"}`, 503)
	handleOne(t, h, ids[0], "comment", "k-2", `{"comment":"y"}`, 422)
	p.err = nil
	if got := handleOne(t, h, ids[0], "comment", "k-2", `{"comment":"x"}`, 200); !got.Done {
		t.Errorf("got %+v", got)
	}
}

// Two web services get two requests with the same key in one moment, about devices of different partitions: no one knows of both, and both are done. Each is
// answered with what came of it, and not with what came of the other.
func TestTwoServicesAnswerEachItsOwn(t *testing.T) {
	h, p, history, ids := handlingAPI(t, 2)
	second := newAPI(t, p, history, func(o *api.Options) { o.Commands, o.Handled = p, p })
	other := ids[slices.IndexFunc(ids, func(id string) bool { return deviceOf(p, id) != deviceOf(p, ids[0]) })]
	p.apart = true
	for range 2 {
		if got := handleOne(t, h, ids[0], "acknowledge", "k-1", "{}", 200); !got.Done {
			t.Errorf("got %+v, want it acknowledged", got)
		}
		if got := handleOne(t, second, other, "reset", "k-1", "{}", 200); got.Done || got.Refused == nil || got.Refused.Reason != "not_latched" {
			t.Errorf("got %+v, want that there was nothing to reset", got)
		}
		p.apart = false // Sent again once all is known, each is answered as before.
	}
	handleOne(t, second, other, "acknowledge", "k-1", "{}", 422)
}

// What an older web service has appended has the key as its id, or one without the request: it is answered as before, and not done again.
func TestARequestIsSentAgainAfterAnUpgrade(t *testing.T) {
	h, p, _, ids := handlingAPI(t, 1)
	at := noon
	one := iot.Outcome{ID: "k-1", Key: "k-1", Request: iot.Fingerprint(`["one","` + ids[0] + `","acknowledge",{}]`), By: "u-1", At: at}
	many := iot.Outcome{
		ID: iot.Fingerprint("k-2", "d0000", ids[0]), Key: "k-2", Request: iot.Fingerprint(`["many",{"action":"acknowledge","ids":["` + ids[0] + `"]}]`), By: "u-1", At: at,
	}
	p.inForce.SetOutcome(&one)
	p.inForce.SetOutcome(&many)
	if got := handleOne(t, h, ids[0], "acknowledge", "k-1", "{}", 200); !got.Done {
		t.Errorf("got %+v", got)
	}
	w := send(h, "POST", actionsPath, fmt.Sprintf(`{"action":"acknowledge","ids":[%q]}`, ids[0]), "Content-Type", asJSON, "Idempotency-Key", "k-2")
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"done":1`) || p.calls != 0 {
		t.Errorf("got %d %s and %d appends, want the answer of before", w.Code, w.Body, p.calls)
	}
}

// Who decides that nobody is to be notified says why: about one alert, many or those of a filter, a rule or a device. Ending it needs no reason.
func TestShelvingNeedsAReason(t *testing.T) {
	h, p, _, ids := handlingAPI(t, 1)
	for _, comment := range []string{``, `,"comment":""`, `,"comment":"  \t"`, `,"comment":"\u3000"`, `,"comment":"\u2800"`} {
		for _, body := range []string{`{"seconds":600` + comment + `}`, `{"seconds":600,"device":true` + comment + `}`} {
			w := send(h, "POST", "/api/v1/alerts/"+ids[0]+"/shelve", body, "Content-Type", asJSON)
			checkProblem(t, w, 422, `"location":"body.comment"`)
			w = send(h, "POST", "/api/v1/alerts/"+ids[0]+"/out_of_service", strings.Replace(body, `"seconds":600`, `"device":false`, 1), "Content-Type", asJSON)
			checkProblem(t, w, 422, `"location":"body.comment"`)
		}
		for _, what := range []string{fmt.Sprintf(`"ids":[%q]`, ids[0]), `"filter":{}`, `"filter":{"device":"none"}`} {
			checkProblem(t, send(h, "POST", actionsPath, `{"action":"shelve","seconds":600,`+what+comment+`}`, "Content-Type", asJSON), 422, `"location":"body.comment"`)
			checkProblem(t, send(h, "POST", actionsPath, `{"action":"out_of_service",`+what+comment+`}`, "Content-Type", asJSON), 422, `"location":"body.comment"`)
		}
	}
	if p.calls != 0 {
		t.Errorf("%d commands were appended", p.calls)
	}
	for i, step := range []struct{ action, body string }{
		{"shelve", `{"seconds":600,"comment":"belt"}`}, {"unshelve", `{}`}, {"out_of_service", `{"comment":" 换传感器 ","device":true}`}, {"in_service", `{"device":true}`},
	} {
		if got := handleOne(t, h, ids[0], step.action, strconv.Itoa(i), step.body, 200); !got.Done {
			t.Errorf("%s: got %+v", step.action, got)
		}
	}
}

// While consumers of an older version may run, or none does, it is not known what came of a command, and the answer does not guess.
func TestWhatCameOfACommandIsNotGuessed(t *testing.T) {
	h, p, _, ids := handlingAPI(t, 2)
	p.older = true
	if got := handleOne(t, h, ids[0], "acknowledge", "k-1", "{}", 202); got.Done || got.Refused != nil || got.Alert.AlarmState != "acknowledged" {
		t.Errorf("got %+v, want the alert as it is then", got)
	}
	w := send(h, "POST", actionsPath, fmt.Sprintf(`{"action":"acknowledge","ids":[%q]}`, ids[2]), "Content-Type", asJSON)
	if w.Code != 202 || !strings.Contains(w.Body.String(), `"done":0`) || !strings.Contains(w.Body.String(), `"alarm_state":"acknowledged"`) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	p.older, p.silent = false, true
	if got := handleOne(t, h, ids[1], "acknowledge", "k-2", "{}", 202); got.Done || got.Alert.AlarmState != "unacknowledged" {
		t.Errorf("got %+v", got)
	}
}

// What a filter selects is all worked through, each once, also what cannot be done: comments, and alerts that the processor refuses to reset.
func TestAFilterIsWorkedThrough(t *testing.T) {
	h, p, history, ids := handlingAPI(t, 600)
	for i := range history.alerts {
		history.alerts[i].Onset = noon.Add(-time.Duration(i) * time.Second)
	}
	for turn, want := range []int{1000, 200, 0} {
		got := handleMany(t, h, `{"action":"comment","comment":"power failure","filter":{}}`)
		if got.Done != want || got.More != (turn == 0) {
			t.Errorf("turn %d: got %d done, more is %v", turn, got.Done, got.More)
		}
	}
	if got := handleMany(t, h, `{"action":"reset","filter":{}}`); got.More || len(got.Items) != 0 {
		t.Errorf("got %d items, more is %v, want that there is nothing to reset", len(got.Items), got.More)
	}
	if len(p.applied) != len(ids) {
		t.Errorf("%d commands were applied, want %d", len(p.applied), len(ids))
	}
}
