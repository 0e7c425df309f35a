package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/retry"
	"iotmon/internal/view"
)

// Options configure a run. All but Clients, Profile and Progress are required.
type Options struct {
	Load     *Load
	Log      Log
	Duration time.Duration
	// WindowLength is the length of the system's windows.
	WindowLength time.Duration
	// URL is the system's WebSocket, for so many Clients.
	URL     string
	Clients int
	// Profile receives the CPU profile from which the stages are computed; may be nil.
	Profile io.Writer
	// Progress is called once a second with the progress; may be nil.
	Progress func(sent, processed int64, left time.Duration)
}

// Run is one measurement. Its Watch and Processed are called by the system under load.
type Run struct {
	options   Options
	ledger    *Ledger
	processed atomic.Int64
	// measuring is whether events count: not before the load has begun.
	measuring                 atomic.Bool
	toView, toAlert, toClosed *Latency
}

// NewRun returns a Run; Do starts it.
func NewRun() *Run {
	return &Run{ledger: NewLedger(), toView: NewLatency(), toAlert: NewLatency(), toClosed: NewLatency()}
}

// Watch records a batch of the live view.
func (r *Run) Watch(batch view.Batch) {
	r.ledger.Add(batch.Summaries)
	if !r.measuring.Load() {
		return
	}
	now := time.Now()
	for i := range batch.States {
		r.toView.Record(now.Sub(batch.States[i].Latest.Time))
	}
	for i := range batch.Alerts {
		if a := &batch.Alerts[i]; a.Transition == iot.Raised && !a.Historical {
			r.toAlert.Record(now.Sub(a.Time))
		}
	}
	for i := range batch.Summaries {
		if s := &batch.Summaries[i]; s.Final && s.Count > 0 {
			r.toClosed.Record(now.Sub(s.Window.End()))
		}
	}
}

// Processed adds to the number of processed readings.
func (r *Run) Processed(readings int64) { r.processed.Add(readings) }

const (
	// warmUp is how long the system runs before the load begins.
	warmUp = 2 * time.Second
	// timeout is how long it may take to process the rest after the load has ended, and then to publish its summaries.
	timeout = time.Minute
)

// Do runs the load and returns what it has measured.
func (r *Run) Do(ctx context.Context, options Options) (*Report, error) {
	r.options = options
	truth := NewTruth(options.WindowLength)
	options.Load.Truth, options.Load.Processed = truth, &r.processed
	_ = retry.Wait(ctx, warmUp)
	var viewers *Viewers
	if options.Clients > 0 {
		var err error
		if viewers, err = StartViewers(ctx, options.URL, options.Clients); err != nil {
			return nil, err
		}
	}
	report, err := r.measure(ctx)
	if viewers != nil {
		seen, stopErr := viewers.Stop()
		if err = errors.Join(err, stopErr); err == nil {
			report.Viewers = seen
		}
	}
	if err != nil {
		return nil, err
	}
	report.Wrong = r.verify(ctx, truth)
	report.Windows = r.ledger.Windows()
	report.ToView, report.ToAlert, report.ToClosed = r.toView.Quantiles(), r.toAlert.Quantiles(), r.toClosed.Quantiles()
	_, report.PeakRSS = usage()
	return report, nil
}

// measure runs the load and waits until all of it has been processed.
func (r *Run) measure(ctx context.Context) (*Report, error) {
	var stages bytes.Buffer
	if err := pprof.StartCPUProfile(&stages); err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	defer pprof.StopCPUProfile()
	r.measuring.Store(true)
	defer r.measuring.Store(false)
	begun := time.Now()
	before, _ := usage()
	stop := r.report(ctx, begun)
	defer stop()

	loading, cancel := context.WithTimeout(ctx, r.options.Duration)
	defer cancel()
	if err := r.options.Load.Run(loading, r.options.Log); err != nil {
		return nil, err
	}
	if err := r.options.Log.Flush(ctx); err != nil {
		return nil, fmt.Errorf("send the last readings: %w", err)
	}
	sent := r.options.Load.Sent()
	for deadline := time.Now().Add(timeout); r.processed.Load() < sent && ctx.Err() == nil && time.Now().Before(deadline); {
		_ = retry.Wait(ctx, time.Millisecond)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	took := time.Since(begun)
	after, _ := usage()
	pprof.StopCPUProfile()
	report := &Report{Readings: sent, Seconds: took.Seconds(), ReadingsPerSecond: float64(sent) / took.Seconds()}
	report.Cores = (after - before).Seconds() / took.Seconds()
	report.CPU = (after - before).Seconds() * 1e6 / float64(sent)
	if r.options.Profile != nil {
		if _, err := r.options.Profile.Write(stages.Bytes()); err != nil {
			return nil, fmt.Errorf("write the profile: %w", err)
		}
	}
	seconds, err := Stages(&stages)
	if err != nil {
		return nil, err
	}
	report.Stages = make(map[string]float64, len(seconds))
	for stage, s := range seconds {
		report.Stages[stage] = s * 1e6 / float64(sent)
	}
	return report, nil
}

// report calls Progress until stop has returned.
func (r *Run) report(ctx context.Context, begun time.Time) (stop func()) {
	if r.options.Progress == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var reporting sync.WaitGroup
	reporting.Go(func() {
		for ctx.Err() == nil {
			_ = retry.Wait(ctx, time.Second)
			left := max(r.options.Duration-time.Since(begun), 0)
			r.options.Progress(r.options.Load.Sent(), r.processed.Load(), left)
		}
	})
	return func() {
		cancel()
		reporting.Wait()
	}
}

// verify waits until the summaries match what was sent, and returns the differences that remain.
func (r *Run) verify(ctx context.Context, truth *Truth) []string {
	for deadline := time.Now().Add(timeout / 4); ; _ = retry.Wait(ctx, 200*time.Millisecond) {
		wrong := r.ledger.Verify(truth)
		if len(wrong) == 0 || ctx.Err() != nil || time.Now().After(deadline) {
			return append([]string{}, wrong...)
		}
	}
}
