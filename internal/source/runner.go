package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"iotmon/internal/retry"
)

// Adapter receives by the protocol of one source.
type Adapter interface {
	// Run connects, receives until ctx ends or the connection is lost, closes everything that it has opened, and returns why. It is
	// called again after a pause, so it does not connect again by itself. It must notice within its own time limits that the other
	// side no longer answers.
	Run(ctx context.Context, session *Session) error
}

// Session is one call of Adapter.Run. Its methods may be called concurrently.
type Session struct {
	pipeline  *Pipeline
	status    *Status
	connected bool
}

// Connected says that the adapter receives, and from where. After it the pauses between connections begin anew.
func (s *Session) Connected(address string) {
	s.connected = true
	s.status.set(Connected, address, nil)
}

// Problem says what is wrong although the connection goes on, such as a node that the server does not have.
func (s *Session) Problem(err error) { s.status.problem(err) }

// Lag says how many messages wait at the other side, where the protocol says so.
func (s *Session) Lag(messages int64) { s.status.lag(messages) }

// Skipped counts polls that have not taken place at their time, such as those that came due while an earlier one was going on.
func (s *Session) Skipped(polls int64) { s.status.skipped(polls) }

// Missed counts messages that were deleted at the other side before they were received.
func (s *Session) Missed(messages int64) { s.status.missed(messages) }

// Now is the time of what is received now.
func (s *Session) Now() time.Time { return s.pipeline.o.Now() }

// Send is Pipeline.Send.
func (s *Session) Send(ctx context.Context, m *Message) error { return s.pipeline.Send(ctx, m) }

// Owner decides which instance of the program runs a source.
type Owner interface {
	// Acquire blocks until this instance owns the source. The context that it returns ends when it no longer does, or ctx ends; release
	// must be called when the source has stopped. The error is that of ctx.
	Acquire(ctx context.Context, source string) (owned context.Context, release func(), err error)
}

// Alone is the Owner of a program that has one instance.
type Alone struct{}

// Acquire returns at once.
func (Alone) Acquire(ctx context.Context, _ string) (context.Context, func(), error) {
	owned, release := context.WithCancel(ctx)
	return owned, release, nil
}

// Runner keeps one source running.
type Runner struct {
	Name     string
	Adapter  Adapter
	Pipeline PipelineOptions
	Owner    Owner
	Logger   *slog.Logger
	// FirstPause and LongestPause are those between two connections; 0 means half a second and eight seconds.
	FirstPause, LongestPause time.Duration
}

const (
	defaultFirstPause   = 500 * time.Millisecond
	defaultLongestPause = 8 * time.Second
	// steady is how long a connection must last so that the pause after it is the first again.
	steady = 10 * time.Second
)

// Run runs the source whenever this instance owns it, until ctx ends.
func (r *Runner) Run(ctx context.Context) error {
	for {
		r.Pipeline.Status.set(Waiting, "", nil)
		owned, release, err := r.Owner.Acquire(ctx, r.Name)
		if err != nil {
			return nil // ctx has ended.
		}
		pipeline := NewPipeline(r.Pipeline)
		err = r.own(owned, pipeline)
		release() // The next owner need not wait for the log.
		r.Pipeline.Status.set(Waiting, "", nil)
		pipeline.Drain(ctx)
		if ctx.Err() != nil || err != nil {
			return err
		}
	}
}

// own runs the source until ctx ends.
func (r *Runner) own(ctx context.Context, pipeline *Pipeline) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return pipeline.Run(ctx) })
	group.Go(func() error { return r.connect(ctx, pipeline) })
	return group.Wait()
}

func (r *Runner) connect(ctx context.Context, pipeline *Pipeline) error {
	first, longest := r.FirstPause, r.LongestPause
	if first == 0 {
		first, longest = defaultFirstPause, defaultLongestPause
	}
	backoff := retry.NewBackoff(first, longest)
	status := r.Pipeline.Status
	var lost error
	for {
		status.set(Connecting, "", nil)
		began := time.Now()
		session := &Session{pipeline: pipeline, status: status}
		err := r.session(ctx, session)
		if ctx.Err() != nil {
			return nil
		}
		status.set(Failed, "", err)
		took := time.Since(began)
		if session.connected && took >= steady {
			backoff.Reset()
		}
		pause := backoff.Next()
		if took >= pause { // The other side has had its pause while the adapter waited for an answer.
			pause = min(pause, first)
		}
		if lost == nil || lost.Error() != err.Error() { // The same failure every few seconds would be most of the log.
			r.Logger.Warn("a source is not connected and will be connected anew", "source", r.Name, "error", err, "pause", pause)
		}
		lost = err
		if retry.Wait(ctx, pause) != nil {
			return nil
		}
	}
}

// session runs the adapter once. A panic of a protocol's library, which hostile input may provoke, is an error.
func (r *Runner) session(ctx context.Context, session *Session) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("the protocol's decoder failed: %v", reason)
		}
	}()
	if err := r.Adapter.Run(ctx, session); err != nil {
		return err
	}
	return errors.New("the connection has ended")
}
