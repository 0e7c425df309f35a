package iot

import "time"

// Outage says that the parent of devices, such as a gateway, is silent, or that it is not any more: the value of a record of KindOutage, whose
// key is the parent. While the parent is silent, alerts about the silence of its devices are suppressed: it has an alert of its own. It follows
// from the state of the parent, which another partition has, and is appended to the partitions of the devices.
type Outage struct {
	// Silent means that an alert about the silence of the parent is open.
	Silent bool
	// For is how long that holds by the log's clock unless it is said again, so that nothing is suppressed for good if nobody is left to say that
	// it is over; at most MaxOutage. It is 0 if the parent is not silent.
	For time.Duration
	// Evidence is the position of the parent's state from which this follows; zero if the parent has none, because it was forgotten. A contradiction that
	// follows from an earlier state of the same partition is ignored.
	Evidence Position
}

// MaxOutage is the maximum of Outage.For.
const MaxOutage = time.Hour

// Normalize checks the outage. The error is an *InvalidError.
func (o *Outage) Normalize() error {
	o.For = o.For.Truncate(time.Microsecond)
	if o.Silent && (o.For <= 0 || o.For > MaxOutage) {
		return Invalid("for", "must be more than 0 and at most %v (got %v)", MaxOutage, o.For)
	}
	if !o.Silent && o.For != 0 {
		return Invalid("for", "only a silent parent has it (got %v)", o.For)
	}
	if o.Evidence.Partition < 0 || o.Evidence.Epoch < 0 || o.Evidence.Offset < 0 {
		return Invalid("evidence", "must not be negative (got %+v)", o.Evidence)
	}
	return nil
}

// OutageInForce is the last outage of a parent that has devices in the partition. It is kept until the outage is over and suppresses nothing
// any more.
type OutageInForce struct {
	Silent   bool
	Evidence Position
	// Since is when the parent became silent or, if it is not any more, when it returned: the log's clock at the first record that said so. Until is
	// when the outage ends unless it is said again.
	Since, Until time.Time
	Position
}

// After reports whether an outage with this evidence follows from an earlier state of the parent than o does.
func (o *OutageInForce) After(evidence Position) bool {
	return evidence != Position{} && evidence.Partition == o.Evidence.Partition && evidence.Compare(o.Evidence) < 0
}

// Normalize checks the outage. The error is an *InvalidError.
func (o *OutageInForce) Normalize() error {
	if o.Since.IsZero() || o.Until.IsZero() {
		return Invalid("until", "missing, or since")
	}
	said := Outage{Silent: o.Silent, Evidence: o.Evidence}
	if o.Silent {
		said.For = MaxOutage
	}
	return said.Normalize()
}

// AboutSilence reports whether an alert about the silence of the device is open, and the device is still silent.
func (s *DeviceState) AboutSilence() bool {
	for i := range s.Alerts {
		if state := &s.Alerts[i]; state.Raised != nil && (state.Rule == RuleOffline || state.Condition == NoData && state.Safe.IsZero() && state.Raised.Latched.IsZero()) {
			return true
		}
	}
	return false
}
