package controltest

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"iotmon/internal/control"
	"iotmon/internal/iot"
)

// Log is a control.Log of one partition, with processors that process each record at once. It may be used concurrently.
type Log struct {
	// Slow leaves types out of what is in force while it is set: no processor runs.
	Slow atomic.Bool

	mu      sync.Mutex
	offset  int64
	highest map[control.Ref]int64
	types   []iot.TypeSpec
	readers []*control.InForce
}

var _ control.Log = (*Log)(nil)

// NewLog returns an empty log that sets what is in force in the readers.
func NewLog(readers ...*control.InForce) *Log {
	for _, r := range readers {
		r.Begin(1)
		r.CaughtUp()
		r.BeginMaps()
		r.MapsCaughtUp()
	}
	return &Log{highest: make(map[control.Ref]int64), readers: readers}
}

// Append implements control.Log. It puts all kinds of objects in force.
func (l *Log) Append(_ context.Context, objects []control.Object) (map[int32]int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range objects {
		o := &objects[i]
		l.offset++
		if o.Version <= l.highest[o.Ref] {
			continue
		}
		if o.Kind == control.Type {
			if err := l.appendType(o); err != nil {
				return nil, err
			}
			continue
		}
		if o.Kind == control.Map {
			entry, err := o.MapEntry()
			if err != nil {
				return nil, err
			}
			l.highest[o.Ref] = o.Version
			for _, r := range l.readers {
				r.SetMap(&entry)
			}
			continue
		}
		if o.Kind == control.Rule {
			entry, err := o.RuleEntry()
			if err != nil {
				return nil, err
			}
			l.highest[o.Ref] = o.Version
			for _, r := range l.readers {
				r.SetRule(&iot.RuleInForce{RuleEntry: entry, Position: iot.Position{Offset: l.offset}})
			}
			continue
		}
		entry, err := o.DeviceEntry()
		if err != nil {
			return nil, err
		}
		l.highest[o.Ref] = o.Version
		for _, r := range l.readers {
			r.SetDevice(o.Identity(), &iot.EntryInForce{DeviceEntry: entry, Position: iot.Position{Offset: l.offset}})
		}
	}
	return map[int32]int64{0: l.offset}, nil
}

// appendType puts a type in force. The caller holds mu.
func (l *Log) appendType(o *control.Object) error {
	spec, err := o.TypeSpec()
	if err != nil || l.Slow.Load() {
		return err
	}
	l.highest[o.Ref] = o.Version
	l.types = append(l.types, *spec)
	for _, r := range l.readers {
		r.SetType(spec)
		r.SetLimits(&iot.SettingsInForce{Settings: iot.Settings{Limits: &iot.Limits{Decided: slices.Clone(l.types)}}, Since: l.offset})
	}
	return nil
}

// Progress implements control.Log.
func (l *Log) Progress(context.Context) ([]control.Progress, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return []control.Progress{{Processed: l.offset, End: l.offset}}, nil
}

// PartitionOf implements control.Log.
func (l *Log) PartitionOf(iot.Identity, int) int32 { return 0 }
