package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"iotmon/internal/wire"
)

// TestAnAlertIsHandledOverItsLife decides a rule that latches, and takes its alert through its life over REST, with a kill after each step: what
// people have decided is there after a restart, and every event is archived once.
func TestAnAlertIsHandledOverItsLife(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a program several times; make test runs it")
	}
	t.Parallel()
	s := newServer(t, t.TempDir(), killConfig, "-no-simulator")
	s.start()
	rule := `{"name":"boiler hot","device_type":"temperature_sensor","devices":["boiler"],"latch":true,"severity":"critical",
		"condition":{"kind":"of_last","threshold":1,"limit":80,"last":3},"text_en":"{value} of 3 above {limit}"}`
	if code, answer := call(t, s, "POST", "/api/v1/rules", rule); code != http.StatusCreated || !strings.Contains(answer, `"in_force":true`) {
		t.Fatalf("got %d %s", code, answer)
	}
	restart := func() { s.kill(); s.start() }
	restart()
	at := time.Now().Add(-5 * time.Second)
	send := func(values ...float64) {
		t.Helper()
		var samples []sample
		for _, value := range values {
			at = at.Add(100 * time.Millisecond)
			samples = append(samples, sample{device: "boiler", kind: "temperature_sensor", at: at, value: value})
		}
		if code, answer := call(t, s, "POST", "/api/v1/readings", string(encode(samples))); code != http.StatusOK {
			t.Fatalf("got %d %s", code, answer)
		}
	}
	open := func() (alerts []wire.Alert) {
		for _, a := range list[wire.Alert](t, s.base(), "/api/v1/alerts", map[string][]string{"device": {"boiler"}, "rule": {"boiler hot"}}) {
			if a.State != "cleared" {
				alerts = append(alerts, a)
			}
		}
		return alerts
	}
	send(90, 85, 70)
	var alert wire.Alert
	waitFor(t, patience, "the alert is archived", func() bool {
		if alerts := open(); len(alerts) == 1 {
			alert = alerts[0]
		}
		return alert.ID != ""
	})
	if alert.MessageEN != "2 of 3 above 80 °C" || alert.CurrentValue != 2 || alert.AlarmState != "unacknowledged" {
		t.Errorf("got %+v", alert)
	}
	// do sends a request, and expects that it is done, or the reason why it is not.
	do := func(key, action, body, refused, state string) {
		t.Helper()
		code, answer := call(t, s, "POST", "/api/v1/alerts/"+alert.ID+"/"+action, body, "Idempotency-Key", key)
		var got struct {
			Done    bool `json:"done"`
			Refused struct {
				Reason string `json:"reason"`
			} `json:"refused"`
			Alert wire.Alert `json:"alert"`
		}
		if err := json.Unmarshal([]byte(answer), &got); err != nil || code != http.StatusOK || got.Done != (refused == "") || got.Refused.Reason != refused ||
			string(got.Alert.AlarmState) != state {
			t.Errorf("%s: got %d %s, want refused %q and %s", action, code, answer, refused, state)
		}
	}
	do("1", "reset", "{}", "not_latched", "unacknowledged")
	do("2", "shelve", `{"seconds":600,"comment":"valve ordered"}`, "", "unacknowledged")
	restart()
	do("3", "acknowledge", `{"comment":"seen"}`, "", "acknowledged")
	do("3", "acknowledge", `{"comment":"seen"}`, "", "acknowledged") // The answer was lost.
	restart()
	do("3", "acknowledge", `{"comment":"seen"}`, "", "acknowledged") // What came of it is known after a kill, too.
	do("4", "acknowledge", `{"comment":"me too"}`, "already_acknowledged", "acknowledged")
	if code, answer := call(t, s, "POST", "/api/v1/alerts/"+alert.ID+"/acknowledge", `{"comment":"other"}`, "Idempotency-Key", "3"); code != http.StatusUnprocessableEntity {
		t.Errorf("another request with the key: got %d %s", code, answer)
	}
	do("5", "reset", "{}", "not_latched", "acknowledged")
	send(70, 70, 70)
	waitFor(t, patience, "the alert is latched", func() bool {
		alerts := open()
		return len(alerts) == 1 && alerts[0].AlarmState == "latched_acknowledged" && alerts[0].Suppressed == "shelved"
	})
	restart()
	do("6", "unshelve", "{}", "", "latched_acknowledged")
	do("7", "unshelve", "{}", "nothing_to_end", "latched_acknowledged")
	do("8", "comment", `{"comment":"valve replaced"}`, "", "latched_acknowledged")
	do("9", "reset", "{}", "", "normal")
	restart()
	do("10", "acknowledge", `{}`, "over", "normal")
	do("11", "comment", `{"comment":"post mortem"}`, "", "normal")
	do("11", "comment", `{"comment":"post mortem"}`, "", "normal")
	waitFor(t, patience, "the last comment is that on the alert that is over", func() bool {
		_, answer := call(t, s, "GET", "/api/v1/alerts/"+alert.ID, "")
		return strings.Contains(answer, `"post mortem"`) && strings.Contains(answer, `"alarm_state":"normal"`)
	})
	if code, answer := call(t, s, "POST", "/api/v1/alerts/none/acknowledge", "{}"); code != http.StatusNotFound {
		t.Errorf("an alert that nobody knows: got %d %s", code, answer)
	}
	if code, answer := call(t, s, "POST", "/api/v1/alerts/"+alert.ID+"/shelve", `{"seconds":1e7,"comment":"x"}`); code != http.StatusUnprocessableEntity {
		t.Errorf("shelved for ever: got %d %s", code, answer)
	}
	want := "raised unacknowledged;updated unacknowledged;acknowledged acknowledged;acknowledged acknowledged;updated latched_acknowledged;" +
		"acknowledged latched_acknowledged;acknowledged latched_acknowledged;cleared normal;noted normal;"
	var story string
	if !eventually(patience, func() bool {
		var events struct {
			Items []struct {
				State      string `json:"state"`
				AlarmState string `json:"alarm_state"`
			} `json:"items"`
		}
		if err := json.Unmarshal([]byte(fetch(t, s.base()+"/api/v1/alerts/"+alert.ID+"/events")), &events); err != nil {
			t.Fatal(err)
		}
		story = ""
		for _, e := range events.Items {
			story += fmt.Sprintf("%s %s;", e.State, e.AlarmState)
		}
		return story == want
	}) {
		t.Errorf("got the story\n%s\nwant\n%s", story, want)
	}
	rulesByFile(t, s)
}

// The story of an alert says what has suppressed it, why, and who has decided so, also one that is raised under maintenance, and after kills.
func TestTheStorySaysWhatHasSuppressed(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a program several times; make test runs it")
	}
	t.Parallel()
	s := newServer(t, t.TempDir(), killConfig, "-no-simulator")
	s.start()
	now := time.Now()
	plan := func(reason string) string {
		return fmt.Sprintf(`{%s"devices":["press"],"periods":[{"from":%q,"until":%q}]}`, reason, now.Add(-time.Minute).UTC().Format(time.RFC3339), now.Add(time.Hour).UTC().Format(time.RFC3339))
	}
	if code, answer := call(t, s, "POST", "/api/v1/maintenance", plan(`"name":"press 4",`)); code != http.StatusUnprocessableEntity || !strings.Contains(answer, "body.reason") {
		t.Errorf("without a reason: got %d %s", code, answer)
	}
	if code, answer := call(t, s, "POST", "/api/v1/maintenance", plan(`"name":"press 4","reason":"换模具",`)); code != http.StatusCreated {
		t.Fatalf("got %d %s", code, answer)
	}
	s.kill()
	s.start()
	send := func(value float64) {
		t.Helper()
		samples := []sample{{device: "press", kind: "temperature_sensor", at: time.Now(), value: value}, {device: "clock", kind: "temperature_sensor", at: time.Now(), value: 20}}
		if code, answer := call(t, s, "POST", "/api/v1/readings", string(encode(samples))); code != http.StatusOK {
			t.Fatalf("got %d %s", code, answer)
		}
	}
	send(45)
	type event struct {
		State            string `json:"state"`
		Suppressed       string `json:"suppressed"`
		SuppressedBy     string `json:"suppressed_by"`
		SuppressedReason string `json:"suppressed_reason"`
		SuppressedActor  string `json:"suppressed_actor"`
	}
	var id string
	waitFor(t, patience, "the alert is archived", func() bool {
		for _, a := range list[wire.Alert](t, s.base(), "/api/v1/alerts", map[string][]string{"device": {"press"}, "rule": {"temperature_high"}}) {
			id = a.ID
		}
		return id != ""
	})
	story := func(want ...event) {
		t.Helper()
		var events struct{ Items []event }
		if !eventually(patience, func() bool {
			if err := json.Unmarshal([]byte(fetch(t, s.base()+"/api/v1/alerts/"+id+"/events")), &events); err != nil {
				t.Fatal(err)
			}
			return slices.Equal(events.Items, want)
		}) {
			t.Errorf("got %+v\nwant %+v", events.Items, want)
		}
	}
	raised := event{"raised", "by_design", "press 4", "换模具", "anonymous"}
	story(raised)
	if code, answer := call(t, s, "PUT", "/api/v1/maintenance/press%204", plan(`"reason":"换模具和电机",`), "If-Match", "*"); code != http.StatusOK {
		t.Fatalf("got %d %s", code, answer)
	}
	send(45)
	changed := event{"updated", "by_design", "press 4", "换模具和电机", "anonymous"}
	story(raised, changed)
	s.kill()
	s.start()
	if code, answer := call(t, s, "POST", "/api/v1/alerts/"+id+"/shelve", `{"seconds":600,"comment":"spare part"}`); code != http.StatusOK {
		t.Fatalf("got %d %s", code, answer)
	}
	story(raised, changed, event{"updated", "shelved", "anonymous", "spare part", ""})
}

// rulesByFile exports the rules by the command, changes the file and imports it.
func rulesByFile(t *testing.T, s *server) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rules.yaml")
	command := func(want string, args ...string) {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), s.args[0], append([]string{"rules"}, append(args, "-url", s.base())...)...).CombinedOutput()
		if (err == nil) != !strings.HasPrefix(want, "iotmon rules: ") || !strings.Contains(string(out), want) {
			t.Errorf("iotmon rules %q: got %v %s, want %s", args, err, out, want)
		}
	}
	command("", "export", file)
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), "threshold: 1\n") {
		t.Fatalf("got %s, %v", text, err)
	}
	change := func(old, new string) {
		t.Helper()
		text = []byte(strings.Replace(string(text), old, new, 1))
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command("nothing has changed", "import", "-dry-run", file)
	change("threshold: 1\n", "threshold: 0\n")
	command("changed boiler hot", "import", "-dry-run", file)
	command("what has changed is in force", "import", file)
	command("; nothing has changed", "import", file)
	change("severity: critical", "severity: grave")
	command("iotmon rules: line ", "import", file)
}

// call sends a request with a JSON body, and headers given as name and value in turns, and returns status and body.
func call(t *testing.T, s *server, method, path, body string, headers ...string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.base()+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if strings.HasSuffix(path, "/readings") {
		request.Header.Set("Content-Type", "application/x-ndjson")
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(answer)
}
