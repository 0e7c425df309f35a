// Package alertmanager sends messages to Prometheus Alertmanager, by version 2 of its API.
package alertmanager

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"iotmon/internal/notify"
	"iotmon/internal/notify/post"
)

// lasts is how long an alert stands at the Alertmanager without another message about it. It ends when it is over; this is for an iotmon that is gone.
const lasts = 30 * 24 * time.Hour

// Options configure a Sender. Username or Token may be set, Password is that of the user.
type Options struct {
	// URL is the address of the Alertmanager, such as http://alertmanager:9093.
	URL             string
	Username        string
	Password, Token post.Secret
	Writer          notify.Writer
	Client          *post.Client
}

// Sender is a deliver.Sender. Each group of alerts is one alert of the Alertmanager, which knows it again by its labels.
type Sender struct{ Options }

// alert is what the API takes.
type alert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// Send implements deliver.Sender.
func (s *Sender) Send(ctx context.Context, _ string, m *notify.Message) (string, error) {
	alerts := s.alerts(m)
	body, err := json.Marshal(alerts)
	if err != nil {
		return "", notify.Refused(fmt.Errorf("encode the message: %w", err))
	}
	header := make(http.Header)
	switch {
	case s.Username != "":
		password, err := s.Password()
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(s.Username+":"+password)))
	case s.Token != nil:
		token, err := s.Token()
		if err != nil {
			return "", fmt.Errorf("read the token: %w", err)
		}
		header.Set("Authorization", "Bearer "+token)
	}
	if _, err := s.Client.JSON(ctx, strings.TrimRight(s.URL, "/")+"/api/v2/alerts", header, body); err != nil {
		return "", err
	}
	return "taken: " + strconv.Itoa(len(alerts)), nil
}

func (s *Sender) alerts(m *notify.Message) []alert {
	if m.Kind == notify.Test {
		return []alert{{
			Labels:      map[string]string{"alertname": "iotmon_test", "severity": "info"},
			Annotations: map[string]string{"summary": s.Writer.Subject(m), "description": s.Writer.Text(m)},
			StartsAt:    m.Time, EndsAt: m.Time.Add(5 * time.Minute),
		}}
	}
	alerts := make([]alert, 0, len(m.Groups))
	for i := range m.Groups {
		v := &m.Groups[i]
		one := notify.Message{ID: m.ID, Kind: m.Kind, Time: m.Time, Step: m.Step, Groups: m.Groups[i : i+1]}
		if m.Kind == notify.Digest {
			one.Kind = notify.Changed
		}
		a := alert{
			Labels: labels(v), Annotations: map[string]string{"summary": s.Writer.Subject(&one), "description": s.Writer.Text(&one)},
			StartsAt: v.Since, EndsAt: m.Time.Add(lasts), GeneratorURL: s.Writer.Page,
		}
		if v.Open == 0 {
			a.EndsAt = m.Time
		}
		alerts = append(alerts, a)
	}
	return alerts
}

// labels returns what identifies a group. They do not change while it is open.
func labels(v *notify.View) map[string]string {
	all := map[string]string{
		"alertname": v.Rule, "severity": string(v.Severity), "area": string(v.Area), "device_type": string(v.DeviceType), "device_id": string(v.Device),
		"tenant": string(v.Tenant), "iotmon_route": v.Route,
	}
	if v.Rule == "" {
		all["alertname"] = "iotmon"
	}
	for name, value := range all {
		if value == "" {
			delete(all, name)
		}
	}
	return all
}
