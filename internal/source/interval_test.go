package source_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
)

// ordered is a log that keeps the order of everything. failAt is the number of the call that fails although what it appends is in the log.
type ordered struct {
	records
	calls, failAt int
	order         []string
}

func (o *ordered) call(items []string) error {
	o.order = append(o.order, items...)
	if o.calls++; o.calls == o.failAt {
		return errors.New("no answer")
	}
	return nil
}

func (o *ordered) Append(_ context.Context, readings []iot.Reading) error {
	var items []string
	for i := range readings {
		items = append(items, fmt.Sprintf("%s %v", readings[i].ID, readings[i].Value))
	}
	return o.call(items)
}

func (o *ordered) Report(_ context.Context, reports []source.Report) error {
	var items []string
	for i := range reports {
		items = append(items, fmt.Sprintf("%s %s%v", reports[i].Device.ID, reports[i].Status, reports[i].Interval))
	}
	return o.call(items)
}

// A backlog of a night has the last will of a device and then its readings: with the will appended behind them, the device would be offline until
// its next reading, which may take an hour.
func TestReportsAndReadingsOfADeviceAreAppendedInTheirOrder(t *testing.T) {
	for failAt := range 6 {
		synctest.Test(t, func(t *testing.T) {
			log := &ordered{failAt: failAt}
			o := options(t, log)
			rules, err := mapping.New([]mapping.Rule{
				{Topic: "+/t", Device: "{{topic 1}}", Type: iot.Temperature}, {Topic: "+/lwt", Device: "{{topic 1}}", Status: &mapping.Status{}},
			}, o.Admission.Catalog)
			if err != nil {
				t.Fatal(err)
			}
			o.Mapping = rules
			p := source.NewPipeline(o)
			now := time.Now()
			for i, topic := range []string{"a/t", "b/t", "a/lwt", "b/t", "a/t", "b/t", "a/lwt"} {
				m := &source.Message{Topic: topic, Points: []mapping.Point{{Field: "value", Value: float64(i), Time: now}}}
				if topic == "a/lwt" {
					m.Points[0].ValueText = "offline"
				}
				if err := p.Send(t.Context(), m); err != nil {
					t.Fatal(err)
				}
			}
			p.Drain(t.Context())
			want := []string{"a 0", "b 1", "b 3", "a offline0s", "a 4", "b 5", "a offline0s"}
			got := log.order
			if failAt > 0 && failAt <= 4 {
				// What was left in doubt is there twice in a row, and nothing of before it.
				parts := [][]string{want[:3], want[3:4], want[4:6], want[6:]}
				want = slices.Concat(slices.Concat(parts[:failAt]...), slices.Concat(parts[failAt-1:]...))
			}
			if !slices.Equal(got, want) {
				t.Errorf("call %d fails: got %q, want %q", failAt, got, want)
			}
		})
	}
}

// The interval of a device is said once, behind its first reading, and again when it is another one or after a day.
func TestTheIntervalOfADeviceIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &ordered{}
		o := options(t, log)
		o.Admission.Skew = 100 * time.Hour
		rules := func(interval string) *mapping.Rules {
			m, err := mapping.New([]mapping.Rule{{Field: "t", Device: "x", Type: iot.Temperature, Interval: interval}}, o.Admission.Catalog)
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		o.Mapping, o.Follow = rules("5m"), new(source.Mapping)
		p := running(t, o)
		send := func(interval time.Duration) []string {
			t.Helper()
			log.order = nil
			if err := p.Send(t.Context(), &source.Message{Points: []mapping.Point{{Field: "t", Value: 1, Interval: interval}}}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			return log.order[1:]
		}
		by := func(interval string) { o.Follow.Set(&source.Mapped{Rules: rules(interval), Admission: o.Admission}) }
		for i, step := range []struct {
			do   func()
			own  time.Duration
			want []string
		}{
			{want: []string{"x 5m0s"}},
			{},
			{own: time.Hour}, // What people say counts more.
			{do: func() { by("1h") }, want: []string{"x 1h0m0s"}},
			{do: func() { by("") }, own: time.Minute}, // Two values of a device may differ.
			{do: func() { time.Sleep(11 * time.Minute) }, own: time.Minute, want: []string{"x 1m0s"}},
			{do: func() { time.Sleep(25 * time.Hour) }, own: time.Minute, want: []string{"x 1m0s"}},
			{do: func() { time.Sleep(11 * time.Minute) }, want: []string{"x 1s"}}, // It is not known any more.
			{},
		} {
			if step.do != nil {
				step.do()
			}
			if got := send(step.own); !slices.Equal(got, step.want) {
				t.Errorf("step %d: got %q, want %q", i, got, step.want)
			}
		}
	})
}

// What a source says by itself is not shown as something that has arrived.
func TestWhatASourceSaysByItselfIsNotShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &records{}
		o := options(t, log)
		p := running(t, o)
		report := &iot.StatusReport{Status: iot.ReportedOnline, Time: time.Now()}
		for _, field := range []string{"temp", "unknown"} {
			if err := p.Send(t.Context(), &source.Message{Topic: "a", Tags: tags, Points: []mapping.Point{{Field: field}}, Report: report, Own: true}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		s := o.Status.Snapshot()
		if len(log.reports) != 1 || s.Messages != 0 || s.Unmapped != 0 || !s.LastMessage.IsZero() {
			t.Errorf("got %d reports and %+v, want one report and nothing received", len(log.reports), s)
		}
	})
}
