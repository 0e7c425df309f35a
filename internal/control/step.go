package control

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/retry"
)

// step does what can be done now: it reads what was decided since the last step, forgets what is in force by now, and appends what is
// due. The time is that of a clock that goes on. An error delays what is left to later steps.
func (l *Loop) step(ctx context.Context, now time.Time) error {
	l.enqueueAll(now)
	var failures []error
	if l.InForce.Current() { // Otherwise everything would seem to be missing.
		failures = append(failures, l.read(ctx, now), l.compareWaiting(ctx, now))
	}
	failures = append(failures, l.appendDue(ctx, now))
	l.report(now)
	return errors.Join(failures...)
}

// report sets the metrics.
func (l *Loop) report(now time.Time) {
	if l.Metrics.Waiting == nil {
		return
	}
	oldest := time.Duration(0)
	for _, w := range l.waiting {
		oldest = max(oldest, now.Sub(w.since))
	}
	l.Metrics.Waiting(len(l.waiting), oldest)
}

// read reads what was decided since the last step. Everything is read in the first step, after some time, and if the database has
// lost what it had before.
func (l *Loop) read(ctx context.Context, now time.Time) error {
	lost, err := l.lost(ctx)
	if err != nil {
		return err
	}
	losses := l.InForce.lossCount()
	if lost || l.compared.IsZero() {
		l.uncertain = now.Add(compareEvery)
	}
	every := compareEvery
	if now.Before(l.uncertain) {
		every = compareAgain
	}
	bodies := lost || losses != l.losses || l.compared.IsZero()
	whole := bodies || now.Sub(l.compared) >= every
	from := l.seen
	known := make(map[Ref]struct{})
	if whole {
		from = 0
	}
	for {
		read := l.Store.Since
		if whole && !bodies {
			read = l.Store.Versions
		}
		page, err := read(ctx, from, storeBatch)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		from = page[len(page)-1].Revision
		if whole {
			for i := range page {
				known[page[i].Ref] = struct{}{}
			}
		}
		if whole && !bodies {
			if page, err = l.differing(ctx, page); err != nil {
				return err
			}
		}
		if err := l.consider(ctx, page, now); err != nil {
			return err
		}
	}
	if whole {
		if err := l.adoptUnknown(ctx, known, now); err != nil {
			return err
		}
		l.compared, l.losses = now, losses
	}
	if from == l.seen && !whole {
		return nil
	}
	if l.last, err = l.audit(ctx, from); err != nil {
		l.compared = time.Time{}
		return err
	}
	l.seen = from
	return nil
}

// lost reports whether the database does not have the last change any more that was read: an older one was restored. Revisions are
// given again then, so the whole change is compared.
func (l *Loop) lost(ctx context.Context) (bool, error) {
	if l.seen == 0 {
		return false, nil
	}
	last, err := l.audit(ctx, l.seen)
	if err != nil {
		return false, err
	}
	return last.Revision != l.last.Revision || last.Ref != l.last.Ref || last.Version != l.last.Version ||
		!last.Time.Equal(l.last.Time) || !bytes.Equal(last.After, l.last.After), nil
}

// audit returns the audit entry with the highest revision up to the given one, zero if there is none.
func (l *Loop) audit(ctx context.Context, revision int64) (Audit, error) {
	entries, err := l.Store.Audit(ctx, AuditQuery{Before: revision + 1, Limit: 1})
	if err != nil || len(entries) == 0 {
		return Audit{}, err
	}
	return entries[0], nil
}

// differing returns of a page without bodies the objects that have to be considered, with their bodies: those that are new since the last
// step, and those whose versions are not in force. Two bodies with the same version are compared when the object is new, when it waits, and when
// everything is compared after a start or a loss. That is often enough, because the body of a version does not change.
func (l *Loop) differing(ctx context.Context, page []Object) ([]Object, error) {
	var refs []Ref
	for i := range page {
		if page[i].Revision > l.seen || !l.InForce.agreesByVersion(&page[i]) {
			refs = append(refs, page[i].Ref)
		}
	}
	if len(refs) == 0 {
		return nil, nil
	}
	return l.Store.Objects(ctx, refs)
}

// adoptUnknown considers the devices and maps about which something is in force and that the database does not know.
func (l *Loop) adoptUnknown(ctx context.Context, known map[Ref]struct{}, now time.Time) error {
	for refs := range slices.Chunk(l.InForce.unknown(known), storeBatch) {
		page, err := l.Store.Objects(ctx, refs)
		if err != nil {
			return err
		}
		if err := l.consider(ctx, page, now); err != nil {
			return err
		}
	}
	return nil
}

// consider compares objects of the database with what is in force.
func (l *Loop) consider(ctx context.Context, objects []Object, now time.Time) error {
	var confirmed []Object
	var contradicted []Ref
	for _, o := range objects {
		if !o.Kind.relayed() || (o.Kind == Map || o.Kind == Type) && !l.InForce.mapsKnown() {
			continue // Everything is compared once the maps are known. Other kinds are not for the log, or for the version that has them.
		}
		switch result, _ := l.InForce.compare(&o); result {
		case agreed:
			if o.Deleted && !o.Confirmed && o.Version > 0 {
				confirmed = append(confirmed, o)
			}
		case missing:
			l.await(o, now)
		default:
			contradicted = append(contradicted, o.Ref)
		}
	}
	return errors.Join(l.confirm(ctx, confirmed), l.resolve(ctx, contradicted, now))
}

// await has an object of the database wait that is not in force. Its record may be in the log already.
func (l *Loop) await(o Object, now time.Time) {
	if known := l.waiting[o.Ref]; known == nil || known.object.Version != o.Version || !bytes.Equal(known.object.Body, o.Body) {
		l.wait(waiting{object: o, since: now, due: now})
	}
}

// resolve resolves contradictions, which a database leads to that was restored from an older backup. What is in force and has a higher
// version was decided later, and is adopted. Of two decisions with the same version that of the database was made later, and gets
// a new version.
func (l *Loop) resolve(ctx context.Context, refs []Ref, now time.Time) error {
	if len(refs) == 0 {
		return nil
	}
	var changed []Object
	err := l.Store.Change(ctx, refs, func(current []Object) ([]Change, error) {
		changed = nil
		var changes []Change
		for i := range current {
			ch, err := l.resolution(&current[i], now)
			if err != nil {
				l.Logger.Error("a decision cannot be brought into force", "kind", current[i].Kind, "id", current[i].ID, "error", err)
				continue
			}
			if ch != nil {
				changes = append(changes, *ch)
				changed = append(changed, ch.Object)
			}
		}
		return changes, nil
	})
	if err != nil {
		return fmt.Errorf("resolve contradictions: %w", err)
	}
	if len(changed) > 0 {
		l.Logger.Warn("the database contradicts what is in force: an older one was restored", "objects", len(changed))
	}
	for _, o := range changed {
		if result, _ := l.InForce.compare(&o); result == missing {
			l.enqueue([]Object{o}, now)
		}
	}
	return nil
}

// resolution returns the change that ends a contradiction; nil if there is none any more.
func (l *Loop) resolution(current *Object, now time.Time) (*Change, error) {
	switch result, known := l.InForce.compare(current); result {
	case ahead:
		return &Change{Object: known, Actor: loopActor, Action: "adopt", Time: now}, nil
	case conflicting:
		version, _ := l.InForce.Version(current.Ref)
		next, err := current.next(max(version, current.Version) + 1)
		if err != nil {
			return nil, err
		}
		return &Change{Object: next, Actor: loopActor, Action: "repeat", Time: now}, nil
	}
	return nil, nil
}

// loopActor is the Actor of changes that no person has made.
const loopActor = "iotmon"

// next returns the object with another version.
func (o *Object) next(version int64) (Object, error) {
	switch o.Kind {
	case Map:
		entry, err := o.MapEntry()
		if err != nil {
			return Object{}, err
		}
		entry.Version = version
		return MapObject(&entry), entry.Check()
	case Type:
		return Object{}, errors.New("a type has one version") // Unreachable: types do not conflict.
	case Rule:
		entry, err := o.RuleEntry()
		if err != nil {
			return Object{}, err
		}
		entry.Version = version
		if err := entry.Normalize(); err != nil {
			return Object{}, err
		}
		return RuleObject(&entry), nil
	}
	entry, err := o.DeviceEntry()
	if err != nil {
		return Object{}, err
	}
	entry.Version = version
	if err := entry.Normalize(); err != nil {
		return Object{}, err
	}
	return DeviceObject(o.Identity(), &entry), nil
}

// compareWaiting removes the objects that are in force by now, or contradicted. They are read from the database again: another process
// may have decided later, or the database may have lost the decision.
func (l *Loop) compareWaiting(ctx context.Context, now time.Time) error {
	var done []Ref
	for ref, w := range l.waiting {
		if result, _ := l.InForce.compare(&w.object); result != missing {
			done = append(done, ref)
			delete(l.waiting, ref)
		}
	}
	var err error
	for refs := range slices.Chunk(done, storeBatch) {
		objects, failed := l.Store.Objects(ctx, refs)
		if failed == nil {
			failed = l.consider(ctx, objects, now)
		}
		err = errors.Join(err, failed)
	}
	if err != nil {
		l.compared = time.Time{} // What was removed from waiting is found again.
	}
	return err
}

// confirm remembers that deletions have been in force.
func (l *Loop) confirm(ctx context.Context, objects []Object) error {
	if len(objects) == 0 {
		return nil
	}
	return l.Store.Confirm(ctx, objects)
}

// appendDue appends objects that are due, as many as one step may.
func (l *Loop) appendDue(ctx context.Context, now time.Time) error {
	asked := l.ask(ctx, now)
	due := l.due(now)
	if len(due) == 0 {
		return asked
	}
	objects := make([]Object, len(due))
	for i, w := range due {
		objects[i] = w.object
	}
	ends, err := l.Log.Append(ctx, objects)
	for _, w := range due {
		if w.repeats == nil {
			w.repeats = retry.NewBackoff(firstRepeat, longestRepeat)
		}
		w.due = now.Add(w.repeats.Next())
		w.passed, w.fences = false, ends
	}
	if err != nil { // It is not known what was appended, nor where the log ended.
		for _, w := range due {
			w.fences, w.due = nil, now.Add(askEvery)
		}
		return errors.Join(asked, fmt.Errorf("append decisions: %w", err))
	}
	if l.Metrics.Appended != nil {
		l.Metrics.Appended(len(objects))
	}
	return asked
}

// due returns the objects that are to be appended now, the newest first: somebody who changes one device is not to wait until an import
// is appended. No object depends on another one, but for the map of a source: it waits for its types.
func (l *Loop) due(now time.Time) []*waiting {
	var due []*waiting
	for _, w := range l.waiting {
		if w.passed && !now.Before(w.due) && !slices.ContainsFunc(w.types, func(t iot.DeviceType) bool { return !l.InForce.Admits(t) }) {
			due = append(due, w)
		}
	}
	slices.SortFunc(due, func(a, b *waiting) int { return cmp.Compare(b.number, a.number) })
	count, bytes := 0, 0
	for count < min(len(due), appendBatch) && bytes < appendBytes {
		bytes += len(due[count].object.Body)
		count++
	}
	return due[:count]
}

// ask finds out which objects the processors have passed.
func (l *Loop) ask(ctx context.Context, now time.Time) error {
	var asking []*waiting
	for _, w := range l.waiting {
		if !w.passed && !now.Before(w.due) {
			asking = append(asking, w)
		}
	}
	if len(asking) == 0 || !l.InForce.Current() {
		return nil
	}
	progress, err := l.Log.Progress(ctx)
	if err != nil {
		for _, w := range asking {
			w.due = now.Add(askEvery)
		}
		return err
	}
	ends := make(map[int32]int64, len(progress))
	for id := range progress {
		ends[int32(id)] = progress[id].End
	}
	for _, w := range asking {
		w.due = now.Add(askEvery)
		if w.fences == nil {
			w.fences = ends
		}
		w.passed = l.passed(w, progress)
	}
	return nil
}

// passed reports whether the processors have passed the fences of an object, so that nothing of it is still on its way.
func (l *Loop) passed(w *waiting, progress []Progress) bool {
	if w.object.Kind == Map {
		return true // Maps are not in the processors' log.
	}
	for id := range progress {
		fence, any := w.fences[int32(id)]
		if !any || w.object.Kind == Device && l.Log.PartitionOf(w.object.Identity(), len(progress)) != int32(id) {
			continue
		}
		// A log that ends before the fence was created anew.
		if p := progress[id]; p.Processed < fence && p.End >= fence {
			return false
		}
	}
	return true
}
