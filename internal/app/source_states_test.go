package app

import (
	"context"
	"encoding/json"
	"log/slog"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
)

// discarded is a log that forgets what is appended.
type discarded struct{}

func (discarded) Append(context.Context, []iot.Reading) error     { return nil }
func (discarded) Report(context.Context, []source.Report) error   { return nil }
func (discarded) Reject(context.Context, []source.Rejected) error { return nil }

// plc is an adapter that has sent its messages when it is connected.
type plc []source.Message

func (p plc) Run(ctx context.Context, s *source.Session) error {
	s.Connected("opc.tcp://plc:4840")
	for i := range p {
		if err := s.Send(ctx, &p[i]); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

// Whatever a device sends, the page gets JSON: there are numbers that JSON does not have, and bytes that are no text.
func TestWhatASourceHasReceivedIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
		if err != nil {
			t.Fatal(err)
		}
		status := source.NewStatus("plc", "opcua", time.Now)
		own := &ownSources{
			instance: "edge/1", statuses: []*source.Status{status}, now: time.Now,
			maps: &sourceMaps{byName: map[string]*sourceMap{"plc": {rules: []mapping.Rule{{Field: "T", Device: "d", Type: iot.Temperature}}}}},
		}
		if states := own.owned(); len(states) != 0 {
			t.Errorf("while another process runs it: got %v to publish, want none", states)
		}
		rules, err := mapping.New(nil, catalog)
		if err != nil {
			t.Fatal(err)
		}
		runner := &source.Runner{
			Name: "plc", Owner: source.Alone{}, Logger: slog.New(slog.DiscardHandler),
			Adapter: plc{
				{Topic: "a", Points: []mapping.Point{{Field: "T", Value: math.NaN()}, {Field: "P", Value: 3, Unit: "bar", Tags: map[string]string{"\xff": "\xff"}}}},
				{Topic: "\xff", Payload: []byte("\xff\x00")},
			},
			Pipeline: source.PipelineOptions{
				Name: "plc", Log: discarded{}, Status: status, Mapping: rules, Admission: &iot.Admission{Catalog: catalog}, Logger: slog.New(slog.DiscardHandler),
				Decode: func(_ *source.Message, points []mapping.Point) ([]mapping.Point, error) {
					return points, iot.Invalid("", "not a text")
				},
			},
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- runner.Run(ctx) }()
		synctest.Wait()
		states := own.owned()
		detail, known := own.Detail("plc")
		if _, err := json.Marshal(map[string]any{"states": states, "detail": detail}); err != nil || !known {
			t.Fatalf("got %v, known %v", err, known)
		}
		if len(states) != 1 || states[0].State != "connected" || states[0].Instance != "edge/1" || states[0].Messages != 2 || states[0].Rejected != 2 || states[0].LastValue != nil {
			t.Errorf("got %+v", states)
		}
		values := detail.Seen[0].Values
		if len(values) != 2 || values[0].Text != "NaN" || values[0].Number != nil || *values[1].Number != 3 || values[1].Unit != "bar" || detail.Seen[0].Sample != nil {
			t.Errorf("got %+v", detail.Seen[0])
		}
		if s := detail.Seen[1]; s.Sample == nil || s.Sample.Payload != "/wA=" || s.Problem != "not a text" {
			t.Errorf("got %+v", s)
		}
		// The newest first.
		if len(detail.Rejects) != 2 || detail.Rejects[0].Reason != "not a text" || len(detail.Rules) != 1 {
			t.Errorf("got %+v", detail)
		}
		if _, known := own.Detail("other"); known {
			t.Error("got a source that does not exist")
		}
		if measured := own.metrics(); len(measured) != 1 || measured[0].State != "connected" || measured[0].Silent < 0 {
			t.Errorf("got %+v", measured)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
