package api_test

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/notify"
)

// notifier is the program that sends notifications: it publishes what is in force, as that does.
type notifier struct {
	notices
	r *registry
	// old means that it goes by its configuration alone, asleep that it takes nothing over.
	old, asleep bool
	version     int64
	// sender is who sends, if it is not the usual one.
	sender string
}

const sender = `"origin":{"program":"consumer","host":"a"},"channels":[{"name":"chat"},{"name":"mail","recipients":["a@plant.example","b@plant.example"]}],"time_zone":"Europe/Berlin"`

const configured = `"routes":[{"name":"everything","time_zone":"Europe/Berlin","channels":["chat"],"group_by":["rule"],"wait_seconds":5,"interval_seconds":60,"repeat_seconds":0}],
	"calendars":[{"name":"electricians","time_zone":"Europe/Berlin","otherwise":["chat"]}]`

func (n *notifier) Configured(ctx context.Context) ([]byte, error) {
	sender := cmp.Or(n.sender, sender)
	if n.old {
		return []byte("{" + sender + "," + configured + "}"), nil
	}
	if !n.asleep {
		d, err := n.r.Notifications(ctx)
		if err != nil {
			return nil, err
		}
		n.version = d.Version
	}
	decided, err := json.Marshal(api.NotificationsInForce{Version: n.version})
	return []byte("{" + sender + "," + configured + `,"configured":{` + configured + `},"decided":` + string(decided) + "}"), err
}

type shownRoutes struct {
	Version   int64
	From      string `json:"decided_by"`
	InForce   bool   `json:"in_force"`
	Reason    string
	Code      string `json:"reason_code"`
	Items     []notify.RouteSpec
	Calendars []struct {
		Name       string
		Version    int64
		From       string `json:"decided_by"`
		Configured bool
		Next       []struct{ Channels []string }
	}
	Uncovered *struct{ Types []string }
}

const (
	routesAt   = "/api/v1/notifications/routes"
	calendarAt = "/api/v1/notifications/calendars/"
	ofCritical = `{"name":"urgent","severities":["critical"],"on_call":["electricians"],"group_by":["rule"],"wait_seconds":0,"interval_seconds":60,"repeat_seconds":0,
		"escalate":[{"after_seconds":900,"channels":["mail"]}]}`
	ofWarnings = `{"name":"calm","severities":["warning"],"channels":["chat"],"group_by":[],"wait_seconds":5,"interval_seconds":60,"repeat_seconds":0,
		"quiet":[{"from":"00:00","to":"14:00"}]}`
)

// selecting returns a route that selects alerts.
func selecting(by string) string {
	return `{"name":"some",` + by + `,"channels":["chat"],"group_by":[],"wait_seconds":5,"interval_seconds":60,"repeat_seconds":0}`
}

func newNotifier(t *testing.T) (*notifier, http.Handler) {
	n := &notifier{r: newRegistry()}
	return n, newAPI(t, plant{}, &archive{}, func(o *api.Options) {
		n.r.use(o)
		o.Notifications = n
	})
}

func decided(t *testing.T, w *httptest.ResponseRecorder, status int) (shown shownRoutes) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &shown); err != nil || w.Code != status {
		t.Fatalf("got %d %s, %v", w.Code, w.Body, err)
	}
	return shown
}

func TestRoutesAreDecided(t *testing.T) {
	n, h := newNotifier(t)
	if got := get[shownRoutes](t, h, routesAt); got.From != "configuration" || got.Version != 0 || !got.InForce || len(got.Items) != 1 || got.Uncovered != nil || !got.Calendars[0].Configured {
		t.Fatalf("got %+v", got)
	}
	first := send(h, http.MethodPut, routesAt+"?reason=the+night+shift", `{"routes":[`+ofCritical+`,`+ofWarnings+`]}`, "Content-Type", asJSON)
	if got := decided(t, first, http.StatusOK); got.From != "people" || got.Version != 1 || !got.InForce || len(got.Items) != 2 || got.Items[0].TimeZone != "Europe/Berlin" {
		t.Errorf("got %+v", got)
	}
	if tag := first.Header().Get("ETag"); tag != `"1"` {
		t.Errorf("got the tag %s", tag)
	}
	if w := send(h, http.MethodPut, routesAt, `{"routes":[`+ofCritical+`]}`, "Content-Type", asJSON); w.Code != http.StatusPreconditionRequired {
		t.Errorf("without a version: got %d %s", w.Code, w.Body)
	}
	if w := send(h, http.MethodPut, routesAt, `{"routes":[`+ofCritical+`]}`, "Content-Type", asJSON, "If-Match", `"0"`); w.Code != http.StatusPreconditionFailed || w.Header().Get("ETag") != `"1"` {
		t.Errorf("on another version: got %d %s", w.Code, w.Body)
	}
	again := send(h, http.MethodPut, routesAt, `{"routes":[`+ofCritical+`,`+ofWarnings+`]}`, "Content-Type", asJSON, "If-Match", `"1"`)
	if got := decided(t, again, http.StatusOK); got.Version != 1 {
		t.Errorf("the same again: got version %d", got.Version)
	}
	warnings := send(h, http.MethodPut, routesAt, `{"routes":[`+ofWarnings+`]}`, "Content-Type", asJSON, "If-Match", `"1"`)
	if got := decided(t, warnings, http.StatusOK); got.Version != 2 || got.Uncovered == nil {
		t.Errorf("what is critical is taken by none: got %+v", got)
	}
	for body, place := range map[string]string{
		`{"routes":[]}`: "body.routes",
		`{}`:            "body.routes",
		`{"routes":[` + strings.Replace(ofCritical, `"mail"`, `"fax"`, 1) + `]}`:      "body.routes[0].escalate[0].channels[0]",
		`{"routes":[` + ofWarnings + `,` + ofWarnings + `]}`:                          "body.routes[1].name",
		`{"routes":[` + strings.Replace(ofWarnings, `"14:00"`, `"24:30"`, 1) + `]}`:   "body.routes[0].quiet[0].to",
		`{"routes":[` + strings.Replace(ofWarnings, `"14:00"`, `"00:00"`, 1) + `]}`:   "body.routes[0].quiet[0].to",
		`{"routes":[` + selecting(`"types":["nosuch"]`) + `]}`:                        "body.routes[0].types[0]",
		`{"routes":[` + selecting(`"severities":[]`) + `]}`:                           "body.routes[0].severities",
		`{"routes":[` + selecting(`"areas":[]`) + `]}`:                                "body.routes[0].areas",
		`{"routes":[` + selecting(`"areas":["A栋"," / "]`) + `]}`:                      "body.routes[0].areas[1]",
		`{"routes":[` + selecting(`"types":[]`) + `]}`:                                "body.routes[0].types",
		`{"routes":[` + selecting(`"rules":[]`) + `]}`:                                "body.routes[0].rules",
		`{"routes":[` + selecting(`"tenants":[]`) + `]}`:                              "body.routes[0].tenants",
		`{"routes":[` + selecting(`"labels":{}`) + `]}`:                               "body.routes[0].labels",
		`{"routes":[` + selecting(`"times":[]`) + `]}`:                                "body.routes[0].times",
		`{"routes":[` + ofWarnings + `],"restore":1}`:                                 "body.routes",
		`{"routes":[` + strings.Replace(ofCritical, "electricians", "none", 1) + `]}`: "body.routes[0].on_call[0]",
	} {
		w := send(h, http.MethodPut, routesAt, body, "Content-Type", asJSON, "If-Match", "*")
		if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), `"location":"`+place+`"`) {
			t.Errorf("%s: got %d %s, want a refusal at %s", body, w.Code, w.Body, place)
		}
	}
	restored := send(h, http.MethodPut, routesAt, `{"restore":1}`, "Content-Type", asJSON, "If-Match", `"2"`)
	if got := decided(t, restored, http.StatusOK); got.Version != 3 || len(got.Items) != 2 {
		t.Errorf("restored: got %+v", got)
	}
	if w := send(h, http.MethodPut, routesAt, `{"restore":9}`, "Content-Type", asJSON, "If-Match", "*"); w.Code != http.StatusNotFound {
		t.Errorf("a version that there is not: got %d", w.Code)
	}
	deleted := send(h, http.MethodDelete, routesAt+"?reason=over", "", "If-Match", `"3"`)
	if got := decided(t, deleted, http.StatusOK); got.From != "configuration" || got.Version != 0 || !got.InForce || got.Items[0].Name != "everything" {
		t.Errorf("deleted: got %+v", got)
	}
	if got := decided(t, send(h, http.MethodDelete, routesAt, ""), http.StatusOK); got.Version != 0 || n.version != 4 {
		t.Errorf("deleted twice: got %+v, version %d", got, n.version)
	}
	type version struct {
		Version        int64
		Reason, Action string
		Deleted        bool
		Routes         []notify.RouteSpec
	}
	versions := get[struct{ Items []version }](t, h, routesAt+"/versions").Items
	if len(versions) != 4 || !versions[0].Deleted || versions[0].Reason != "over" || versions[3].Reason != "the night shift" || len(versions[3].Routes) != 2 {
		t.Errorf("got %+v", versions)
	}
	if w := send(h, http.MethodPut, routesAt, `{"restore":4}`, "Content-Type", asJSON); w.Code != http.StatusConflict {
		t.Errorf("a version that takes back: got %d %s", w.Code, w.Body)
	}
	audit := get[struct {
		Items []struct{ Kind, Reason string }
	}](t, h, "/api/v1/audit").Items
	if len(audit) != 4 || audit[0].Kind != "notifications" || audit[0].Reason != "over" {
		t.Errorf("audit: got %+v", audit)
	}
	for query, want := range map[string]int{"kind=notifications&limit=200": 4, "kind=device": 0, "kind=rule": 0} {
		if got := get[struct{ Items []struct{ Kind string } }](t, h, "/api/v1/audit?"+query).Items; len(got) != want {
			t.Errorf("audit with %s: got %+v, want %d", query, got, want)
		}
	}
	for _, query := range []string{"kind=notifications&device=a", "kind=rule&rule=a", "kind=map&source=a"} {
		if w := request(h, http.MethodGet, "/api/v1/audit?"+query); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), `"location":"query.kind"`) {
			t.Errorf("audit with %s: got %d %s", query, w.Code, w.Body)
		}
	}
}

// A route that is disabled is kept and takes nothing; there must be one that is not.
func TestARouteIsDisabled(t *testing.T) {
	_, h := newNotifier(t)
	off := strings.Replace(ofCritical, `"name":"urgent"`, `"name":"urgent","disabled":true`, 1)
	w := send(h, http.MethodPut, routesAt, `{"routes":[`+off+`]}`, "Content-Type", asJSON)
	if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), `"location":"body.routes"`) || !strings.Contains(w.Body.String(), "all are disabled") {
		t.Errorf("all are disabled: got %d %s", w.Code, w.Body)
	}
	w = send(h, http.MethodPut, routesAt, `{"routes":[`+off+`,`+ofWarnings+`]}`, "Content-Type", asJSON)
	if got := decided(t, w, http.StatusOK); len(got.Items) != 2 || !got.Items[0].Disabled || got.Uncovered == nil {
		t.Errorf("got %+v", got)
	}
	if w := send(h, http.MethodPost, "/api/v1/notifications/try", `{"severity":"critical"}`, "Content-Type", asJSON); !strings.Contains(w.Body.String(), `"routes":[]`) {
		t.Errorf("tried: got %s", w.Body)
	}
	// What is disabled is checked, so that it can be enabled.
	broken := strings.Replace(off, `"mail"`, `"fax"`, 1)
	w = send(h, http.MethodPut, routesAt, `{"routes":[`+broken+`,`+ofWarnings+`]}`, "Content-Type", asJSON, "If-Match", "*")
	if !strings.Contains(w.Body.String(), `"location":"body.routes[0].escalate[0].channels[0]"`) {
		t.Errorf("a mistake in a disabled one: got %d %s", w.Code, w.Body)
	}
	shown := get[struct {
		Configured []notify.RouteSpec `json:"configured_routes"`
	}](t, h, routesAt)
	if len(shown.Configured) != 1 || shown.Configured[0].Name != "everything" {
		t.Errorf("what a deletion goes back to: got %+v", shown)
	}
}

func TestWhoWouldBeOnCallIsTried(t *testing.T) {
	_, h := newNotifier(t)
	type turn struct {
		From, Until time.Time
		Channels    []string
	}
	type tried struct {
		Next    []turn
		InForce []turn `json:"in_force"`
	}
	try := func(body string) (got tried) {
		t.Helper()
		w := send(h, http.MethodPost, calendarAt+"try", body, "Content-Type", asJSON)
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		return got
	}
	const weekly = `"rotation":{"start":"2026-03-02T07:00","days":7,"channels":["mail","chat"]},"otherwise":["chat"]}`
	got := try(`{"from":"2026-03-02T06:00:00Z","calendar":{"name":"electricians",` + weekly + `}`)
	if len(got.Next) != 2 || got.Next[0].Channels[0] != "mail" || got.Next[1].Channels[0] != "chat" || !got.Next[1].Until.Equal(time.Date(2026, 3, 16, 6, 0, 0, 0, time.UTC)) || len(got.InForce) != 1 {
		t.Errorf("got %+v", got)
	}
	if got := try(`{"calendar":{"name":"fitters","time_zone":"UTC",` + weekly + `}`); got.InForce != nil || len(got.Next) == 0 {
		t.Errorf("of a new one: got %+v", got)
	}
	if got := get[shownRoutes](t, h, routesAt); len(got.Calendars) != 1 || got.Calendars[0].Version != 0 {
		t.Errorf("something was decided: %+v", got)
	}
	for body, place := range map[string]string{
		`{"calendar":{"name":"a","otherwise":["fax"]}}`:                                                           "body.calendar.otherwise[0]",
		`{"calendar":{"name":"a","otherwise":["chat"],"time_zone":"Mars"}}`:                                       "body.calendar.time_zone",
		`{"from":"9999-01-01T00:00:00Z","calendar":{"name":"a","otherwise":["chat"]}}`:                            "body.from",
		`{"calendar":{"name":"a","otherwise":["chat"],"shifts":[{"from":"1","to":"02:00","channels":["chat"]}]}}`: "body.calendar.shifts[0].from",
	} {
		if w := send(h, http.MethodPost, calendarAt+"try", body, "Content-Type", asJSON); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), `"location":"`+place+`"`) {
			t.Errorf("%s: got %d %s, want a refusal at %s", body, w.Code, w.Body, place)
		}
	}
}

func TestCalendarsAreDecided(t *testing.T) {
	_, h := newNotifier(t)
	const mine = `{"calendar":{"name":"electricians","otherwise":["mail"],"overrides":[{"from":"2026-12-24T06:00","until":"2026-12-26T06:00","channels":["chat"]}]}}`
	w := send(h, http.MethodPut, calendarAt+"electricians", mine, "Content-Type", asJSON, "If-None-Match", "*")
	if got := decided(t, w, http.StatusOK); got.Version != 1 || !got.InForce {
		t.Errorf("got %+v", got)
	}
	if w := send(h, http.MethodPut, calendarAt+"fitters", strings.Replace(mine, "electricians", "fitters", 1), "Content-Type", asJSON); w.Code != http.StatusOK {
		t.Errorf("a new one: got %d %s", w.Code, w.Body)
	}
	// Another calendar, or the routes, do not change the version of this one.
	w = send(h, http.MethodPut, routesAt, `{"routes":[`+strings.Replace(ofCritical, "electricians", "fitters", 1)+`]}`, "Content-Type", asJSON)
	if got := decided(t, w, http.StatusOK); got.Version != 3 || len(got.Calendars) != 2 || got.Calendars[0].Version != 1 || got.Calendars[1].Configured {
		t.Errorf("got %+v", got)
	}
	for body, place := range map[string]string{
		strings.Replace(mine, "electricians", "fitters", 1):              "body.calendar.name",
		strings.Replace(mine, `"mail"`, `"fax"`, 1):                      "body.calendar.otherwise[0]",
		strings.Replace(mine, "2026-12-24T06:00", "2026-03-29T02:30", 1): "body.calendar.overrides[0].from",
		`{}`: "body.calendar",
	} {
		w := send(h, http.MethodPut, calendarAt+"electricians", body, "Content-Type", asJSON, "If-Match", `"1"`)
		if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), `"location":"`+place+`"`) {
			t.Errorf("%s: got %d %s, want a refusal at %s", body, w.Code, w.Body, place)
		}
	}
	if w := send(h, http.MethodDelete, calendarAt+"fitters", ""); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "routes name the calendar") {
		t.Errorf("one that routes name: got %d %s", w.Code, w.Body)
	}
	if w := send(h, http.MethodDelete, calendarAt+"electricians", "", "If-Match", `"1"`); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"configured":true`) {
		t.Errorf("back to the configuration: got %d %s", w.Code, w.Body)
	}
	type shown struct {
		From string `json:"decided_by"`
	}
	// Of a configured one nothing is decided any more; one that there never was is not deleted.
	if w := send(h, http.MethodDelete, calendarAt+"electricians", ""); w.Code != http.StatusOK {
		t.Errorf("a configured one again: got %d %s, want 200", w.Code, w.Body)
	}
	checkProblem(t, send(h, http.MethodDelete, calendarAt+"fittters", ""), http.StatusNotFound, `there is no calendar \"fittters\"`)
	if got := get[shown](t, h, calendarAt+"electricians"); got.From != "configuration" {
		t.Errorf("got %+v", got)
	}
	versions := get[struct{ Items []struct{ Version int64 } }](t, h, calendarAt+"electricians/versions").Items
	if len(versions) != 2 || versions[0].Version != 4 || versions[1].Version != 1 {
		t.Errorf("got %+v", versions)
	}
	if w := send(h, http.MethodPut, calendarAt+"electricians", `{"restore":1}`, "Content-Type", asJSON, "If-None-Match", "*"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"otherwise":["mail"]`) {
		t.Errorf("restored: got %d %s", w.Code, w.Body)
	}
	if w := request(h, http.MethodGet, calendarAt+"none"); w.Code != http.StatusNotFound {
		t.Errorf("got %d", w.Code)
	}
}

// Of two programs that send, in an update, the old one knows its configuration alone: the answer says that it does not go by what is decided.
func TestADecisionThatIsNotInForceSaysWhy(t *testing.T) {
	n, h := newNotifier(t)
	n.old = true
	w := send(h, http.MethodPut, routesAt, `{"routes":[`+ofCritical+`]}`, "Content-Type", asJSON)
	if got := decided(t, w, http.StatusAccepted); got.InForce || got.Code != "older_version" || !strings.Contains(got.Reason, "older version") || got.Items[0].Name != "urgent" {
		t.Errorf("got %+v", got)
	}
	if got := get[shownRoutes](t, h, routesAt); got.InForce || got.From != "people" {
		t.Errorf("got %+v", got)
	}
	n.old, n.asleep = false, true
	if got := get[shownRoutes](t, h, routesAt); got.InForce || got.Code != "not_taken_over" || !strings.Contains(got.Reason, "consumer on a") {
		t.Errorf("got %+v", got)
	}
	n.asleep = false
	if got := get[shownRoutes](t, h, routesAt); !got.InForce {
		t.Errorf("got %+v", got)
	}
}

func TestWhoWouldBeNotifiedIsTried(t *testing.T) {
	_, h := newNotifier(t)
	type tried struct {
		Routes []struct {
			Route    string
			At       string
			Notified []notify.Target
			Escalate []struct{ Notified []notify.Target }
		}
	}
	try := func(body string) (got tried) {
		t.Helper()
		w := send(h, http.MethodPost, "/api/v1/notifications/try", body, "Content-Type", asJSON)
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		return got
	}
	if got := try(`{"severity":"warning"}`); len(got.Routes) != 1 || got.Routes[0].Route != "everything" || got.Routes[0].Notified[0].Channel != "chat" {
		t.Errorf("got %+v", got)
	}
	got := try(`{"severity":"critical","routes":[` + ofCritical + `],"calendars":[{"name":"electricians","otherwise":["mail"]}]}`)
	if len(got.Routes) != 1 || len(got.Routes[0].Notified) != 2 || len(got.Routes[0].Escalate) != 1 {
		t.Errorf("got %+v", got)
	}
	if got := try(`{"severity":"info","routes":[` + ofCritical + `]}`); len(got.Routes) != 0 {
		t.Errorf("got %+v", got)
	}
	if got := try(`{"severity":"warning","at":"2026-03-02T08:00:00Z","routes":[` + ofWarnings + `]}`); got.Routes[0].At != "2026-03-02T13:00:00Z" {
		t.Errorf("in the quiet hours: got %+v", got)
	}
	if w := send(h, http.MethodPost, "/api/v1/notifications/try", `{"severity":"info","routes":[]}`, "Content-Type", asJSON); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("no routes: got %d %s", w.Code, w.Body)
	}
}
