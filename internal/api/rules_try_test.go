package api_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/iot"
	"iotmon/internal/trial"
)

// recording has one temperature, which is 30 for a while each hour, and fails with err if that is set.
type recording struct {
	err  error
	held chan struct{}
}

func (recording) DevicesOf(context.Context, iot.Tenant, iot.DeviceType, int) ([]iot.Device, error) {
	return []iot.Device{{ID: "d1", Type: iot.Temperature, Unit: "°C"}}, nil
}

func (r recording) EachReading(ctx context.Context, _ []iot.Device, from, to time.Time, visit func(int, trial.Reading) bool) error {
	if r.held != nil {
		r.held <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	for at := from; at.Before(to); at = at.Add(10 * time.Minute) {
		value := 20.0
		if at.Minute() == 30 {
			value = 30
		}
		if !visit(0, trial.Reading{Time: at, Value: value, Quality: iot.Good}) {
			break
		}
	}
	return r.err
}

func trying(t *testing.T, of trial.Archive) http.Handler {
	t.Helper()
	_, r := ruled(t)
	return newAPI(t, plant{}, &archive{}, func(o *api.Options) { r.use(o); o.Trials = of })
}

const tryPath = "/api/v1/rules/try"

func TestTryingARule(t *testing.T) {
	h := trying(t, recording{})
	for i, step := range []struct {
		body   string
		status int
		want   string
	}{
		{
			`{"name":"temperature_high","rule":` + strings.Replace(hotRule, "80", "25", 1) + `,"from":"-2h","alerts":1}`, 200,
			`{"from":"2026-03-01T10:00:00Z","to":"2026-03-01T12:00:00Z","devices":1,"devices_selected":1,"readings":12,` +
				`"tried":{"alerts":0,"devices":0,"open":0,"alone":0,"per_day":0,"mean_seconds":0,"longest_seconds":0,"chattering":0,"fleeting":0,"days":[{"day":"2026-03-01","alerts":0}],"most":[]},` +
				`"in_force":{"alerts":2,"devices":1,"open":0,"alone":2,"per_day":24,"mean_seconds":600,"longest_seconds":600,"chattering":0,"fleeting":0,"days":[{"day":"2026-03-01","alerts":2}],"most":[{"device_id":"d1","alerts":2}]},` +
				`"items":[{"device_id":"d1","alert_type":"temperature_high","by":"in_force","onset":"2026-03-01T11:30:00Z","raised_at":"2026-03-01T11:30:00Z","cleared_at":"2026-03-01T11:40:00Z","current_value":30,"threshold":28,"unit":"°C"}],"left_out":1}`,
		},
		{`{"name":"temperature_high","from":"-2h"}`, 200, `"readings":12,"tried":{"alerts":2,`},
		{`{"rule":` + strings.Replace(strings.Replace(hotRule, "80", "25", 1), "30", "0", 1) + `,"from":"-2h"}`, 200, `"by":"tried"`},
		{`{"name":"temperature_high"}`, 200, `"readings":144,`},
		{`{"rule":` + deviationRule + `,"from":"-2h"}`, 200, `"medians":{"every_seconds":10,"groups":1,"without":1},"items":[]`},
		{`{"rule":{"condition":{"kind":"no_data","within_seconds":120},"severity":"info"},"from":"-2h"}`, 200, `"tried":{"alerts":12,"devices":1,"open":1,`},
		{`{"name":"none"}`, 404, "no rule"},
		{`{"name":"temperature_high","from":"-40d"}`, 422, "31 days"},
		{`{"name":"temperature_high","from":"now","to":"-1h"}`, 422, "before to"},
		{`{"name":"temperature_high","from":"yesterday"}`, 422, "RFC 3339"},
		{`{"name":"temperature_high","alerts":1001}`, 422, "body.alerts"},
		{`{"name":"x","rule":` + strings.Replace(oftenRule, `"last":5`, `"last":65`, 1) + `}`, 422, `"location":"body.rule.condition.last"`},
		{`{"name":"x","rule":` + strings.Replace(hotRule, "temperature_sensor", "no", 1) + `}`, 422, `unknown device type`},
		{`{"name":"device_offline","rule":{"condition":{"kind":"offline"},"severity":"info"}}`, 422, `device_offline cannot be tried`},
		{`{"name":"temperature_high","rules":[]}`, 422, "unknown key"},
	} {
		w := send(h, "POST", tryPath, step.body, "Content-Type", asJSON)
		if got := w.Body.String(); w.Code != step.status || !strings.Contains(got, step.want) {
			t.Errorf("%d: %s:\ngot  %d %s\nwant %d %s", i, step.body, w.Code, got, step.status, step.want)
		}
	}
	failing := trying(t, recording{err: errors.New("the archive is down")})
	checkProblem(t, send(failing, "POST", tryPath, `{"name":"temperature_high"}`, "Content-Type", asJSON), 503, "archive does not answer")
}

// A second trial is refused while one runs, and one ends when its client has gone.
func TestOneRuleIsTriedAtATime(t *testing.T) {
	held := make(chan struct{})
	h := trying(t, recording{held: held})
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan int)
	go func() {
		done <- sendWith(ctx, h, "POST", tryPath, `{"name":"temperature_high"}`, "Content-Type", asJSON).Code
	}()
	<-held
	w := send(h, "POST", tryPath, `{"name":"temperature_high"}`, "Content-Type", asJSON)
	checkProblem(t, w, http.StatusTooManyRequests, "another rule")
	leave()
	<-done
	ctx, leave = context.WithCancel(t.Context())
	go func() {
		done <- sendWith(ctx, h, "POST", tryPath, `{"name":"temperature_high"}`, "Content-Type", asJSON).Code
	}()
	<-held // The next one runs.
	leave()
	<-done
}
