package control

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"iotmon/internal/iot"
)

var (
	// ErrUnavailable means that nothing can be decided at the moment, because the database does not answer or because it is not known
	// yet what is in force. The change may have been stored all the same.
	ErrUnavailable = errors.New("nothing can be decided at the moment")
	// ErrNoVersion means that the entry of a device has the highest version that there is, so that nothing can follow it.
	ErrNoVersion = errors.New("no version is left for a change")
	// ErrBusy means that the database is busy with other changes. Nothing was stored. Where it is returned, ErrUnavailable is too.
	ErrBusy = errors.New("other changes are being made")
	// ErrNotRead means that it is not known yet what is in force, as after a start. Nothing was stored. Where it is returned, ErrUnavailable is too.
	ErrNotRead = errors.New("what is in force is still being read")
	// ErrTwice means that one call has two edits of the same device.
	ErrTwice = errors.New("the same device twice")
)

// ConditionError means that a device's entry is not what the condition of an edit requires.
type ConditionError struct {
	Device iot.Identity
	// Version is the version of the entry that is stored, 0 if there is none.
	Version int64
}

// Error names the device and its version.
func (e *ConditionError) Error() string {
	return fmt.Sprintf("the entry of device %s has version %d", iot.Quote(string(e.Device.ID)), e.Version)
}

// RefusedError means that edits were refused. Of several edits in one call, none was made then.
type RefusedError struct {
	// Edits has the edits that were refused, in their order: at most maxRefusals.
	Edits []Refusal
}

// Refusal is why an edit was refused: a *ConditionError, an *iot.InvalidError, ErrNoVersion, or the error of Edit.To.
type Refusal struct {
	Device iot.Identity
	Err    error
}

// maxRefusals is the maximum length of RefusedError.Edits.
const maxRefusals = 1000

// Error names the first reason.
func (e *RefusedError) Error() string {
	if len(e.Edits) == 1 {
		return e.Edits[0].Err.Error()
	}
	return fmt.Sprintf("%d edits refused, the first because %v", len(e.Edits), e.Edits[0].Err)
}

// Unwrap returns the reasons.
func (e *RefusedError) Unwrap() []error {
	reasons := make([]error, len(e.Edits))
	for i := range e.Edits {
		reasons[i] = e.Edits[i].Err
	}
	return reasons
}

// Condition is what must hold of a device's stored entry for an edit to be made. The zero Condition always holds.
type Condition struct {
	// Versions lists the versions that the entry may have, 0 for none; nil for any. An edit that changes nothing is made all the same:
	// it may be one that is sent again because its answer was lost.
	Versions []int64
	// Entered means that there must be an entry, Unentered that there must be none. A device that is to be forgotten has none.
	Entered, Unentered bool
}

func (c *Condition) holds(current *Object) bool {
	entered := current.Version > 0 && !current.Deleted
	return (c.Versions == nil || slices.Contains(c.Versions, current.Version)) && (!c.Entered || entered) && (!c.Unentered || !entered)
}

// ofVersion reports whether the condition is one of versions alone.
func (c *Condition) ofVersion() bool { return !c.Entered && !c.Unentered }

// Edit changes the entry of one device.
type Edit struct {
	Device iot.Identity
	If     Condition
	// To returns the new entry for the current one, which is zero but for its version if there is none. The version that it
	// returns is ignored. Its error refuses the edit. It may be called several times.
	To func(current iot.DeviceEntry) (iot.DeviceEntry, error)
}

// By is who decides, and how.
type By struct {
	// Actor is an opaque id, Action a word such as "put", Reason what was written about it.
	Actor, Action, Reason string
}

// Outcome is what an edit does. If nothing changes, Before and After are equal.
type Outcome struct {
	Device        iot.Identity
	Before, After iot.DeviceEntry
}

// Changed reports whether the edit changes the entry.
func (o *Outcome) Changed() bool { return o.After.Version != o.Before.Version }

// RegistryOptions configure a Registry. All fields but TypesAllowed are required.
type RegistryOptions struct {
	Store   Store
	InForce *InForce
	// Decided is called with the changed objects after they are stored, so that they are brought into force at once. It must not
	// block.
	Decided func([]Object)
	Now     func() time.Time
	// TypesAllowed returns ErrOlder while no device types may be decided. It may be nil: then they always may be.
	TypesAllowed func(ctx context.Context) error
}

// Registry is where people decide about devices. It may be used concurrently.
type Registry struct {
	RegistryOptions
	// turn is held by the call of ChangeMany that makes a batch.
	turn chan struct{}
}

// NewRegistry returns a registry.
func NewRegistry(options RegistryOptions) *Registry {
	return &Registry{options, make(chan struct{}, 1)}
}

// Entry returns the entry of a device that was decided last: the zero entry if there never was one, one with Forget if the device
// is to be forgotten. If the database has lost it, it is what is in force. The error is ErrUnavailable.
func (r *Registry) Entry(ctx context.Context, device iot.Identity) (iot.DeviceEntry, error) {
	found, err := r.Store.Objects(ctx, []Ref{DeviceRef(device)})
	if err != nil {
		return iot.DeviceEntry{}, unavailable(err)
	}
	r.InForce.recall(&found[0])
	entry, err := found[0].DeviceEntry()
	if err != nil {
		return iot.DeviceEntry{}, unavailable(err)
	}
	return entry, nil
}

// Change makes a few edits in one transaction, all or none, and returns what each has done. The error is ErrUnavailable, ErrTwice, a *RefusedError, or an
// *iot.InvalidError about a device's id.
func (r *Registry) Change(ctx context.Context, edits []Edit, by By) ([]Outcome, error) {
	refs, err := refsOf(edits)
	if err != nil {
		return nil, err
	}
	var outcomes []Outcome
	var changes []Change
	var refused error
	err = r.Store.Change(ctx, refs, func(current []Object) ([]Change, error) {
		outcomes, changes, refused = r.plan(current, edits, by)
		return changes, refused
	})
	switch {
	case refused != nil:
		return nil, refused
	case err != nil:
		return nil, unavailable(err)
	case len(changes) > 0:
		objects := make([]Object, len(changes))
		for i := range changes {
			objects[i] = changes[i].Object
		}
		r.Decided(objects)
	}
	return outcomes, nil
}

// Audit returns audit entries. The error is ErrUnavailable.
func (r *Registry) Audit(ctx context.Context, q AuditQuery) ([]Audit, error) {
	found, err := r.Store.Audit(ctx, q)
	if err != nil {
		return nil, unavailable(err)
	}
	return found, nil
}

func unavailable(err error) error { return fmt.Errorf("%w: %w", ErrUnavailable, err) }

func refsOf(edits []Edit) ([]Ref, error) {
	refs, seen := make([]Ref, len(edits)), make(map[Ref]bool, len(edits))
	for i := range edits {
		if err := edits[i].Device.Normalize(); err != nil {
			return nil, err
		}
		refs[i] = DeviceRef(edits[i].Device)
		if seen[refs[i]] {
			return nil, fmt.Errorf("%w: %s", ErrTwice, iot.Quote(refs[i].ID))
		}
		seen[refs[i]] = true
	}
	return refs, nil
}

// plan returns what the edits do to the current objects, and the changes for the store.
func (r *Registry) plan(current []Object, edits []Edit, by By) ([]Outcome, []Change, error) {
	outcomes, changes := make([]Outcome, len(edits)), make([]Change, 0, len(edits))
	now := iot.CutTime(r.Now())
	if !r.InForce.Current() {
		return nil, nil, unavailable(ErrNotRead)
	}
	var refused RefusedError
	for i := range edits {
		err := r.outcome(&current[i], &edits[i], &outcomes[i])
		switch {
		case errors.Is(err, ErrUnavailable):
			return nil, nil, err
		case err != nil && len(refused.Edits) == maxRefusals:
			return nil, nil, &refused
		case err != nil:
			refused.Edits = append(refused.Edits, Refusal{edits[i].Device, err})
		case outcomes[i].Changed():
			changes = append(changes, Change{
				Object: DeviceObject(edits[i].Device, &outcomes[i].After), Actor: by.Actor, Action: by.Action, Reason: by.Reason, Time: now,
			})
		}
	}
	if len(refused.Edits) == 0 {
		refused.Edits = r.InForce.checkParents(outcomes)
	}
	if len(refused.Edits) > 0 {
		return nil, nil, &refused
	}
	return outcomes, changes, nil
}

func (r *Registry) outcome(current *Object, edit *Edit, out *Outcome) error {
	r.InForce.recall(current)
	before, err := current.DeviceEntry()
	if err != nil {
		return unavailable(err)
	}
	after, err := edited(&before, edit)
	changed := err != nil || !same(&before, &after)
	switch holds := edit.If.holds(current); {
	case !holds && (changed || !edit.If.ofVersion()):
		return &ConditionError{edit.Device, current.Version}
	case err != nil:
		return err
	case !changed && !(holds && after.Forget): // Forgetting again forgets what has been sent since.
		after.Version = before.Version
	}
	*out = Outcome{Device: edit.Device, Before: before, After: after}
	return nil
}

// edited returns what an edit makes of an entry, with the next version.
func edited(before *iot.DeviceEntry, edit *Edit) (iot.DeviceEntry, error) {
	from := *before
	if before.Forget {
		from = iot.DeviceEntry{Version: before.Version}
	}
	after, err := edit.To(from)
	if err != nil {
		return after, err
	}
	if before.Version >= iot.MaxVersion {
		return after, ErrNoVersion
	}
	after.Version = before.Version + 1
	return after, after.Normalize()
}

// same reports whether two valid entries differ in their versions at most. An entry that says nothing is the same as none.
func same(a, b *iot.DeviceEntry) bool {
	x := *a
	x.Version = b.Version
	return reflect.DeepEqual(&x, b)
}
