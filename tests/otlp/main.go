// Command otlp is the receiver of traces of the OpenTelemetry Collector, which prints what it is sent, a span a line. It is
// a module of its own: the program has no use for what it needs.
//
//	go run . 127.0.0.1:4318
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: otlp HOST:PORT")
		os.Exit(2)
	}
	if err := receive(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// receive accepts spans by OTLP over HTTP until the process is asked to end.
func receive(address string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	factory := otlpreceiver.NewFactory()
	config := factory.CreateDefaultConfig()
	settings := map[string]any{"protocols": map[string]any{"http": map[string]any{"endpoint": address}}}
	if err := confmap.NewFromStringMap(settings).Unmarshal(config); err != nil {
		return err
	}
	printed := &printer{out: json.NewEncoder(os.Stdout)}
	next, err := consumer.NewTraces(printed.print)
	if err != nil {
		return err
	}
	receiver, err := factory.CreateTraces(ctx, receivertest.NewNopSettings(factory.Type()), config, next)
	if err != nil {
		return err
	}
	if err := receiver.Start(ctx, componenttest.NewNopHost()); err != nil {
		return err
	}
	// The process that started this one may have ended, which closes standard input.
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	<-ctx.Done()
	return receiver.Shutdown(context.Background())
}

// span is a line of the output.
type span struct {
	Service    string         `json:"service"`
	Name       string         `json:"name"`
	Kind       string         `json:"kind"`
	Trace      string         `json:"trace_id"`
	ID         string         `json:"span_id"`
	Parent     string         `json:"parent_span_id"`
	Start      int64          `json:"start_unix_nano"`
	End        int64          `json:"end_unix_nano"`
	Status     string         `json:"status"`
	Attributes map[string]any `json:"attributes"`
}

// printer prints spans; requests come side by side.
type printer struct {
	mu  sync.Mutex
	out *json.Encoder // guarded by mu
}

func (p *printer) print(_ context.Context, traces ptrace.Traces) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, from := range traces.ResourceSpans().All() {
		service, _ := from.Resource().Attributes().Get("service.name")
		for _, scope := range from.ScopeSpans().All() {
			for _, s := range scope.Spans().All() {
				if err := p.out.Encode(span{
					Service: service.AsString(), Name: s.Name(), Kind: s.Kind().String(),
					Trace: s.TraceID().String(), ID: s.SpanID().String(), Parent: s.ParentSpanID().String(),
					Start: int64(s.StartTimestamp()), End: int64(s.EndTimestamp()), Status: s.Status().Code().String(),
					Attributes: s.Attributes().AsRaw(),
				}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
