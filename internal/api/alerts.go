package api

import (
	"context"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/alert"
	"iotmon/internal/control"
	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

type alertsInput struct {
	State    string         `query:"state" doc:"Only alerts that are open, or only those that are cleared; returned: that have cleared, and that nobody has acknowledged." enum:"open,cleared,returned"`
	Severity iot.Severity   `query:"severity" doc:"Only this severity." enum:"info,warning,critical"`
	Type     iot.DeviceType `query:"type" doc:"Only this device type." maxLength:"128"`
	Device   iot.DeviceID   `query:"device" doc:"Only this device." maxLength:"128"`
	Rule     string         `query:"rule" doc:"Only this rule: the alert_type." example:"temperature_high" maxLength:"128"`
	Area     iot.Area       `query:"area" doc:"Only devices of this area and those below it; of devices without a registry entry, those in this building." maxLength:"1024"`
	Text     string         `query:"q" doc:"Only with this part in the device's id, the rule or the message, in either case." maxLength:"128"`
	From     moment         `query:"from" doc:"The earliest onset: RFC 3339, or a time before now such as -90m or -7d. Any if absent."`
	To       moment         `query:"to" doc:"The end of the onsets, exclusive: RFC 3339, now, or a time before now. Any if absent."`
	Limit    int            `query:"limit" doc:"How many alerts one page holds at most." minimum:"1" maximum:"1000" default:"100" example:"10"`
	Cursor   string         `query:"cursor" doc:"The next of the page before." maxLength:"2048"`
}

func (in alertsInput) listing() string {
	in.Limit, in.Cursor = 0, ""
	return listing("alerts", in)
}

// open translates the state to AlertsQuery.Open.
func (in *alertsInput) open() *bool {
	if in.State != "open" && in.State != "cleared" {
		return nil
	}
	open := in.State == "open"
	return &open
}

// alertsRow is a cursor: the last row of a page, and the time range, which the first page fixes.
type alertsRow struct {
	From  time.Time `json:"f,omitzero"`
	To    time.Time `json:"t,omitzero"`
	Onset time.Time `json:"o"`
	ID    string    `json:"i"`
}

// archivedAlert is the latest event of an alert, with the times at which it was raised and cleared.
type archivedAlert struct {
	wire.Alert
	RaisedAt  time.Time  `json:"raised_at" doc:"When the alert was raised, in event time."`
	ClearedAt *time.Time `json:"cleared_at,omitempty" doc:"When it cleared, in event time; absent while it is open."`
	// The last comment is in Actor and Comment.
	CommentedAt time.Time `json:"commented_at,omitzero" doc:"When the comment was written, by the log's clock; absent without a comment."`
}

func (s *server) listAlerts(ctx context.Context, in *alertsInput) (*answer[list[archivedAlert]], error) {
	if err := s.checkType(in.Type); err != nil {
		return nil, err
	}
	row, err := s.alertsStart(in)
	if err != nil {
		return nil, err
	}
	alerts, err := s.o.History.Alerts(ctx, AlertsQuery{
		Device: in.Device, Type: in.Type, Rule: in.Rule, Severity: in.Severity, Open: in.open(),
		Returned: in.State == "returned", Area: in.Area.Canonical(), Text: in.Text,
		From: row.From, To: row.To, BeforeOnset: row.Onset, AfterID: row.ID, Limit: in.Limit + 1,
	})
	if err := s.historyProblem(ctx, err); err != nil {
		return nil, err
	}
	out := &answer[list[archivedAlert]]{}
	if len(alerts) > in.Limit {
		alerts = alerts[:in.Limit]
		last := &alerts[in.Limit-1]
		row.Onset, row.ID = last.Onset, last.ID
		if out.Body.Next, err = seal(in.listing(), row); err != nil {
			return nil, err
		}
	}
	out.Body.Items = make([]archivedAlert, len(alerts))
	for i := range alerts {
		out.Body.Items[i] = fromArchived(&alerts[i])
	}
	return out, nil
}

func (s *server) alertsStart(in *alertsInput) (alertsRow, error) {
	if in.Cursor != "" {
		return unseal[alertsRow](in.listing(), in.Cursor)
	}
	now := s.o.Now()
	row := alertsRow{From: in.From.resolve(now, time.Time{}), To: in.To.resolve(now, time.Time{})}
	if row.From.IsZero() || row.To.IsZero() {
		return row, nil
	}
	return row, checkPeriod(row.From, row.To)
}

func fromArchived(a *ArchivedAlert) archivedAlert {
	out := archivedAlert{Alert: wire.FromAlert(&a.Alert), RaisedAt: a.Raised, CommentedAt: a.CommentedAt}
	if !a.ClearedAt.IsZero() {
		out.ClearedAt = &a.ClearedAt
	}
	return out
}

type alertInput struct {
	ID string `path:"id" doc:"The alert's id." maxLength:"64"`
}

// fromArchive returns the alert of an id, if the archive has it. The error is a problem.
func (s *server) fromArchive(ctx context.Context, id string) (alert ArchivedAlert, ok bool, err error) {
	if id == "" { // To the archive that is no condition.
		return alert, false, nil
	}
	found, err := s.o.History.Alerts(ctx, AlertsQuery{ID: id, Limit: 1})
	if err := s.historyProblem(ctx, err); err != nil || len(found) == 0 {
		return alert, false, err
	}
	return found[0], true, nil
}

// getAlert answers with an alert of the archive. One that has just been raised may not be there yet: then it is that of the live view.
func (s *server) getAlert(ctx context.Context, in *alertInput) (*answer[archivedAlert], error) {
	found, archived, err := s.fromArchive(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if archived {
		return &answer[archivedAlert]{fromArchived(&found)}, nil
	}
	a, ok := s.o.Fleet.Alert(in.ID)
	if !ok {
		return nil, huma.Error404NotFound("there is no alert " + iot.Quote(in.ID))
	}
	out := archivedAlert{Alert: wire.FromAlert(&a), RaisedAt: a.Time}
	if !a.Open() {
		out.ClearedAt = &a.Time
	}
	return &answer[archivedAlert]{out}, nil
}

// alertEvent is one event of an alert.
type alertEvent struct {
	State           iot.Transition  `json:"state" enum:"raised,updated,acknowledged,cleared,noted" doc:"What happened; noted: something was said when it was over, or nobody has to acknowledge it any more."`
	AlarmState      iot.LifeState   `json:"alarm_state" doc:"Where the alert is in its life after the event."`
	Timestamp       time.Time       `json:"timestamp" doc:"When: the device's time of a reading, the log's of what somebody has decided."`
	CurrentValue    float64         `json:"current_value"`
	Reason          iot.ClearReason `json:"reason,omitempty" doc:"Why the alert has cleared, if not because of a reading, or why nobody has to acknowledge it; rule_changed of one that is updated: it follows a change of its rule."`
	Suppressed      iot.Suppression `json:"suppressed,omitempty" doc:"Why nobody is notified of it."`
	SuppressedUntil time.Time       `json:"suppressed_until,omitzero"`

	SuppressedBy     string `json:"suppressed_by,omitempty" doc:"Who has shelved it, an opaque id, or the name of the maintenance, or the id of the parent that suppresses it; absent in events that an older version has stored."`
	SuppressedReason string `json:"suppressed_reason,omitempty" doc:"Why a person has decided that; at most 256 bytes."`
	SuppressedActor  string `json:"suppressed_actor,omitempty" doc:"Who has decided the maintenance: an opaque id; absent if that is not known."`
	Actor            string `json:"actor,omitempty" doc:"Who: an opaque id; absent if nobody has caused the event. Of an alert that has followed its rule, or cleared with it: who has decided so."`
	Comment          string `json:"comment,omitempty"`
}

// alertEvents is the answer with the events of an alert.
type alertEvents struct {
	Items     []alertEvent `json:"items" nullable:"false"`
	Truncated bool         `json:"truncated,omitempty" doc:"There are later events, which are not listed: the alert itself says what it is now."`
}

func (s *server) listAlertEvents(ctx context.Context, in *alertInput) (*answer[alertEvents], error) {
	events, err := s.o.History.AlertEvents(ctx, "", in.ID)
	if err := s.historyProblem(ctx, err); err != nil {
		return nil, err
	}
	if len(events) == 0 {
		return nil, huma.Error404NotFound("no events of an alert " + iot.Quote(in.ID) + " are archived")
	}
	truncated := len(events) > MaxAlertEvents
	if truncated {
		events = events[:MaxAlertEvents]
	}
	out := alertEvents{Items: make([]alertEvent, len(events)), Truncated: truncated}
	for i, e := range events {
		out.Items[i] = alertEvent{e.Transition, e.State, e.Time, e.Value, e.Reason, e.Suppressed, e.SuppressedUntil,
			e.SuppressedBy, e.SuppressedReason, e.SuppressedActor, e.Actor, e.Comment}
	}
	s.nameRuleChanges(ctx, in.ID, out.Items)
	return &answer[alertEvents]{out}, nil
}

// nameRuleChanges adds who has changed, disabled or deleted the rule, and why, to the events by which an alert has followed its rule, as far as the database
// answers.
func (s *server) nameRuleChanges(ctx context.Context, id string, events []alertEvent) {
	if s.o.Rules == nil || !slices.ContainsFunc(events, followsRule) {
		return
	}
	a, archived, err := s.fromArchive(ctx, id)
	if err != nil || !archived {
		return
	}
	decided, err := s.o.Rules.Audit(ctx, control.AuditQuery{Of: control.RuleRef(iot.RuleOfAlert(a.Rule)), Limit: maxRuleVersions})
	if err != nil {
		return
	}
	for i := range events {
		if e := &events[i]; followsRule(*e) {
			if d := s.causeOf(e, &a.Alert, decided); d != nil {
				e.Actor, e.Comment = d.Actor, d.Reason
			}
		}
	}
}

// followsRule reports whether an alert has followed a change of its rule by an event, or may have.
func followsRule(e alertEvent) bool {
	if e.Actor != "" {
		return false
	}
	return e.Reason == iot.RuleChanged && (e.State == iot.Updated || e.State == iot.Cleared) || e.Reason == iot.NotSelected && e.State == iot.Cleared
}

// causeOf returns which of the decisions about its rule, newest first, an alert has followed by an event; nil if it is not known. An alert may have cleared
// because of what was decided about its device as well, so a decision is named only if it explains that by itself.
func (s *server) causeOf(e *alertEvent, of *iot.Alert, decided []control.Audit) *control.Audit {
	for i := range decided {
		d := &decided[i]
		if d.Time.After(e.Timestamp.Add(time.Second)) {
			continue
		}
		if e.State == iot.Updated {
			return d
		}
		after, err := wire.DecodeRuleEntry(d.After)
		if err != nil {
			return nil // Another version of iotmon has written it.
		}
		before, err := wire.DecodeRuleEntry(d.Before)
		known := err == nil
		switch off := after.Deleted || after.Rule.Disabled; {
		case off && known && (before.Deleted || before.Rule.Disabled): // The alert has cleared because of an earlier decision.
			continue
		case off && e.Reason == iot.NotSelected, !off && known && s.clears(e.Reason, &before.Rule, &after.Rule, of):
			return d
		}
		return nil
	}
	return nil
}

// clears reports whether a change of its rule clears an alert for the reason.
func (s *server) clears(reason iot.ClearReason, before, after *iot.Rule, of *iot.Alert) bool {
	if reason == iot.RuleChanged {
		return before.Kind != after.Kind || before.JudgesBelow() != after.JudgesBelow()
	}
	var entry *iot.DeviceEntry
	if s.o.Entries != nil {
		entry = s.o.Entries.Device(of.Identity())
	}
	return alert.Selects(before, entry, of) && !alert.Selects(after, entry, of)
}
