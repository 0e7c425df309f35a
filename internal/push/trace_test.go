package push

import (
	"context"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"iotmon/internal/iot"
	"iotmon/internal/view"
	"iotmon/internal/wire"
)

// spans records the spans that have ended.
func spans(t *testing.T) (*tracetest.SpanRecorder, func(device string) view.Traced) {
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	return recorder, func(device string) view.Traced {
		_, span := provider.Tracer("test").Start(context.Background(), device)
		return view.Traced{Device: iot.Identity{ID: iot.DeviceID(device)}, Span: span}
	}
}

// outcomes returns what became of each traced device, in the order in which their traces ended.
func outcomes(recorder *tracetest.SpanRecorder) []string {
	var found []string
	for _, span := range recorder.Ended() {
		for _, a := range span.Attributes() {
			if a.Key == attribute.Key("iotmon.outcome") {
				found = append(found, span.Name()+" "+a.Value.AsString())
			}
		}
	}
	return found
}

func TestTraceEndsAtTheFirstSocket(t *testing.T) {
	recorder, trace := spans(t)
	var mu sync.Mutex
	delivered := make(map[string]bool)
	p := build(t, func(o *HubOptions) {
		o.Metrics.Delivered = func(_ time.Duration, traceID string) {
			mu.Lock()
			defer mu.Unlock()
			delivered[traceID] = true
		}
	})
	first, second := p.enter(isSnapshot(wire.TypeDeviceStatus)), p.enter(isSnapshot(wire.TypeDeviceStatus))
	traced := trace("device_001")
	id := traced.Span.SpanContext().TraceID().String()
	p.Apply(view.Batch{
		States: []iot.DeviceState{p.Says("device_001", iot.Temperature, "A", 1), p.Says("device_002", iot.Temperature, "A", 1)},
		Traced: []view.Traced{traced},
	})
	first.readUntil(hasDevice("device_001", 1))
	second.readUntil(hasDevice("device_001", 1))
	p.Apply(view.Batch{States: []iot.DeviceState{p.Says("device_001", iot.Temperature, "A", 2)}})
	first.readUntil(hasDevice("device_001", 2)) // By now the one before has been counted as written.
	second.readUntil(hasDevice("device_001", 2))
	ended := recorder.Ended()
	if len(ended) != 2 || ended[0].Name() != "send websocket" || ended[0].Parent().SpanID() != ended[1].SpanContext().SpanID() {
		t.Fatalf("got %v, want the writing to one socket within the device's span", ended)
	}
	if got := outcomes(recorder); !slices.Equal(got, []string{"device_001 viewed"}) {
		t.Errorf("got %v", got)
	}
	mu.Lock()
	defer mu.Unlock()
	if !delivered[id] || !delivered[""] || len(delivered) != 2 {
		t.Errorf("latencies were reported with the traces %v, want %s and none", delivered, id)
	}
}

func TestTraceOfADeviceWithoutViewersEnds(t *testing.T) {
	recorder, trace := spans(t)
	p := build(t, nil)
	p.Apply(view.Batch{States: []iot.DeviceState{p.Says("device_001", iot.Temperature, "A", 1)}, Traced: []view.Traced{trace("device_001")}})
	p.Apply(view.Batch{States: []iot.DeviceState{p.Says("device_001", iot.Temperature, "A", 2)}, Traced: []view.Traced{trace("device_001")}})
	for deadline := time.Now().Add(10 * time.Second); len(outcomes(recorder)) < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a trace that no client can see does not end")
		}
	}
	if got := outcomes(recorder)[1]; got != "device_001 no viewer" {
		t.Errorf("got %v without clients", got)
	}
	elsewhere := p.open(url.Values{"filter": {`{"type":"filter","device_types":["humidity_sensor"]}`}})
	elsewhere.readUntil(isSnapshot(wire.TypeDeviceStatus))
	p.Apply(view.Batch{States: []iot.DeviceState{p.Says("device_002", iot.Temperature, "A", 1)}, Traced: []view.Traced{trace("device_002")}})
	p.stop()
	if got := outcomes(recorder); len(got) != 3 || got[2] != "device_002 no viewer" {
		t.Errorf("got %v, want the span of a device without viewers ended with the hub", got)
	}
}

func TestTracesAreBounded(t *testing.T) {
	recorder, trace := spans(t)
	all, now := make(traces), time.Now()
	for device := range int32(maxTraced + 1) {
		all.add(device, trace("device").Span, now)
	}
	if got := outcomes(recorder); len(all) != maxTraced || !slices.Equal(got, []string{"device not followed"}) {
		t.Errorf("%d are traced, and these have ended: %v", len(all), got)
	}
	all.expire(now.Add(traceTimeout+time.Second), true)
	if len(all) != 0 || len(recorder.Ended()) != maxTraced+1 {
		t.Errorf("%d are traced for ever, %d have ended", len(all), len(recorder.Ended()))
	}
}
