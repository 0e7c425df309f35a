package control

import (
	"context"
	"time"
)

// Store is the database with what people have decided. Its methods may be called concurrently. An error means that the database did
// not answer, unless decide has returned it.
//
// Changes are made one after another, in any number of processes. Each gets a revision, a number above all earlier ones, so that a
// reader which has seen a revision has seen all before it.
type Store interface {
	// Change makes changes in one transaction: all or none. It locks the objects with the given names, which must differ, and
	// calls decide with them in the order of refs; an object about which nothing has been decided has version 0. It stores the
	// changes that decide returns, each of one of the objects and with a higher version, and an audit entry of each. After an
	// error of decide, which it returns as it is, nothing is stored. After another error the changes may have been stored.
	Change(ctx context.Context, refs []Ref, decide func(current []Object) ([]Change, error)) error
	// Objects returns the objects with the given names, in their order.
	Objects(ctx context.Context, refs []Ref) ([]Object, error)
	// Since returns up to limit objects that were changed last after a revision, in the order of their revisions.
	Since(ctx context.Context, revision int64, limit int) ([]Object, error)
	// Versions is Since without the bodies of the objects.
	Versions(ctx context.Context, revision int64, limit int) ([]Object, error)
	// Confirm remembers of objects that their versions have been in force. It does nothing for an object that has another version by
	// now.
	Confirm(ctx context.Context, objects []Object) error
	// Audit returns audit entries, the newest first.
	Audit(ctx context.Context, q AuditQuery) ([]Audit, error)
	// PruneAudit removes up to limit of the oldest audit entries from before a time, and returns how many. It keeps the last entry of each
	// object, which says who has decided what is true now.
	PruneAudit(ctx context.Context, before time.Time, limit int) (int, error)
}

// AuditQuery selects audit entries.
type AuditQuery struct {
	// Of selects those of one object; the zero Ref selects all.
	Of Ref
	// Kind selects those of one kind of objects, if Of selects all; empty selects every kind.
	Kind Kind
	// Before selects those with a lower revision; 0 selects all.
	Before int64
	// Limit is the maximum number of entries.
	Limit int
}
