// Package controltest has a store in memory for tests of what people decide.
package controltest

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"iotmon/internal/control"
)

// Memory is a control.Store that can fail, and go back to an earlier content. It passes storetest.RunControl.
type Memory struct {
	mu       sync.Mutex
	down     bool
	failure  error
	after    int
	objects  map[control.Ref]control.Object
	audit    []control.Audit
	revision int64
}

// ErrDown is what every method returns while the store is down.
var ErrDown = errors.New("the database is away")

var _ control.Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{objects: make(map[control.Ref]control.Object)} }

// SetDown has every call fail, or succeed again.
func (m *Memory) SetDown(down bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = down
}

// FailChanges has every change but the given number of next ones fail with an error, until it is called with nil.
func (m *Memory) FailChanges(after int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.after, m.failure = after, err
}

// Down reports whether every call fails.
func (m *Memory) Down() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.down
}

// All returns all objects, in no order.
func (m *Memory) All() []control.Object {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.objects))
}

func (m *Memory) available(ctx context.Context) error {
	if m.down {
		return ErrDown
	}
	return ctx.Err()
}

// Change implements control.Store.
func (m *Memory) Change(ctx context.Context, refs []control.Ref, decide func([]control.Object) ([]control.Change, error)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.available(ctx); err != nil {
		return err
	}
	if m.after--; m.failure != nil && m.after < 0 {
		return m.failure
	}
	changes, err := decide(m.get(refs))
	if err != nil {
		return err
	}
	locked := make(map[control.Ref]bool, len(refs))
	for _, ref := range refs {
		locked[ref] = true
	}
	for i := range changes {
		if ch := &changes[i]; !locked[ch.Ref] || ch.Version <= m.objects[ch.Ref].Version {
			return errors.New("not locked, or not above")
		}
	}
	for _, ch := range changes {
		m.revision++
		m.audit = append(m.audit, control.Audit{
			Ref: ch.Ref, Revision: m.revision, Time: ch.Time, Actor: ch.Actor, Action: ch.Action, Reason: ch.Reason, Version: ch.Version,
			Before: m.objects[ch.Ref].Body, After: ch.Body,
		})
		ch.Revision, ch.Confirmed = m.revision, false
		m.objects[ch.Ref] = ch.Object
	}
	return nil
}

func (m *Memory) get(refs []control.Ref) []control.Object {
	found := make([]control.Object, len(refs))
	for i, ref := range refs {
		found[i] = m.objects[ref]
		found[i].Ref = ref
	}
	return found
}

// Objects implements control.Store.
func (m *Memory) Objects(ctx context.Context, refs []control.Ref) ([]control.Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.get(refs), m.available(ctx)
}

// Since implements control.Store.
func (m *Memory) Since(ctx context.Context, revision int64, limit int) ([]control.Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []control.Object
	for _, o := range m.objects {
		if o.Revision > revision {
			found = append(found, o)
		}
	}
	slices.SortFunc(found, func(a, b control.Object) int { return cmp.Compare(a.Revision, b.Revision) })
	return found[:min(len(found), limit)], m.available(ctx)
}

// Versions implements control.Store.
func (m *Memory) Versions(ctx context.Context, revision int64, limit int) ([]control.Object, error) {
	found, err := m.Since(ctx, revision, limit)
	for i := range found {
		found[i].Body = nil
	}
	return found, err
}

// Confirm implements control.Store.
func (m *Memory) Confirm(ctx context.Context, objects []control.Object) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.available(ctx); err != nil {
		return err
	}
	for i := range objects {
		if o, ok := m.objects[objects[i].Ref]; ok && o.Version == objects[i].Version {
			o.Confirmed = true
			m.objects[o.Ref] = o
		}
	}
	return nil
}

// Audit implements control.Store.
func (m *Memory) Audit(ctx context.Context, q control.AuditQuery) ([]control.Audit, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []control.Audit
	for _, entry := range slices.Backward(m.audit) {
		if (q.Of == control.Ref{} && (q.Kind == "" || entry.Kind == q.Kind) || q.Of != control.Ref{} && entry.Ref == q.Of) && (q.Before == 0 || entry.Revision < q.Before) && len(found) < q.Limit {
			found = append(found, entry)
		}
	}
	return found, m.available(ctx)
}

// PruneAudit implements control.Store.
func (m *Memory) PruneAudit(ctx context.Context, before time.Time, limit int) (removed int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.available(ctx); err != nil {
		return 0, err
	}
	m.audit = slices.DeleteFunc(m.audit, func(entry control.Audit) bool {
		old := removed < limit && entry.Time.Before(before) && m.objects[entry.Ref].Revision != entry.Revision
		if old {
			removed++
		}
		return old
	})
	return removed, nil
}

// Backup returns a copy of the content.
func (m *Memory) Backup() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &Memory{objects: maps.Clone(m.objects), audit: slices.Clone(m.audit), revision: m.revision}
}

// Restore goes back to the content of a backup.
func (m *Memory) Restore(from *Memory) {
	copied := from.Backup()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.objects, m.audit, m.revision = copied.objects, copied.audit, copied.revision
}
