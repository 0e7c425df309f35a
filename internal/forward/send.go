package forward

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"iotmon/internal/retry"
)

// forward forwards records and moves the positions behind them. It returns an error only if ctx has ended, or if the local log does not
// keep what was rejected.
func (f *Forwarder) forward(ctx context.Context, records []Record) error {
	for len(records) > 0 {
		f.status.setOldest(records[0].Appended)
		if f.o.NewestFirst && f.o.Now().Sub(records[0].Appended) > f.o.HistoricalAfter {
			f.sendNewest(ctx)
		}
		// How old the readings are is decided anew at each try.
		used := f.fill(&f.batch, records, f.size)
		used, err := f.try(ctx, records, used)
		if err != nil {
			return err
		}
		f.advance(records[:used])
		records = records[used:]
		if err := f.storeRegularly(ctx); err != nil {
			return err
		}
	}
	return nil
}

// try sends the batch, made of so many records, once. It returns how many of the records are done: their entries were accepted, or rejected and
// kept. If that is not all, try has waited as long as is necessary before the next try.
func (f *Forwarder) try(ctx context.Context, records []Record, used int) (done int, err error) {
	b := &f.batch
	if len(b.entries) == 0 {
		f.status.change(func(s *State) { s.Skipped += int64(b.skipped) })
		return used, nil
	}
	if err := f.pacer.wait(ctx, len(b.entries), f.o.Now); err != nil {
		return 0, err
	}
	rejected, err := f.send(ctx, b.entries)
	refused, isRefusal := errors.AsType[*RefusedError](err)
	if err != nil && isRefusal && refused.Content && refused.Final && len(b.entries) == 1 {
		rejected, err = []Rejection{{Reason: refused.Error()}}, nil
	}
	if err != nil {
		return 0, f.failed(ctx, err)
	}
	final, early := f.divide(rejected)
	sent := len(b.entries)
	if early >= 0 { // What comes before it is done; it and what follows is sent again.
		sent, used = early, b.records[early]
		final = slices.DeleteFunc(final, func(r Rejection) bool { return r.Index >= early })
	}
	if err := f.reject(ctx, records, final); err != nil {
		return 0, err
	}
	f.size = min(2*f.size, maxBatch)
	f.status.change(func(s *State) {
		s.Forwarded += int64(sent - len(final))
		s.Skipped += int64(b.skipped)
	})
	if sent > 0 {
		f.backoff.Reset()
	}
	return used, f.wait(ctx, early)
}

// divide divides what the centre has rejected into what it will never accept and, if early is not -1, what begins with the index early and is
// ahead of the centre's clock, though not of this machine's: then this clock is wrong, and the centre's will come to that time. If this
// clock says now that an entry is in the future, it was set back after it was measured: the time of the entry is wrong for good.
func (f *Forwarder) divide(rejected []Rejection) (final []Rejection, early int) {
	early = -1
	latest := f.o.Now().Add(f.o.Admission.Skew)
	for _, r := range rejected {
		if r.Early && !f.batch.entries[r.Index].Time.After(latest) {
			if early < 0 || r.Index < early {
				early = r.Index
			}
			continue
		}
		if r.Early {
			r.Reason += "; the clock of this gateway was ahead when it was measured, and has been set back since"
		}
		final = append(final, r)
	}
	return final, early
}

// wait notes whether entries from the index early on wait for the centre's clock, and pauses if so.
func (f *Forwarder) wait(ctx context.Context, early int) error {
	if early < 0 {
		if f.status.early(0) {
			f.o.Changed("")
		}
		return nil
	}
	const problem = "the clock of this gateway is ahead of the centre's: readings wait until the centre's clock has come to their time; set the clock of this gateway"
	f.status.early(len(f.batch.entries) - early)
	f.status.connected(true, problem, f.o.Now())
	f.o.Changed(problem)
	f.o.Logger.Warn("forwarding: readings wait because the clock of this gateway is ahead of the centre's", "time", f.batch.entries[early].Time)
	return retry.Wait(ctx, f.backoff.Next())
}

// send calls the centre, and notes whether it has answered.
func (f *Forwarder) send(ctx context.Context, entries []Entry) ([]Rejection, error) {
	bounded, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	rejected, err := f.o.Centre.Send(bounded, entries)
	if err != nil {
		if bounded.Err() != nil {
			return nil, fmt.Errorf("no answer within %v: %w", sendTimeout, bounded.Err())
		}
		return nil, err
	}
	if f.status.answered(f.o.Now()) {
		f.o.Logger.Info("forwarding: the centre acknowledges readings")
		f.o.Changed("")
	}
	return rejected, nil
}

// failed notes a failed call and waits before the next one. It returns an error only if ctx ends.
func (f *Forwarder) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	pause := f.backoff.Next()
	refused, isRefusal := errors.AsType[*RefusedError](err)
	if isRefusal {
		pause = max(pause, min(refused.After, maxPause))
	}
	f.status.change(func(s *State) { s.Errors++ })
	f.status.connected(false, err.Error(), f.o.Now())
	f.o.Changed(err.Error())
	f.o.Logger.Warn("forwarding: the centre does not acknowledge readings; trying again", "reason", err)
	// Fewer readings may get through where these are too many for a server, or for the line in the time of one call.
	if content := isRefusal && refused.Content; content || errors.Is(err, context.DeadlineExceeded) {
		sent := len(f.batch.entries)
		f.size = max(sent/2, 1)
		if content && sent > 1 {
			return nil
		}
	}
	return retry.Wait(ctx, pause)
}

// reject keeps what the centre has rejected among the local dead letters. It is tried again for as long as the local log does not accept
// it: the position must not pass it before.
func (f *Forwarder) reject(ctx context.Context, records []Record, rejected []Rejection) error {
	if len(rejected) == 0 {
		return nil
	}
	letters := make([]Rejected, len(rejected))
	for i, r := range rejected {
		record := &records[f.batch.records[r.Index]]
		letters[i] = Rejected{Partition: record.Partition, Offset: record.Offset, Value: record.Value, Field: r.Field, Reason: r.Reason}
	}
	for pauses := retry.NewBackoff(firstPause, lastPause); ; {
		err := f.o.DeadLetters.Reject(ctx, letters)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		f.o.Logger.Error("forwarding: what the centre has rejected cannot be kept; trying again", "reason", err)
		if err := pauses.Wait(ctx); err != nil {
			return err
		}
	}
	last := rejected[len(rejected)-1]
	f.o.Logger.Warn("forwarding: the centre has rejected readings; they are among the dead letters", "count", len(rejected), "field", last.Field, "reason", last.Reason)
	f.status.change(func(s *State) {
		s.Rejected += int64(len(rejected))
		s.LastReason = last.Reason
	})
	return nil
}
