package replay

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/iot"
	httpsource "iotmon/internal/source/http"
)

// flakyLog acknowledges nothing at first.
type flakyLog struct {
	failures int
	got      []iot.Reading
}

func (l *flakyLog) Append(_ context.Context, readings []iot.Reading) error {
	if l.failures > 0 {
		l.failures--
		return errors.New("no leader")
	}
	l.got = append(l.got, readings...)
	return nil
}

func TestAReplayArrivesThroughTheHandler(t *testing.T) {
	path := write(t, twoSensors(600)+"2020-02-08 23:00:00,-500,1,\n")
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		log := &flakyLog{failures: 3}
		// The bubble's clock begins in 2000, long before the recording.
		now := func() time.Time { return time.Now().AddDate(21, 0, 0) }
		handler := httpsource.NewHandler(httpsource.Options{
			Log: log, Admission: &iot.Admission{Catalog: catalog, Skew: time.Second}, Now: now, Logger: slog.New(slog.DiscardHandler),
		})
		client := newClient(t, ClientOptions{Transport: direct{handler}, Patience: time.Minute})
		summary, err := Run(t.Context(), Options{File: path, Mapping: twoColumns}, client)
		if err != nil {
			t.Fatal(err)
		}
		if summary.Accepted != 1201 || len(log.got) != 1201 || summary.Sent != 1202 {
			t.Errorf("got %d sent, %d accepted and %d in the log, want 1202, 1201 and 1201", summary.Sent, summary.Accepted, len(log.got))
		}
		if r := summary.Refused; len(r) != 1 || r[0].Field != "value" || r[0].Lines[0] != 602 {
			t.Errorf("got refusals %+v, want one of value in line 602", r)
		}
		// 5 °F, the sixth reading of t.
		if r := log.got[10]; r.ID != "t" || r.Value != 5*5.0/9-160.0/9 || r.Unit != "°C" || !r.Historical || !r.Time.Equal(start.Add(50*time.Second)) {
			t.Errorf("got %+v, want 5 °F of the recording's sixth row", r)
		}
	})
}
