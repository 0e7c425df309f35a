package iot

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"
)

// Severity is how urgent an alert is.
type Severity string

// The severities, least urgent first.
const (
	Info     Severity = "info"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// Severities lists every severity, least urgent first.
var Severities = [...]Severity{Info, Warning, Critical}

// Rank returns 0 for info, 1 for warning, 2 for critical and -1 for anything else.
func (s Severity) Rank() int { return slices.Index(Severities[:], s) }

// Transition is what an alert event reports.
type Transition string

// An alert is raised once and cleared once; between the two it may be updated or acknowledged. Its condition may return to normal and be
// violated again meanwhile, if its rule latches it. Of an alert that waits for nobody any more the processor knows nothing: Noted has the id and
// the device, and adds to what the archive has a comment or, if nobody has acknowledged the alert, the Reason why nobody has to.
const (
	Raised       Transition = "raised"
	Updated      Transition = "updated"
	Acknowledged Transition = "acknowledged"
	Cleared      Transition = "cleared"
	Noted        Transition = "noted"
)

// Alert is one event in the life of an alert: the value of topic alerts. Events of the same alert share their ID.
type Alert struct {
	// ID derives from rule, device and onset, so a reader recognizes an event that it receives twice.
	ID   string
	Rule string
	// Tenant and DeviceID identify the device.
	Tenant     Tenant
	DeviceID   DeviceID
	DeviceType DeviceType
	Severity   Severity
	Transition Transition
	// Message is in Chinese, as in the product's description, MessageEN in English: the rule's own texts or, if it has none, what has been judged. Alerts of
	// older versions may have no MessageEN.
	Message, MessageEN string
	// Procedure is the rule's: the address of a page that says what to do.
	Procedure string
	// Value is what the rule has judged at this event: the reading's value or, for a statistic, that. Threshold is the rule's. Both are 0
	// for RuleOffline.
	Value, Threshold float64
	// Below is copied from the rule: a value under Threshold violates it.
	Below    bool
	Unit     string
	Location Location
	// Area is where the registry says that the device belongs, empty if the Location applies.
	Area Area
	// Onset is the time of the first violating reading, or the moment a silent device counts as offline.
	Onset time.Time
	// Time is the event time of this event.
	Time time.Time
	// Historical marks a violation found in past readings: it is already over and notifies nobody. Onset is the time of the
	// first violating reading, Time that of the first safe reading after it, or of the last reading received.
	Historical bool
	// Latched is the time of the reading by which the condition has returned to normal, while the rule keeps the alert open; otherwise zero.
	Latched time.Time
	// Reason is why the alert has cleared, if not because of a reading. An event that is updated has RuleChanged if the alert follows its rule, or the device's
	// own limits, which have changed.
	Reason ClearReason
	Handling
	Position
}

// Handling is what people have done about an alert.
type Handling struct {
	// AckedAt is when the alert was acknowledged, by the log's clock, zero if nobody has acknowledged it. AckedBy is the opaque id of
	// the person.
	AckedAt time.Time
	AckedBy string
	// Suppressed is why nobody is to be notified of the alert, empty if somebody is. SuppressedUntil is the planned end, zero if there
	// is none. SuppressedBy is the opaque id of the person who has suppressed it or, by design, the name of the rule of the kind Maintenance or the
	// id of the parent; SuppressedAt is since when.
	Suppressed      Suppression
	SuppressedUntil time.Time
	SuppressedBy    string
	SuppressedAt    time.Time
	// SuppressedReason is why a person has decided that, at most MaxSuppressedReason bytes; empty if no person has, or none was given. SuppressedActor is
	// the opaque id of the person who has decided about the maintenance that SuppressedBy names; empty if that is not known, and of anything else.
	SuppressedReason, SuppressedActor string
	// Actor is the opaque id of the person who caused this event, empty if no person did, and Comment what the person wrote.
	Actor, Comment string
}

// MaxSuppressedReason is the maximum length of Handling.SuppressedReason in bytes. A longer reason of a shelving is cut there, and is whole in the event of
// the shelving itself: the state of a device has the reason with every alert.
const MaxSuppressedReason = MaxRuleText

// Suppress makes an alert suppressed by a shelving, or not suppressed if that is nil.
func (h *Handling) Suppress(by *Shelving) {
	h.suppressed("", time.Time{}, "", time.Time{})
	if by == nil {
		return
	}
	h.suppressed(Shelved, by.Until, by.Actor, by.Since)
	h.SuppressedReason = cutText(by.Reason, MaxSuppressedReason)
	if by.OutOfService {
		h.Suppressed = OutOfService
	}
}

// suppressed sets why, until when, by what and since when an alert is suppressed.
func (h *Handling) suppressed(why Suppression, until time.Time, by string, at time.Time) {
	h.Suppressed, h.SuppressedUntil, h.SuppressedBy, h.SuppressedAt = why, until, by, at
	h.SuppressedReason, h.SuppressedActor = "", ""
}

// SuppressByDesign makes an alert suppressed by a rule of the kind Maintenance while one of its periods holds.
func (h *Handling) SuppressByDesign(rule *Rule, during Period) {
	h.suppressed(ByDesign, during.Until, rule.Name, during.From)
	h.SuppressedReason, h.SuppressedActor = cutText(rule.Text, MaxSuppressedReason), rule.DecidedBy
}

// SuppressByParent makes an alert suppressed because of the parent of its device, since now unless it has been before. A planned end is not
// known: it moves as long as the outage lasts.
func (h *Handling) SuppressByParent(parent DeviceID, before *Handling, now time.Time) {
	h.suppressed(ByParent, time.Time{}, string(parent), now)
	if before.Suppressed == ByParent && before.SuppressedBy == h.SuppressedBy {
		h.SuppressedAt = before.SuppressedAt
	}
}

// Suppression is why people are not notified of an alert, which is raised and cleared as any other.
type Suppression string

// An alert is suppressed while its rule, or its device, is shelved or out of service, and by design while its device is maintained or, if it is
// about the device's silence, while the device's parent is silent; see Outage.
const (
	Shelved      Suppression = "shelved"
	OutOfService Suppression = "out_of_service"
	ByDesign     Suppression = "by_design"
	ByParent     Suppression = "by_parent"
)

// ClearReason is why an alert has cleared without a reading that is safe, or why one that has cleared need not be acknowledged.
type ClearReason string

// The reasons for which an alert clears.
const (
	// NotSelected means that the rule was removed, or no longer selects the device.
	NotSelected ClearReason = "not_selected"
	// RuleChanged means that the rule has another condition or, for the offline alert, the device another expected interval or, for a deviation, the device
	// other peers. Of an alert that is still open it
	// means another severity, threshold, text or procedure.
	RuleChanged ClearReason = "rule_changed"
	// WasReset means that somebody has reset a latched alert.
	WasReset ClearReason = "reset"
	// Waived means that an alert that has cleared need not be acknowledged any more, because too many of its partition wait for that, or the
	// processor of an older version has not kept it. WaivedForgotten means that its device is forgotten.
	Waived          ClearReason = "acknowledgement_waived"
	WaivedForgotten ClearReason = "device_forgotten"
)

// Waives reports whether an alert that has cleared for this reason need not be acknowledged.
func (r ClearReason) Waives() bool { return r == Waived || r == WaivedForgotten }

// LifeState is where an alert is in its life, in the terms of ISA-18.2 and IEC 62682.
type LifeState string

// The states. Whether an alert is suppressed is not one of them.
const (
	Unacknowledged         LifeState = "unacknowledged"
	AcknowledgedState      LifeState = "acknowledged"
	ReturnedUnacknowledged LifeState = "returned_unacknowledged"
	LatchedUnacknowledged  LifeState = "latched_unacknowledged"
	LatchedAcknowledged    LifeState = "latched_acknowledged"
	NormalState            LifeState = "normal"
)

// LifeState returns where the alert is in its life after this event.
func (a *Alert) LifeState() LifeState {
	acknowledged := !a.AckedAt.IsZero()
	switch {
	case a.Historical, a.Rule == RuleClock, !a.Open() && (acknowledged || a.Reason.Waives() || a.Transition == Noted):
		return NormalState
	case !a.Open():
		return ReturnedUnacknowledged
	case !a.Latched.IsZero() && acknowledged:
		return LatchedAcknowledged
	case !a.Latched.IsZero():
		return LatchedUnacknowledged
	case acknowledged:
		return AcknowledgedState
	default:
		return Unacknowledged
	}
}

// AlertID returns the id of the alert that rule raises for device with the given onset.
func AlertID(rule string, device Identity, onset time.Time) string {
	return contentID(fmt.Sprintf("%s\x00%s\x00%d", rule, device, onset.UnixMicro()))
}

// HistoricalAlertID returns the id of the historical event for the same arguments; it never equals an AlertID.
func HistoricalAlertID(rule string, device Identity, onset time.Time) string {
	return contentID(fmt.Sprintf("%s\x00%s\x00%d\x00historical", rule, device, onset.UnixMicro()))
}

func contentID(content string) string {
	hash := sha256.Sum256([]byte(content))
	return hex.EncodeToString(hash[:12])
}

// Identity returns what identifies the device.
func (a *Alert) Identity() Identity { return Identity{a.Tenant, a.DeviceID} }

// Open reports whether the alert is open after this event.
func (a *Alert) Open() bool { return a.Transition != Cleared && a.Transition != Noted }

// FirstArea returns the first level of the area to which the device belongs.
func (a *Alert) FirstArea() Area {
	if a.Area != "" {
		return a.Area.First()
	}
	return a.Location.FirstArea()
}

// AlertState is the state of one rule for one device: all that a processor needs to raise and clear exactly once. A zero
// Onset or Safe means that there is no such reading.
type AlertState struct {
	Rule string
	// Condition is the kind of the rule's condition when it was evaluated last.
	Condition ConditionKind
	// Onset is the time of the first violating reading since the last safe one.
	Onset time.Time
	// Safe is the time of the first safe reading after the last violating one, while the alert waits to clear.
	Safe time.Time
	// Raised holds the raised event while the alert is open, nil before and after. Its Handling is that of now, and its Transition is
	// Acknowledged once somebody has acknowledged the alert.
	Raised *Alert
}

// ConditionState is what the condition of one rule remembers of one device. Its size is limited: see MaxConditionPoints.
type ConditionState struct {
	Rule      string
	Condition ConditionKind
	// Version is the version of the rule that was evaluated last.
	Version int64
	// Points holds readings in the order in which they were evaluated. The kind of the condition determines which ones are kept.
	Points []ConditionPoint
}

// ConditionPoint is a value and its time At in microseconds since 1970. At is negative in a run whose readings come newest
// first, so it always grows. Count is how many values Value stands for, where the condition says so. Min and Max are the least and the greatest
// of them, for Expression, where Value is their sum.
type ConditionPoint struct {
	At       int64
	Value    float64
	Count    uint64
	Min, Max float64
}

// RuleStates is all that the rules remember of one device.
type RuleStates struct {
	// Alerts holds one entry for each rule that is violated or whose alert is still open.
	Alerts []AlertState
	// Conditions holds one entry for each rule whose condition has a memory.
	Conditions []ConditionState
}

// PastRun is the state of a run of past readings, such as a gateway's backlog, while they violate a rule or a rule's condition
// remembers them. Durations and hysteresis apply as they do to live readings, so a value that crosses a threshold a hundred
// times in an hour does not become a hundred alerts.
type PastRun struct {
	// Last is the time of the reading that was evaluated last, Arrived the time at which it was appended to the log.
	Last, Arrived time.Time
	// Backward means that the readings come newest first, Forward oldest first; neither is known after a single reading.
	Forward, Backward bool
	// Resumed means that live readings have followed, none of which had a value that rules judge.
	Resumed bool
	// RuleStates is what the rules remember of the run. Unlike in the live states, the alert in Raised has not been published.
	RuleStates
}

// compareAlerts orders by urgency, then by age, then by id: the order in which a summary lists alerts.
func compareAlerts(a, b *Alert) int {
	return cmp.Or(
		cmp.Compare(b.Severity.Rank(), a.Severity.Rank()),
		a.Onset.Compare(b.Onset),
		cmp.Compare(a.ID, b.ID),
	)
}

// mergeAlerts returns the most urgent MaxSummaryAlerts of both lists.
func mergeAlerts(a, b []Alert) []Alert {
	if len(b) == 0 {
		return a
	}
	return TopAlerts(append(slices.Clone(a), b...))
}

// TopAlerts returns copies of the most urgent MaxSummaryAlerts alerts, most urgent first.
func TopAlerts(alerts []Alert) []Alert {
	list := make([]*Alert, len(alerts))
	for i := range alerts {
		list[i] = &alerts[i]
	}
	return MostUrgent(list)
}

// MostUrgent is TopAlerts for a list that it may reorder.
func MostUrgent(alerts []*Alert) []Alert {
	if len(alerts) == 0 {
		return nil
	}
	slices.SortFunc(alerts, compareAlerts)
	top := make([]Alert, min(len(alerts), MaxSummaryAlerts))
	for i := range top {
		top[i] = *alerts[i]
	}
	return top
}
