package decisions

import (
	"context"
	"log/slog"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/control"
	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/wire"
)

// Follower reads what is in force, read committed: first everything, then every change.
type Follower struct{ FollowerOptions }

// FollowerOptions configure a Follower. Dial, Topics, InForce and Logger are required.
type FollowerOptions struct {
	// RulesOnly skips all but rules: what only shows them does not need the entries of a hundred thousand devices in memory.
	RulesOnly bool
	Dial      kafka.Dial
	Topics    kafka.Topics
	InForce   *control.InForce
	Logger    *slog.Logger
}

// NewFollower returns a follower; Run does the work.
func NewFollower(options FollowerOptions) *Follower { return &Follower{options} }

// Run reads until ctx ends, as kafka.Follower does.
func (f *Follower) Run(ctx context.Context) error {
	follower := kafka.Follower{
		Dial: f.Dial, Topic: f.Topics.InForce, Contents: "what is in force", Logger: f.Logger, Apply: f.apply,
		Begin:    func(partitions int) { f.InForce.Begin(int32(partitions)) },
		CaughtUp: f.InForce.CaughtUp,
	}
	return follower.Run(ctx)
}

// apply applies one record. The error means that no processor has written it.
func (f *Follower) apply(r *kgo.Record) error {
	of, name, ok := wire.SplitInForceKey(r.Key)
	switch {
	case !ok, f.RulesOnly && of != wire.RuleInForce:
		return nil // Not of this version, or the mark of a restore.
	case of == wire.RuleInForce && r.Value == nil:
		f.InForce.RemoveRule(string(name), r.Partition)
	case of == wire.RuleInForce:
		rule, err := wire.DecodeRuleInForce(r.Value)
		if err != nil {
			return err
		}
		rule.Partition = r.Partition
		f.InForce.SetRule(&rule)
	case of == wire.LimitsInForce:
		return f.applyLimits(r, name)
	case of == wire.ShelvedInForce:
		return f.applyShelved(r, name)
	case of == wire.OutageInForce:
		return f.applyOutage(r, name)
	case of == wire.ReferenceInForce:
		return f.applyReference(r, name)
	case of == wire.PointsInForce:
		return f.applyPoints(r, name)
	case of == wire.ReturnedInForce && r.Value == nil:
		f.InForce.RemoveReturned(string(name), r.Partition)
	case of == wire.ReturnedInForce:
		cleared, err := wire.DecodeAlert(r.Value)
		if err != nil {
			return err
		}
		cleared.Partition = r.Partition
		f.InForce.SetReturned(&cleared)
	case of == wire.OutcomeInForce && r.Value == nil:
		f.InForce.RemoveOutcome(string(name), r.Partition)
	case of == wire.OutcomeInForce:
		outcome, err := wire.DecodeOutcome(r.Value)
		if err != nil {
			return err
		}
		outcome.Partition = r.Partition
		f.InForce.SetOutcome(&outcome)
	case of == wire.EntryInForce:
		device, err := wire.DecodeDeviceKey(name)
		if err != nil {
			return err
		}
		if r.Value == nil {
			f.InForce.RemoveDevice(device, r.Partition)
			return nil
		}
		entry, err := wire.DecodeEntryInForce(r.Value)
		if err != nil {
			return err
		}
		entry.Partition = r.Partition
		f.InForce.SetDevice(device, &entry)
	}
	return nil
}

// applyShelved applies a record with what of a device is shelved.
func (f *Follower) applyShelved(r *kgo.Record, name []byte) error {
	device, err := wire.DecodeDeviceKey(name)
	if err != nil {
		return err
	}
	if r.Value == nil {
		f.InForce.RemoveShelved(device, r.Partition)
		return nil
	}
	shelved, err := wire.DecodeShelvedInForce(r.Value)
	if err != nil {
		return err
	}
	shelved.Partition = r.Partition
	f.InForce.SetShelved(device, &shelved)
	return nil
}

// applyOutage applies a record with the outage of a parent.
func (f *Follower) applyOutage(r *kgo.Record, name []byte) error {
	parent, err := wire.DecodeDeviceKey(name)
	if err != nil {
		return err
	}
	if r.Value == nil {
		f.InForce.RemoveOutage(parent, r.Partition)
		return nil
	}
	outage, err := wire.DecodeOutageInForce(r.Value)
	if err != nil {
		return err
	}
	outage.Partition = r.Partition
	f.InForce.SetOutage(parent, &outage)
	return nil
}

// applyReference applies a record with the reference of peers.
func (f *Follower) applyReference(r *kgo.Record, name []byte) error {
	peers, err := wire.DecodePeersKey(name)
	if err != nil {
		return err
	}
	if r.Value == nil {
		f.InForce.RemoveReference(peers, r.Partition)
		return nil
	}
	reference, err := wire.DecodeReferenceInForce(r.Value)
	if err != nil {
		return err
	}
	reference.Partition = r.Partition
	f.InForce.SetReference(peers, &reference)
	return nil
}

// applyPoints applies a record with the points of a machine.
func (f *Follower) applyPoints(r *kgo.Record, name []byte) error {
	machine, err := wire.DecodeMachineKey(name)
	if err != nil {
		return err
	}
	if r.Value == nil {
		f.InForce.RemovePoints(machine, r.Partition)
		return nil
	}
	points, err := wire.DecodePointsInForce(r.Value)
	if err != nil {
		return err
	}
	points.Partition = r.Partition
	f.InForce.SetPoints(machine, &points)
	return nil
}

// applyLimits applies a record with limits, whose key has the offset from which they hold.
func (f *Follower) applyLimits(r *kgo.Record, name []byte) error {
	since, err := strconv.ParseInt(string(name), 10, 64)
	if err != nil {
		return err
	}
	if r.Value == nil {
		f.InForce.RemoveLimits(since, r.Partition)
		return nil
	}
	limits, err := wire.DecodeSettingsInForce(r.Value)
	if err != nil {
		return err
	}
	if limits.Limits == nil || limits.Since != since {
		return iot.Invalid("limits", "not those of the key")
	}
	limits.Partition = r.Partition
	f.InForce.SetLimits(&limits)
	return nil
}
