// Package app builds the services from their parts. It alone knows which adapter implements which interface.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"
)

// lifecycle runs components concurrently and closes resources in the reverse order of their making.
type lifecycle struct {
	logger     *slog.Logger
	components []component
	closers    []closer
}

type component struct {
	name string
	run  func(context.Context) error
}

type closer struct {
	name  string
	close func() error
}

// add registers a component. Its function run is called in a goroutine of its own and must return soon after its context has
// ended.
func (l *lifecycle) add(name string, run func(context.Context) error) {
	l.components = append(l.components, component{name, run})
}

// onClose registers a resource. Its function close is called after everything registered later has been closed.
func (l *lifecycle) onClose(name string, close func() error) {
	l.closers = append(l.closers, closer{name, close})
}

// run runs all components until ctx ends or the first of them fails, and waits for all of them. A failure ends the others and
// is returned. Being stopped by ctx is success.
func (l *lifecycle) run(ctx context.Context) error {
	group, running := errgroup.WithContext(ctx)
	for _, c := range l.components {
		group.Go(func() error {
			err := c.run(running)
			switch {
			case err != nil && !errors.Is(err, context.Canceled):
				return fmt.Errorf("%s: %w", c.name, err)
			case err == nil && running.Err() == nil:
				return fmt.Errorf("%s: ended by itself", c.name)
			}
			return nil
		})
	}
	return group.Wait()
}

// close closes everything, in the reverse order of registration. It logs failures and every close that takes over a second.
func (l *lifecycle) close() {
	for i := len(l.closers) - 1; i >= 0; i-- {
		c := l.closers[i]
		started := time.Now()
		if err := c.close(); err != nil {
			l.logger.Error("close failed", "component", c.name, "error", err)
		}
		if took := time.Since(started); took > time.Second {
			l.logger.Warn("close took long", "component", c.name, "took", took.Round(time.Millisecond))
		}
	}
	l.closers = nil
}
