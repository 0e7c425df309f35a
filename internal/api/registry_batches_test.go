package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"iotmon/internal/api"
	"iotmon/internal/control"
	"iotmon/internal/control/controltest"
	"iotmon/internal/iot"
)

// tableOf returns a table of devices that have no entry yet.
func tableOf(rows int) string {
	table := strings.Builder{}
	table.WriteString("device_id,version,name\n")
	for i := range rows {
		fmt.Fprintf(&table, "d%05d,0,x\n", i)
	}
	return table.String()
}

// stopped is a problem of a request that has ended early.
type stopped struct {
	Status int
	Detail string
	Busy   bool
	Made   *int
	Errors []struct{ Message string }
}

func readStopped(t *testing.T, body []byte) (problem stopped) {
	t.Helper()
	if err := json.Unmarshal(body, &problem); err != nil {
		t.Errorf("%s: %v", body, err)
	}
	return problem
}

// An outage in the middle of an import leaves the first rows, and the answer says how many. The same table completes it, though the
// versions in its first rows are old by now.
func TestAnInterruptedImportIsCompletedByTheSameTable(t *testing.T) {
	r := newRegistry()
	h := newAPI(t, plant{}, &archive{}, r.use)
	r.store.FailChanges(2, controltest.ErrDown)
	w := importTable(h, "", tableOf(2500))
	checkProblem(t, w, http.StatusServiceUnavailable, "only the first 2000 of 2500 devices are changed, because the database does not answer")
	if problem := readStopped(t, w.Body.Bytes()); problem.Made == nil || *problem.Made != 2000 || problem.Busy || w.Header().Get("Retry-After") == "" {
		t.Errorf("got %s with %v", w.Body, w.Header())
	}
	if all := r.store.All(); len(all) != 2000 {
		t.Errorf("got %d entries, want 2000", len(all))
	}
	r.store.FailChanges(0, nil)
	for _, want := range []string{`"rows":2500,"changed":500,"in_force":true`, `"rows":2500,"changed":0,"in_force":true`} {
		if w := importTable(h, "", tableOf(2500)); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
			t.Errorf("again: got %d %.300s, want %s", w.Code, w.Body, want)
		}
	}
	for _, o := range r.store.All() {
		if o.Version != 1 {
			t.Fatalf("%s was changed twice", o.ID)
		}
	}
	// With other values the same versions are old ones.
	checkProblem(t, importTable(h, "", strings.ReplaceAll(tableOf(2500), "x", "y")), http.StatusPreconditionFailed, "nothing is changed")
}

// Somebody else changes a device of the last rows while the first are imported.
func TestAnImportEndsWhereSomebodyElseHasChangedADevice(t *testing.T) {
	r := newRegistry()
	h := newAPI(t, plant{}, &archive{}, r.use)
	decided := r.Registry.Decided
	r.Registry.Decided = func(objects []control.Object) {
		r.Registry.Decided = decided
		decided(objects)
		r.enter(t, map[iot.DeviceID]iot.DeviceEntry{"d02300": {Name: "mine"}})
	}
	w := importTable(h, "", tableOf(2500))
	checkProblem(t, w, http.StatusConflict, "only the first 2000 of 2500 devices are changed, because others were changed by somebody else meanwhile")
	problem := readStopped(t, w.Body.Bytes())
	if problem.Made == nil || *problem.Made != 2000 || len(problem.Errors) != 1 || !strings.Contains(problem.Errors[0].Message, "d02300") {
		t.Errorf("got %s", w.Body)
	}
	if entry := r.Device(iot.Identity{ID: "d02300"}); entry.Name != "mine" || len(r.store.All()) != 2001 {
		t.Errorf("got %+v and %d entries", entry, len(r.store.All()))
	}
}

// The answer to somebody who has waited too long for other changes says so, and not that the database is away.
func TestABusyDatabaseIsNotOneThatIsAway(t *testing.T) {
	r := newRegistry()
	var log bytes.Buffer
	h := newAPI(t, plant{}, &archive{}, func(o *api.Options) {
		r.use(o)
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	for _, step := range []struct {
		method, path, body, contentType string
		after                           int
		want                            string
	}{
		{http.MethodPatch, "/api/v1/devices/d1", `{"name":"x"}`, asPatch, 0, "nothing is changed, because the database is busy"},
		{http.MethodPut, "/api/v1/devices/d1", `{"name":"x"}`, asJSON, 0, "nothing is changed, because the database is busy"},
		{http.MethodDelete, "/api/v1/devices/d1", ``, asJSON, 0, "nothing is changed, because the database is busy"},
		{http.MethodPatch, "/api/v1/devices", `{"devices":[{"device_id":"d1"}],"patch":{"name":"x"}}`, asJSON, 0, "nothing is changed, because the database is busy"},
		{http.MethodPost, "/api/v1/registry", tableOf(2500), "text/csv", 0, "nothing is changed, because the database is busy"},
		{http.MethodPost, "/api/v1/registry", tableOf(2500), "text/csv", 1, "only the first 1000 of 2500 devices are changed, because the database is busy"},
	} {
		r.store.FailChanges(step.after, control.ErrBusy)
		w := send(h, step.method, step.path, step.body, "Content-Type", step.contentType)
		checkProblem(t, w, http.StatusServiceUnavailable, step.want)
		if problem := readStopped(t, w.Body.Bytes()); !problem.Busy || w.Header().Get("Retry-After") != "1" || (problem.Made != nil) != (step.after > 0) {
			t.Errorf("%s %s: got %s with %v", step.method, step.path, w.Body, w.Header())
		}
	}
	if log.Len() > 0 {
		t.Errorf("a busy database is logged as an outage: %s", &log)
	}
}
