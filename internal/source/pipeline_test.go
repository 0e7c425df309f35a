package source_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
)

// records is a log whose first appends fail.
type records struct {
	failures atomic.Int64
	readings []iot.Reading
	reports  []source.Report
	rejected []source.Rejected
}

func failing(appends int64) *records {
	r := new(records)
	r.failures.Store(appends)
	return r
}

func (r *records) fail() error {
	if r.failures.Add(-1) >= 0 {
		return errors.New("the log is down")
	}
	return nil
}

func (r *records) Append(_ context.Context, readings []iot.Reading) error {
	if err := r.fail(); err != nil {
		return err
	}
	r.readings = append(r.readings, readings...)
	return nil
}

func (r *records) Report(_ context.Context, reports []source.Report) error {
	r.reports = append(r.reports, reports...)
	return nil
}

func (r *records) Reject(_ context.Context, rejected []source.Rejected) error {
	r.rejected = append(r.rejected, rejected...)
	return nil
}

// options are those of a pipeline whose payloads are lists of names with the value 20, separated by spaces.
func options(t *testing.T, log source.Records) source.PipelineOptions {
	t.Helper()
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := mapping.New([]mapping.Rule{
		{Field: "temp", Device: "{site}", Type: iot.Temperature}, {Field: "hot", Device: "{site}", Type: iot.Switch},
	}, catalog)
	if err != nil {
		t.Fatal(err)
	}
	return source.PipelineOptions{
		Name: "test", Log: log, Mapping: rules, Admission: &iot.Admission{Catalog: catalog, Skew: time.Hour},
		Status: source.NewStatus("test", "mqtt", time.Now), Logger: slog.New(slog.DiscardHandler),
		Decode: func(m *source.Message, points []mapping.Point) ([]mapping.Point, error) {
			if string(m.Payload) == "broken" {
				return points, iot.Invalid("", "not a list")
			}
			for field := range strings.FieldsSeq(string(m.Payload)) {
				points = append(points, mapping.Point{Field: field, Value: 20})
			}
			return points, nil
		},
	}
}

var tags = map[string]string{"site": "furnace"}

// running runs a pipeline until the test ends.
func running(t *testing.T, o source.PipelineOptions) *source.Pipeline {
	t.Helper()
	p := source.NewPipeline(o)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		p.Drain(ctx)
	})
	return p
}

func TestAMessageIsDoneOnceItIsInTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := failing(3)
		o := options(t, log)
		p := running(t, o)
		var mu sync.Mutex
		var done []int
		for i := range 5 {
			err := p.Send(t.Context(), &source.Message{Tags: tags, Payload: []byte("temp"), Done: func(err error) {
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				done = append(done, i)
			}})
			if err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		mu.Lock()
		if s := o.Status.Snapshot(); len(done) > 0 || s.LogError != "the log is down" {
			t.Errorf("while the log is down: got %v done and the error %q", done, s.LogError)
		}
		mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := o.Status.Snapshot(); fmt.Sprint(done) != "[0 1 2 3 4]" || s.LogError != "" || s.Readings != 5 || s.Messages != 5 {
			t.Errorf("got %v done and %+v, want all in their order and no error", done, s)
		}
		times := make(map[time.Time]bool)
		for _, r := range log.readings {
			times[r.Time] = true
		}
		if len(times) != 5 {
			t.Errorf("got %d different times of 5 values without a time, which would be one reading", len(times))
		}
	})
}

func TestWhatIsNotInTheLogAtTheEndIsDoneWithAnError(t *testing.T) {
	for _, again := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			p := source.NewPipeline(options(t, failing(1000)))
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- p.Run(ctx) }()
			failed := 0
			for range 3 {
				if err := p.Send(ctx, &source.Message{Tags: tags, Payload: []byte("temp"), Again: again, Done: func(err error) {
					if err != nil {
						failed++
					}
				}}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
			}
			cancel()
			err := <-ended
			began := time.Now()
			if p.Drain(ctx); err != nil || failed != 3 || time.Since(began) > 5*time.Second {
				t.Errorf("got %v and %d messages done with an error after %v, want 3", err, failed, time.Since(began))
			}
		})
	}
}

// When a source moves to another program, this one appends what it has received and nobody sends again, however long the log is away. What the
// other side sends again is left to the next owner.
func TestWhatNobodySendsAgainIsAppendedWhenTheSourceMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := failing(1 << 30)
		r := runner(t, nil)
		polls := 0
		r.Adapter = adapter(func(ctx context.Context, s *source.Session) error {
			s.Connected("plc")
			for ctx.Err() == nil {
				at := iot.CutTime(time.Now())
				polled := &source.Message{Points: []mapping.Point{{Field: "temp", Tags: tags, Value: 20, Time: at}}}
				kept := &source.Message{Points: []mapping.Point{{Field: "temp", Tags: map[string]string{"site": "kept"}, Value: 20, Time: at}}, Again: true}
				if s.Send(ctx, polled) == nil {
					polls++
				}
				_ = s.Send(ctx, kept)
				select {
				case <-time.After(time.Second):
				case <-ctx.Done():
				}
			}
			return ctx.Err()
		})
		owned := new(owner)
		r.Owner, r.Pipeline.Log = owned, log
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- r.Run(ctx) }()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if owned.owned != 1 {
			t.Errorf("owned %d times: it must not go on before what it has is in the log", owned.owned)
		}
		log.failures.Store(0)
		time.Sleep(10 * time.Second)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		got := 0
		for _, reading := range log.readings {
			if reading.ID == "furnace" {
				got++
			}
		}
		if polls < 60 || got != polls {
			t.Errorf("%d of %d polls are in the log", got, polls)
		}
	})
}

// A source that ends while the log is about to acknowledge does not take that for a failure: the other side would send again what is in the log.
func TestTheAppendUnderWayIsAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(t, &slowLog{})
		p := source.NewPipeline(o)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- p.Run(ctx) }()
		var done error = errors.New("not called")
		if err := p.Send(ctx, &source.Message{Tags: tags, Payload: []byte("temp"), Again: true, Done: func(err error) { done = err }}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		cancel()
		<-ended
		if p.Drain(ctx); done != nil {
			t.Errorf("got %v, want an acknowledged message", done)
		}
	})
}

// slowLog acknowledges after a second.
type slowLog struct{ records }

func (l *slowLog) Append(ctx context.Context, readings []iot.Reading) error {
	select {
	case <-time.After(time.Second):
		return l.records.Append(ctx, readings)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A source that sends more than the log takes waits, so that memory does not grow.
func TestSendWaitsWhileMuchIsNotInTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(t, failing(1000))
		o.MaxBytes = 10_000
		p := running(t, o)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		sent := 0
		var err error
		for ; err == nil; sent++ {
			err = p.Send(ctx, &source.Message{Tags: tags, Payload: []byte("temp" + strings.Repeat(" ", 1000))})
		}
		if !errors.Is(err, context.DeadlineExceeded) || sent < 5 || sent > 10 {
			t.Errorf("got %v after %d messages of 1 KB, want to wait after fewer than 10", err, sent)
		}
		// One that is larger than everything is taken alone.
		o = options(t, &records{})
		o.MaxBytes = 10_000
		if err := running(t, o).Send(t.Context(), &source.Message{Payload: make([]byte, 20_000)}); err != nil {
			t.Error(err)
		}
		synctest.Wait()
	})
}

func TestWhatIsNoReadingIsADeadLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &records{}
		o := options(t, log)
		p := running(t, o)
		for _, payload := range []string{"broken", "", "pressure", "temp hot pressure", strings.Repeat("hot ", 500)} {
			if err := p.Send(t.Context(), &source.Message{Topic: "a/b", Tags: tags, Payload: []byte(payload)}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		var got []string
		for _, r := range log.rejected {
			if r.Source != "test" || r.Topic != "a/b" || len(r.Payload) != r.Length {
				t.Errorf("got %+v", r)
			}
			got = append(got, r.Field+": "+r.Reason)
		}
		if codes := []string{log.rejected[1].Why.Code, log.rejected[2].Why.Code, log.rejected[3].Why.Code}; !slices.Equal(codes, []string{"no_values", "no_rule", "outside_range"}) ||
			log.rejected[3].Why.Arguments["got"] != "20" || log.rejected[3].Why.Arguments["in"] != `"hot"` {
			t.Errorf("got the codes %q and the arguments %q", codes, log.rejected[3].Why.Arguments)
		}
		const bad = `value: outside the physical range 0 to 1  of switch_sensor (got 20), in the value "hot"`
		want := []string{": not a list", ": no values in it", `: no rule of the source's map matches any of its 1 values ("pressure")`, bad}
		for range 10 {
			want = append(want, bad)
		}
		want = append(want, ": 490 more values of the message are no readings")
		if !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		s := o.Status.Snapshot()
		if len(log.readings) != 1 || s.Rejected != 15 || s.RejectedBy["value"] != 11 || len(s.Rejects) != 15 {
			t.Errorf("got %d readings and %+v", len(log.readings), s)
		}
	})
}

// A subscription that is wider than the map does not fill the dead letters: the first message of a topic is one, and again after ten minutes.
// What is reported about devices without a rule is no dead letter at all.
func TestMessagesWithoutARuleAreDeadLettersOnceInAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &records{}
		o := options(t, log)
		p := running(t, o)
		send := func(m *source.Message) {
			t.Helper()
			if err := p.Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		for range 100 {
			for _, topic := range []string{"a", "b"} {
				send(&source.Message{Topic: topic, Payload: []byte("pressure")})
			}
			send(&source.Message{Topic: "c", Points: []mapping.Point{{Field: "pressure"}}, Report: &iot.StatusReport{Status: iot.ReportedOffline}})
		}
		send(&source.Message{Topic: "a", Payload: []byte("speed")})
		if s := o.Status.Snapshot(); len(log.rejected) != 3 || s.Rejected != 3 || s.Unmapped != 301 {
			t.Errorf("got %d dead letters and %+v, want one for each of two topics and one for another value", len(log.rejected), s)
		}
		time.Sleep(10 * time.Minute)
		send(&source.Message{Topic: "a", Payload: []byte("pressure")})
		if len(log.rejected) != 4 {
			t.Errorf("got %d dead letters after ten minutes, want 4", len(log.rejected))
		}
		for i := range 30_000 { // However many topics there are, what is remembered is bounded.
			send(&source.Message{Topic: fmt.Sprint(i), Payload: []byte("pressure")})
		}
	})
}

// A clock that was wrong and is set back does not keep values without a time in the future, where they would be refused.
func TestArrivalFollowsAClockThatIsSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &records{}
		p := running(t, options(t, log))
		now := time.Now().Add(time.Minute)
		for _, received := range []time.Time{now.Add(50 * time.Minute), now, now, now.Add(time.Microsecond), now.Add(-time.Millisecond)} {
			if err := p.Send(t.Context(), &source.Message{Tags: tags, Payload: []byte("temp"), Received: received}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		var got []time.Duration
		for _, r := range log.readings {
			got = append(got, r.Time.Sub(now))
		}
		want := []time.Duration{50 * time.Minute, 0, time.Microsecond, 2 * time.Microsecond, 3 * time.Microsecond}
		if !slices.Equal(got, want) {
			t.Errorf("got readings at %v after the clock, want %v", got, want)
		}
	})
}

// Nobody knows when a retained message without a time was measured; what it says about the device holds all the same.
func TestARetainedValueWithoutATimeIsNoReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &records{}
		o := options(t, log)
		p := running(t, o)
		for _, m := range []source.Message{
			{Payload: []byte("temp"), Retained: true},
			{Points: []mapping.Point{{Field: "temp", Value: 1, Time: time.Now()}}, Retained: true},
			{Payload: []byte("temp"), Retained: true, Report: &iot.StatusReport{Status: iot.ReportedOffline}},
		} {
			m.Tags = tags
			if err := p.Send(t.Context(), &m); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if s := o.Status.Snapshot(); s.Untimed != 1 || len(log.readings) != 1 || len(log.rejected) != 0 || len(log.reports) != 1 || log.reports[0].Time.IsZero() {
			t.Errorf("got %+v, %+v", log, s)
		}
	})
}

// Topics that never end, and reasons that never end, use bounded memory.
func TestTheStatusIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(t, &records{})
		p := running(t, o)
		for i := range 3000 {
			if err := p.Send(t.Context(), &source.Message{Topic: fmt.Sprint(i), Payload: make([]byte, 10_000)}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		seen, more := o.Status.Seen()
		if len(seen) != 500 || !more || len(seen[0].Payload) != 2048 || seen[0].Length != 10_000 || len(o.Status.Snapshot().Rejects) != 20 {
			t.Errorf("got %d topics, the first with %d bytes of %d", len(seen), len(seen[0].Payload), seen[0].Length)
		}
		for _, r := range o.Status.Snapshot().Rejects {
			if len(r.Payload) != 2048 || r.Length != 10_000 {
				t.Errorf("a rejected message: got %d bytes of %d", len(r.Payload), r.Length)
			}
		}
	})
}

// The topics of many sources together must not use more memory than there is: of those beyond the limit the names remain.
func TestTheMemoryOfTopicsIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(t, &records{})
		o.Status.LimitSeen(50_000)
		p := running(t, o)
		for round := range 3 {
			for i := range 100 {
				payload := []byte(strings.Repeat("temp ", 1+round*100))
				if err := p.Send(t.Context(), &source.Message{Topic: fmt.Sprint(i), Tags: tags, Payload: payload}); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(2 * time.Second)
		}
		synctest.Wait()
		seen, more := o.Status.Seen()
		bytes, without := 0, 0
		for _, s := range seen {
			if s.Count != 3 || more {
				t.Errorf("got %d messages of %s, more %v", s.Count, s.Topic, more)
			}
			bytes += len(s.Payload)
			if len(s.Points) == 0 {
				without++
			}
		}
		if len(seen) != 100 || bytes > 50_000 || without < 80 || without == 100 {
			t.Errorf("got %d topics with %d bytes, %d of them without their values", len(seen), bytes, without)
		}
	})
}

// What a page shows of a message is what its rules see, and no part of the message's own memory, which the source may use again.
func TestTheStatusHasTheValuesOfMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(t, &records{})
		p := running(t, o)
		payloads := [][]byte{[]byte("temp hot"), []byte("broken")}
		for i, payload := range payloads {
			if err := p.Send(t.Context(), &source.Message{Topic: fmt.Sprint("t", i), Tags: tags, Payload: payload}); err != nil {
				t.Fatal(err)
			}
		}
		points := make([]mapping.Point, 60)
		points[0] = mapping.Point{Field: "temp", Value: 21, Unit: "°C"}
		points[1] = mapping.Point{Field: "temp", ValueText: strings.Repeat("x", 5000)}
		if err := p.Send(t.Context(), &source.Message{Topic: "t2", Tags: tags, Points: points}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for _, payload := range payloads {
			clear(payload)
		}
		seen, _ := o.Status.Seen()
		if len(seen) != 3 {
			t.Fatalf("got %d topics, want 3", len(seen))
		}
		if s := seen[0]; string(s.Payload) != "temp hot" || s.Values != 2 || len(s.Points) != 2 || s.Points[1].Field != "hot" || s.Points[1].Topic != "t0" || s.Points[1].Tags["site"] != "furnace" {
			t.Errorf("got %+v", s)
		}
		if s := seen[1]; string(s.Payload) != "broken" || s.Problem != "not a list" || len(s.Points) != 0 {
			t.Errorf("got %+v", s)
		}
		if s := seen[2]; s.Payload != nil || s.Values != 60 || len(s.Points) != 49 || s.Points[0].Value != 21 {
			t.Errorf("got %d of %d values of %+v, want the first 50 without the long one", len(s.Points), s.Values, s)
		}
		rejects := o.Status.Snapshot().Rejects
		for _, r := range rejects[:2] {
			if r.Topic == "t1" && string(r.Payload) != "broken" || r.Received.IsZero() {
				t.Errorf("got %+v", r)
			}
		}
	})
}
