package api

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"iotmon/internal/control"
	"iotmon/internal/iot"
)

// Every answer is about the devices without a tenant. The view, the queries of the archive and those of the registry name that tenant;
// what is read from elsewhere passes through the functions below.

// ownLetters are the dead letters of records of no tenant.
type ownLetters struct{ DeadLetters }

// isOwn reports whether a dead letter is of no tenant, as its key says.
func isOwn(letter *DeadLetter) bool { return bytes.IndexByte(letter.Key, iot.IdentitySeparator) < 0 }

// Newest implements DeadLetters.
func (o ownLetters) Newest(ctx context.Context, before map[int32]int64, limit int) (DeadLetterPage, error) {
	page, err := o.DeadLetters.Newest(ctx, before, limit)
	page.Letters = slices.DeleteFunc(page.Letters, func(letter DeadLetter) bool { return !isOwn(&letter) })
	return page, err
}

// Find implements DeadLetters.
func (o ownLetters) Find(ctx context.Context, ids []DeadLetterID) (map[DeadLetterID]DeadLetter, error) {
	found, err := o.DeadLetters.Find(ctx, ids)
	maps.DeleteFunc(found, func(_ DeadLetterID, letter DeadLetter) bool { return !isOwn(&letter) })
	return found, err
}

// ownDecisions removes the decisions about devices of tenants.
func ownDecisions(entries []control.Audit) []control.Audit {
	return slices.DeleteFunc(entries, func(a control.Audit) bool { return a.Tenant != "" })
}
