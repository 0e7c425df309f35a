package control

import (
	"context"
	"time"
)

// Step exports step.
func (l *Loop) Step(ctx context.Context, now time.Time) error { return l.step(ctx, now) }

// Agrees reports whether an object is in force as it was decided.
func (f *InForce) Agrees(o *Object) bool {
	result, _ := f.compare(o)
	return result == agreed
}
