package alertmanager_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/notify"
	"iotmon/internal/notify/alertmanager"
	"iotmon/internal/notify/post"
	"iotmon/tests/testenv"
)

func TestGroupsAtARealAlertmanager(t *testing.T) {
	if testing.Short() {
		t.Skip("starts an Alertmanager; make test runs it")
	}
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "alertmanager.yml")
	if err := os.WriteFile(file, []byte("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	base := "http://" + testenv.NewAlertmanager(t, dir, file).Address()
	sender := alertmanager.Sender{Options: alertmanager.Options{URL: base + "/", Client: post.New(post.Options{}), Writer: notify.Writer{Language: notify.English}}}
	type shown struct {
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
		EndsAt      time.Time         `json:"endsAt"`
	}
	active := func() (alerts []shown) {
		t.Helper()
		response, err := http.Get(base + "/api/v2/alerts?active=true")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if err := json.NewDecoder(response.Body).Decode(&alerts); err != nil {
			t.Fatal(err)
		}
		return alerts
	}
	now := time.Now()
	view := notify.View{
		Group: "g", Route: "all", Key: notify.Key{Severity: iot.Critical, Rule: "high", Area: "A栋"}, Since: now.Add(-time.Minute), Open: 1, New: 1,
		Alerts: []notify.Alert{{ID: "a", Rule: "high", Device: "boiler", Severity: iot.Critical, Onset: now, Value: 30, Threshold: 28, Unit: "°C"}},
	}
	send := func(kind notify.Kind, open int) {
		t.Helper()
		view.Open = open
		if _, err := sender.Send(t.Context(), "", &notify.Message{ID: "msg", Kind: kind, Time: time.Now(), Groups: []notify.View{view}}); err != nil {
			t.Fatal(err)
		}
	}
	send(notify.Raised, 1)
	send(notify.Repeated, 1)
	alerts := active()
	if len(alerts) != 1 || alerts[0].Labels["alertname"] != "high" || alerts[0].Labels["severity"] != "critical" || alerts[0].Labels["area"] != "A栋" ||
		alerts[0].Labels["iotmon_route"] != "all" || alerts[0].Annotations["summary"] == "" || alerts[0].EndsAt.Before(now.Add(24*time.Hour)) {
		t.Fatalf("got %+v, want one alert that lasts", alerts)
	}
	send(notify.Over, 0)
	if alerts := active(); len(alerts) != 0 {
		t.Errorf("when it is over: got %+v, want none", alerts)
	}
	if _, err := sender.Send(t.Context(), "", &notify.Message{ID: "msg", Kind: notify.Test, Time: time.Now(), Groups: []notify.View{}}); err != nil || len(active()) != 1 {
		t.Errorf("a test: got %v and %d alerts, want one", err, len(active()))
	}
}
