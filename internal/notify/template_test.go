package notify_test

import (
	"strings"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/notify"
)

// templated is a message about one group.
func templated(devices ...iot.DeviceID) *notify.Message {
	m := &notify.Message{ID: "msg_1", Kind: notify.Raised, Time: start, Groups: []notify.View{{
		Route: "all", Key: notify.Key{Severity: iot.Critical, Rule: "high", Area: "hall 1"}, Open: len(devices), New: len(devices),
	}}}
	for _, device := range devices {
		m.Groups[0].Alerts = append(m.Groups[0].Alerts, notify.Alert{
			ID: string(device), Rule: "high", Device: device, Severity: iot.Critical, Text: "过热", TextEN: "hot", Procedure: "https://plant.example/hot", Onset: start,
		})
	}
	return m
}

func TestTemplatesReplaceTheUsualWords(t *testing.T) {
	writer := notify.Writer{Language: notify.English, Zone: time.UTC, Page: "https://iotmon.example", Template: notify.Template{
		Title: "{severity}: {alert_type} in {area} ({open})", Body: "{kind} by {route}, {counts}\n{alerts}\n{procedure} {page} {not one} {}\n",
	}}
	m := templated("press", "{id} {severity}\n")
	if got, want := writer.Subject(m), "critical: high in hall 1 (2)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	want := "new alert by all, 2 open, 2 new\n- device press, hot, since 2026-03-02 10:00:00 UTC\n- device {id} {severity} , hot, since 2026-03-02 10:00:00 UTC\n" +
		"Procedure: https://plant.example/hot\nhttps://plant.example/hot https://iotmon.example {not one} {}\nmsg_1"
	if got := writer.Text(m); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	writer.Template = notify.Template{Body: "{about}|{area}|{alert_type}|{alerts}|{id}"}
	test := notify.NewTest("msg_2", start)
	if got := writer.Text(&test); !strings.HasPrefix(got, "test|||This is a test notification") || strings.Count(got, test.ID) != 1 {
		t.Errorf("test: got %q", got)
	}
	if got := writer.Subject(m); !strings.HasPrefix(got, "[critical] new alert: high · hall 1") { // A title that is not given is the usual one.
		t.Errorf("got %q", got)
	}
	digest := *m
	digest.Kind, digest.Groups = notify.Digest, append(digest.Groups, m.Groups[0])
	writer.Template.Title = "{about}, {area}, {open}"
	if got := writer.Subject(&digest); got != "digest, , 4" {
		t.Errorf("digest: got %q", got)
	}
	for _, test := range []struct {
		template notify.Template
		part     string
		reason   string
	}{
		{notify.Template{Title: "{devices}"}, "title", "without {devices}"}, {notify.Template{Body: "{Device} {alerts}"}, "", ""},
		{notify.Template{Body: "{alert}"}, "body", "{alerts}"}, {notify.Template{Title: "a\nb"}, "title", "one line"},
		{notify.Template{Title: "{alerts}"}, "title", "many lines"}, {notify.Template{Title: strings.Repeat("a", 257)}, "title", "256 bytes"},
		{notify.Template{Body: strings.Repeat("a", 4097)}, "body", "4096 bytes"}, {notify.Template{}, "", ""},
	} {
		if part, reason := test.template.Check(); part != test.part || !strings.Contains(reason, test.reason) {
			t.Errorf("%.40q: got %q, %q, want %q and %q", test.template, part, reason, test.part, test.reason)
		}
	}
}

// Whatever template is allowed, and whatever a device is called, the text is bounded, has the id and breaks no line of the title.
func FuzzTemplate(f *testing.F) {
	f.Add("{severity} {about}", "{alerts}", "press", 0)
	f.Add("", strings.Repeat("{alerts}", 500), "\n{alerts}", 2000)
	f.Add("{id}", "{id}\n{id}", "a", 100)
	f.Fuzz(func(t *testing.T, title, body, device string, most int) {
		template := notify.Template{Title: title, Body: body}
		if _, reason := template.Check(); reason != "" {
			return
		}
		writer := notify.Writer{Language: notify.Chinese, Zone: time.UTC, Template: template, Most: max(most, 0)}
		m := templated(iot.DeviceID(device), iot.DeviceID(device))
		subject, text := writer.Subject(m), writer.Text(m)
		if strings.ContainsAny(subject, "\r\n") || len(subject) > 512 {
			t.Errorf("got the title %q", subject)
		}
		if len(text) > 64<<10 || most >= 100 && len(text) > most || !strings.Contains(text, m.ID) {
			t.Errorf("got %d bytes without %s or too many: %.100q", len(text), m.ID, text)
		}
	})
}
