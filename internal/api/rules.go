package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/alert"
	"iotmon/internal/control"
	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// Rules is where people decide about alert rules. Its methods may be called concurrently; their errors are those of control.Registry.
type Rules interface {
	// Rules returns the rules in force, in the order of their names.
	Rules() ([]iot.RuleEntry, error)
	// Maintenance returns the rules of the kind iot.Maintenance in force, in the order of their names. Rules does not.
	Maintenance() ([]iot.RuleEntry, error)
	// Rule returns the rule that was decided last: one that is deleted or has no version if there is none.
	Rule(ctx context.Context, name string) (iot.RuleEntry, error)
	// ChangeRules makes edits, all or none.
	ChangeRules(ctx context.Context, edits []control.RuleEdit, how control.RuleChange) ([]control.RuleOutcome, error)
	// Audit returns who has decided what, the newest first.
	Audit(ctx context.Context, q control.AuditQuery) ([]control.Audit, error)
}

const (
	// maxRuleVersions is how many versions of a rule are listed.
	maxRuleVersions = 50
	// maxRuleBytes is more than the largest valid rule takes.
	maxRuleBytes = 1 << 20
	// kindThreshold and kindOffline are the kinds of the conditions that have none in package iot.
	kindThreshold, kindOffline = "threshold", "offline"
)

// RuleScope selects devices: those that match everything that is given. What is absent selects every device; what is given and empty is refused,
// because a program that has found no device would decide about all of them.
type RuleScope struct {
	Area    iot.Area          `json:"area,omitempty" minLength:"1" doc:"The devices of the area and of all areas below it. Absent: those of every area."`
	Labels  map[string]string `json:"labels,omitempty" doc:"The labels that a device must have, at least one. Absent: none is needed."`
	Devices []iot.DeviceID    `json:"devices,omitempty" maxItems:"1000" doc:"The ids of devices, at least one. Absent: every device."`
}

// RuleCondition is what values violate.
type RuleCondition struct {
	Kind          string      `json:"kind" enum:"threshold,rise,fall,stuck,average,maximum,minimum,count,fraction,of_last,deviation,no_data,levels,expression,offline" doc:"threshold: a value beyond it. rise, fall: a change by more than the threshold within the span. stuck: no change by more than the threshold for the span. average, maximum, minimum: that of the span's values is beyond the threshold. count: more than threshold of the span's values are beyond the limit; fraction: more than that part of them, 0 to 1; of_last: more than threshold of the last values. deviation: a value that differs by more than the threshold from the median of the devices of its area and type. no_data: nothing from the device for the span. levels: a value beyond one of the levels, each with alerts of its own. expression: it is true. offline: the device is silent, or says so."`
	Below         bool        `json:"below,omitempty" doc:"Lower values violate, instead of higher ones; where values are counted, those below the limit count."`
	Threshold     *float64    `json:"threshold,omitempty" doc:"In the type's unit, unless values are counted. The threshold itself does not violate. Only stuck, no_data, levels, expression and offline may be without one: 0 is a threshold as any other."`
	Hysteresis    float64     `json:"hysteresis,omitempty" doc:"How far on the safe side of the threshold it must be before the alert clears: the deadband."`
	WithinSeconds float64     `json:"within_seconds,omitempty" doc:"The span, from 1 second to 31 days, of no_data from 10 seconds; threshold, levels, of_last and deviation have none, and expression if it has a statistic."`
	Limit         *float64    `json:"limit,omitempty" doc:"What values are compared with to be counted: count, fraction and of_last must have it."`
	Last          int         `json:"last,omitempty" doc:"How many of the last values are judged by of_last: 1 to 64."`
	Levels        *RuleLevels `json:"levels,omitempty" doc:"The limits of levels, growing, with hysteresis as their deadband. At least one. The alerts of a level have the rule's name, a dot and the level's name as their alert_type; those of all levels that a value is beyond are open."`
	Expression    string      `json:"expression,omitempty" maxLength:"1000" doc:"What is true if the rule is violated, of value, threshold, previous, elapsed, average, minimum, maximum, count, device, type, area, unit, quality, labels and metadata; such as: value > average + 5 and labels.line != 'test'. previous and elapsed are the value before and the seconds since it; the statistics are of within_seconds."`
}

// RuleLevels are the limits of a condition of the kind levels.
type RuleLevels struct {
	LowLow   *RuleLevel `json:"low_low,omitempty" doc:"A value below it violates."`
	Low      *RuleLevel `json:"low,omitempty" doc:"A value below it violates."`
	High     *RuleLevel `json:"high,omitempty" doc:"A value above it violates."`
	HighHigh *RuleLevel `json:"high_high,omitempty" doc:"A value above it violates."`
}

// RuleLevel is one limit.
type RuleLevel struct {
	Limit    float64      `json:"limit" doc:"In the type's unit."`
	Severity iot.Severity `json:"severity,omitempty" enum:"info,warning,critical" doc:"The priority of the level's alerts; that of the rule if absent."`
}

// all returns where the levels are, the lowest first.
func (l *RuleLevels) all() [4]**RuleLevel {
	return [...]**RuleLevel{&l.LowLow, &l.Low, &l.High, &l.HighHigh}
}

func toRuleLevels(levels *iot.Levels) *RuleLevels {
	var out *RuleLevels
	for i, level := range levels {
		if !level.On {
			continue
		}
		if out == nil {
			out = new(RuleLevels)
		}
		*out.all()[i] = &RuleLevel{level.Limit, level.Severity}
	}
	return out
}

func (l *RuleLevels) levels() (levels iot.Levels) {
	if l == nil {
		return levels
	}
	for i, level := range l.all() {
		if *level != nil {
			levels[i] = iot.Level{On: true, Limit: (*level).Limit, Severity: (*level).Severity}
		}
	}
	return levels
}

// RuleBody is what people decide about a rule. It is exported, as RuleScope is, because the library ignores embedded types that are not.
type RuleBody struct {
	DeviceType iot.DeviceType `json:"device_type,omitempty" minLength:"1" maxLength:"128" doc:"Only stuck, no_data, expression and offline may be for every type."`
	RuleScope
	Except          []RuleScope   `json:"except,omitempty" maxItems:"16" doc:"What the rule does not watch of what it selects."`
	Condition       RuleCondition `json:"condition"`
	ForSeconds      float64       `json:"for_seconds,omitempty" doc:"How long values must violate before the alert is raised, in the device's own time."`
	ClearForSeconds float64       `json:"clear_for_seconds,omitempty" doc:"How long they must be safe before it clears."`
	Severity        iot.Severity  `json:"severity" enum:"info,warning,critical" doc:"The priority of the alert."`
	Latch           bool          `json:"latch,omitempty" doc:"The alert stays until it has been acknowledged and reset, even if its condition has returned to normal."`
	Disabled        bool          `json:"disabled,omitempty" doc:"The rule watches no device until it is enabled again. Its open alerts clear."`
	Text            string        `json:"text,omitempty" doc:"The alert's message in Chinese, at most 256 bytes. {device}, {type}, {area}, {value}, {threshold}, {unit}, {alert_type}, {limit} of count, fraction and of_last, and {median} of a deviation are replaced; another name in braces is refused, and {threshold} of an expression without one."`
	TextEN          string        `json:"text_en,omitempty" doc:"The same in English. One of both texts alone holds for both languages."`
	Procedure       string        `json:"procedure,omitempty" doc:"The address of a page that says what to do."`
}

// RuleShown is a rule with its version. It is exported for the library.
type RuleShown struct {
	Name    string `json:"name" doc:"The alert_type of the rule's alerts."`
	Version int64  `json:"version" doc:"Grows with each change; If-Match takes it in quotes."`
	Origin  string `json:"origin" enum:"configuration,decided" doc:"Whether the rule is that of the configuration, or people have decided about it."`
	RuleBody
}

func toRuleBody(r *iot.Rule) RuleBody {
	threshold, limit := r.Kind.CompareWith()
	b := RuleBody{
		DeviceType: r.Type, RuleScope: toScope(&r.Selector), ForSeconds: r.For.Seconds(), ClearForSeconds: r.ClearFor.Seconds(),
		Severity: r.Severity, Latch: r.Latch, Disabled: r.Disabled, Text: r.Text, TextEN: r.TextEN, Procedure: r.Procedure,
		Condition: RuleCondition{
			Kind: cmp.Or(string(r.Kind), kindThreshold), Below: r.Below, Threshold: given(r.Threshold, threshold && r.Name != iot.RuleOffline), Hysteresis: r.Hysteresis,
			WithinSeconds: r.Within.Seconds(), Limit: given(r.Limit, limit), Last: r.Last, Levels: toRuleLevels(&r.Levels), Expression: r.Expression,
		},
	}
	if r.Name == iot.RuleOffline {
		b.Condition.Kind = kindOffline
	}
	for i := range r.Except {
		b.Except = append(b.Except, toScope(&r.Except[i]))
	}
	return b
}

// given returns a number as bodies have it: one that may be left out, and is 0, is.
func given(number float64, always bool) *float64 {
	if number == 0 && !always {
		return nil
	}
	return new(number)
}

func valueOf(number *float64) float64 {
	if number == nil {
		return 0
	}
	return *number
}

func toScope(s *iot.Selector) RuleScope {
	return RuleScope{Area: s.Area, Labels: s.Labels, Devices: s.Devices}
}

func (s *RuleScope) selector() iot.Selector {
	return iot.Selector{Area: s.Area, Labels: s.Labels, Devices: s.Devices}
}

// checkScopes checks that a scope and its exceptions give nothing that is empty. The error is an *iot.InvalidError.
func checkScopes(scope *RuleScope, except []RuleScope) error {
	if err := scope.check(""); err != nil {
		return err
	}
	for i := range except {
		if err := except[i].check(fmt.Sprintf("except[%d].", i)); err != nil {
			return err
		}
	}
	return nil
}

func (s *RuleScope) check(place string) error {
	switch {
	case s.Devices != nil && len(s.Devices) == 0:
		return iot.Invalid(place+"devices", "names no device: name at least one, or leave the key out to select every device")
	case s.Labels != nil && len(s.Labels) == 0:
		return iot.Invalid(place+"labels", "names no label: name at least one, or leave the key out to select devices with any labels")
	}
	return nil
}

// rule returns the rule that the body says. The error is an *iot.InvalidError.
func (b *RuleBody) rule(name string) (iot.Rule, error) {
	c := &b.Condition
	if err := checkScopes(&b.RuleScope, b.Except); err != nil {
		return iot.Rule{}, err
	}
	switch {
	case (c.Kind == kindOffline) != (name == iot.RuleOffline):
		return iot.Rule{}, iot.Invalid("kind", "the rule %s, and no other, is of the kind %s", iot.RuleOffline, kindOffline)
	case c.Kind == string(iot.Maintenance):
		return iot.Rule{}, iot.Invalid("kind", "maintenance is planned under %s/maintenance", Prefix)
	case name == iot.RuleClock:
		return iot.Rule{}, iot.Invalid("alert_type", "%s is built in", name)
	case name == "export":
		return iot.Rule{}, iot.Invalid("alert_type", "export is the address of the exported rules")
	}
	r := iot.Rule{
		Name: name, Selector: b.selector(), Severity: b.Severity, Latch: b.Latch, Disabled: b.Disabled, Text: b.Text, TextEN: b.TextEN, Procedure: b.Procedure,
		Condition: iot.Condition{
			Kind: iot.ConditionKind(c.Kind), Below: c.Below, Threshold: valueOf(c.Threshold), Hysteresis: c.Hysteresis, Limit: valueOf(c.Limit), Last: c.Last, Levels: c.Levels.levels(), Expression: c.Expression,
		},
	}
	r.Type = b.DeviceType
	if c.Kind == kindThreshold || c.Kind == kindOffline {
		r.Kind = iot.Threshold
	}
	if c.Kind != kindOffline {
		if err := r.Kind.CheckGiven(c.Threshold, c.Limit); err != nil {
			return iot.Rule{}, err
		}
	}
	for i := range b.Except {
		r.Except = append(r.Except, b.Except[i].selector())
	}
	for _, span := range []struct {
		field   string
		seconds float64
		into    *time.Duration
	}{{"within", c.WithinSeconds, &r.Within}, {"for", b.ForSeconds, &r.For}, {"clear_for", b.ClearForSeconds, &r.ClearFor}} {
		if !(span.seconds >= 0 && span.seconds <= iot.MaxWithin.Seconds()) { // Also if it is not a number.
			return iot.Rule{}, iot.Invalid(span.field, "must be between 0 and %s seconds, which is %v (got %v)", iot.Number(iot.MaxWithin.Seconds()), iot.Lasting(iot.MaxWithin), span.seconds)
		}
		*span.into = time.Duration(math.Round(span.seconds*1e6)) * time.Microsecond
		if span.seconds > 0 && *span.into == 0 {
			return iot.Rule{}, iot.Invalid(span.field, "must be 0 or at least 0.000001 seconds (got %v)", span.seconds)
		}
	}
	return r, alert.CheckTexts(&r)
}

func (s *server) registerRules(api huma.API) {
	if s.o.Rules == nil {
		return
	}
	failures := []int{http.StatusServiceUnavailable}
	changes := append(slices.Clone(failures), http.StatusBadRequest, http.StatusForbidden, http.StatusConflict, http.StatusPreconditionFailed, http.StatusTooManyRequests)
	responses := func() map[string]*huma.Response {
		return map[string]*huma.Response{
			"202": {Description: "Decided, and not in force yet: a processor is behind, not running, or older than the rule. It comes into force by itself."},
		}
	}
	path := Prefix + "/rules"
	huma.Register(api, huma.Operation{
		OperationID: "list-rules", Method: http.MethodGet, Path: path, Tags: []string{"Rules"},
		Summary: "List the alert rules", Description: "The rules in force, in the order of their names.", Errors: failures,
	}, s.listRules)
	huma.Register(api, huma.Operation{
		OperationID: "create-rule", Method: http.MethodPost, Path: path, Tags: []string{"Rules"}, DefaultStatus: http.StatusCreated,
		Summary:     "Add an alert rule",
		Description: "Comes into force in every partition without a restart; the answer comes once it is. 409 if there is a rule of that name.",
		Responses:   responses(), Errors: changes, MaxBodyBytes: maxRuleBytes,
	}, s.createRule)
	huma.Register(api, huma.Operation{
		OperationID: "get-rule", Method: http.MethodGet, Path: path + "/{name}", Tags: []string{"Rules"},
		Summary: "Get an alert rule", Description: "As it was decided last.", Errors: append(slices.Clone(failures), http.StatusNotFound),
	}, s.getRule)
	huma.Register(api, huma.Operation{
		OperationID: "put-rule", Method: http.MethodPut, Path: path + "/{name}", Tags: []string{"Rules"},
		Summary: "Replace an alert rule",
		Description: "To replace an existing rule, If-Match is required. What is pending by the rule goes on unless the kind of its condition changes; alerts of " +
			"devices that it no longer watches clear. What people decide comes before the configuration, also after a restart.",
		Responses: responses(), Errors: append(slices.Clone(changes), http.StatusPreconditionRequired, http.StatusNotFound), MaxBodyBytes: maxRuleBytes,
	}, s.putRule)
	huma.Register(api, huma.Operation{
		OperationID: "delete-rule", Method: http.MethodDelete, Path: path + "/{name}", Tags: []string{"Rules"},
		Summary: "Delete an alert rule", Description: "Its open alerts clear. The answer is the rule as it was, with the version of the deletion. A rule of the configuration does not come back by itself: decide one of its versions again.",
		Responses: responses(), Errors: append(slices.Clone(changes), http.StatusNotFound),
	}, s.deleteRule)
	huma.Register(api, huma.Operation{
		OperationID: "list-rule-versions", Method: http.MethodGet, Path: path + "/{name}/versions", Tags: []string{"Rules"},
		Summary: "List what was decided about an alert rule", Description: "The newest first, at most 50, as long as control.audit_retention keeps them. What the configuration has brought is not among them.",
		Errors: failures,
	}, s.listRuleVersions)
}

// ruleAnswer is a rule, as it was decided last.
type ruleAnswer struct {
	Status   int
	ETag     string `header:"ETag" doc:"The version in quotes, for If-Match."`
	Location string `header:"Location" doc:"The address of a rule that was added."`
	Body     struct {
		RuleShown
		InForce bool          `json:"in_force" doc:"Whether every processor goes by it."`
		Failing *ruleFailures `json:"failing,omitempty" doc:"Where the rule cannot judge what devices send, so that it raises no alert; absent if nowhere."`
		Medians *ruleMedians  `json:"medians,omitempty" doc:"The medians with which a rule of the kind deviation compares values, and the devices that have none."`
		Points  *rulePoints   `json:"points,omitempty" doc:"The points of machines that the expression names, and the devices that lack one."`
	}
}

// listedRule is a rule in the list.
type listedRule struct {
	RuleShown
	FailingDevices int `json:"failing_devices,omitempty" doc:"On how many devices the rule cannot judge what they send."`
}

func toRuleShown(e *iot.RuleEntry) RuleShown {
	shown := RuleShown{Name: e.Rule.Name, Version: e.Version, Origin: "decided", RuleBody: toRuleBody(&e.Rule)}
	if e.Provisioned {
		shown.Origin = "configuration"
	}
	return shown
}

func (s *server) listRules(context.Context, *struct{}) (*answer[list[listedRule]], error) {
	entries, err := s.o.Rules.Rules()
	if err != nil {
		return nil, s.decisionProblem(context.Background(), err)
	}
	failing := s.failing("")
	out := list[listedRule]{Items: make([]listedRule, len(entries))}
	for i := range entries {
		out.Items[i] = listedRule{toRuleShown(&entries[i]), len(failing[entries[i].Rule.Name])}
	}
	return &answer[list[listedRule]]{out}, nil
}

// ruleInput names a rule.
type ruleInput struct {
	Name string `path:"name" doc:"The rule's name, percent-encoded." example:"temperature_high" maxLength:"128"`
}

func (s *server) getRule(ctx context.Context, in *ruleInput) (*ruleAnswer, error) {
	entry, err := s.o.Rules.Rule(ctx, in.Name)
	switch {
	case err != nil:
		return nil, s.decisionProblem(ctx, err)
	case entry.Version == 0 || entry.Deleted || entry.Rule.Kind == iot.Maintenance:
		return nil, noRule(in.Name)
	}
	out := toRuleAnswer(s.awaitRule(ctx, &entry, 0))
	out.Body.Failing, out.Body.Medians, out.Body.Points = s.failuresOf(in.Name), s.mediansOf(&entry.Rule), s.pointsOf(&entry.Rule)
	return out, nil
}

func noRule(name string) error { return huma.Error404NotFound("there is no rule " + iot.Quote(name)) }

// decided is a rule as it was decided last.
type decided struct {
	entry   iot.RuleEntry
	inForce bool
	// status is that of the answer to a change: 202 if the rule is not in force after inForceTimeout, otherwise 200.
	status int
}

// awaitRule returns a rule once it is in force in every partition, or after a time.
func (s *server) awaitRule(ctx context.Context, e *iot.RuleEntry, patience time.Duration) *decided {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	d := &decided{entry: *e, status: http.StatusOK}
	d.inForce = s.o.Entries.Wait(waiting, control.RuleRef(e.Rule.Name), e.Version)
	if !d.inForce && patience > 0 {
		d.status = http.StatusAccepted
	}
	return d
}

func toRuleAnswer(d *decided) *ruleAnswer {
	out := &ruleAnswer{Status: d.status, ETag: etag(d.entry.Version)}
	out.Body.RuleShown, out.Body.InForce = toRuleShown(&d.entry), d.inForce
	return out
}

// RuleInput names a rule, and says on which version a change is based. It is exported for the library, which ignores what is embedded otherwise.
type RuleInput struct {
	Name        string `path:"name" doc:"The rule's name, percent-encoded." example:"temperature_high" maxLength:"128"`
	IfMatch     string `header:"If-Match" doc:"The ETag of the rule that the change is based on; * for any."`
	IfNoneMatch string `header:"If-None-Match" doc:"* if there must be no such rule yet."`
	Why
}

// NewRule is a rule with its name. It is exported for the library.
type NewRule struct {
	Name string `json:"name" minLength:"1" maxLength:"128" doc:"The alert_type of the rule's alerts."`
	RuleBody
}

type createRuleInput struct {
	Why
	Body NewRule
}

func (s *server) createRule(ctx context.Context, in *createRuleInput) (*ruleAnswer, error) {
	rule, err := in.Body.rule(in.Body.Name)
	if err == nil {
		err = alert.CheckClears(&rule, s.o.Catalog)
	}
	if err != nil {
		return nil, ruleProblem(err)
	}
	made, err := s.create(ctx, control.RuleEdit{Name: in.Body.Name, To: func(iot.RuleEntry) (iot.RuleEntry, error) { return iot.RuleEntry{Rule: rule}, nil }}, in.by("create"))
	if err != nil {
		return nil, err
	}
	out := toRuleAnswer(made)
	out.Location = Prefix + "/rules/" + url.PathEscape(in.Body.Name)
	return out, nil
}

// create adds a rule. The error is a problem.
func (s *server) create(ctx context.Context, edit control.RuleEdit, by control.By) (*decided, error) {
	edit.If = control.Condition{Unentered: true}
	made, err := s.decideRule(ctx, edit, by)
	if changed := (*control.VersionError)(nil); errors.As(err, &changed) {
		return nil, huma.Error409Conflict("there is a rule " + iot.Quote(edit.Name) + " already")
	}
	if err != nil {
		return nil, s.ruleDecisionProblem(ctx, err)
	}
	if made.status == http.StatusOK {
		made.status = http.StatusCreated
	}
	return made, nil
}

type putRuleInput struct {
	RuleInput
	Body RuleBody
}

func (s *server) putRule(ctx context.Context, in *putRuleInput) (*ruleAnswer, error) {
	rule, err := in.Body.rule(in.Name)
	if err == nil {
		err = alert.CheckClears(&rule, s.o.Catalog)
	}
	if err != nil {
		return nil, ruleProblem(err)
	}
	return s.changeRule(ctx, &in.RuleInput, "put", in.replacing(rule))
}

// replacing returns what replaces a rule, which needs an If-Match if there is one.
func (in *RuleInput) replacing(rule iot.Rule) func(iot.RuleEntry) (iot.RuleEntry, error) {
	return func(current iot.RuleEntry) (iot.RuleEntry, error) {
		if in.IfMatch == "" && in.IfNoneMatch == "" && current.Version > 0 && !current.Deleted {
			return iot.RuleEntry{}, errPrecondition
		}
		return iot.RuleEntry{Rule: rule}, nil
	}
}

func deletingRule(iot.RuleEntry) (iot.RuleEntry, error) { return iot.RuleEntry{Deleted: true}, nil }

func (s *server) deleteRule(ctx context.Context, in *RuleInput) (*ruleAnswer, error) {
	var was iot.RuleEntry
	out, err := s.changeRule(ctx, in, "delete", func(current iot.RuleEntry) (iot.RuleEntry, error) {
		was = current
		return deletingRule(current)
	})
	if err == nil && !was.Deleted {
		out.Body.RuleBody = toRuleBody(&was.Rule)
	}
	return out, err
}

func (s *server) changeRule(ctx context.Context, in *RuleInput, action string, to func(iot.RuleEntry) (iot.RuleEntry, error)) (*ruleAnswer, error) {
	made, err := s.change(ctx, in, control.RuleEdit{Name: in.Name, To: to}, action)
	switch {
	case err != nil:
		return nil, err
	case made.entry.Version == 0:
		return nil, noRule(in.Name)
	}
	return toRuleAnswer(made), nil
}

// change makes one edit with the conditions of the request. The error is a problem.
func (s *server) change(ctx context.Context, in *RuleInput, edit control.RuleEdit, action string) (*decided, error) {
	condition, err := (&EntryInput{IfMatch: in.IfMatch, IfNoneMatch: in.IfNoneMatch}).condition()
	if err != nil {
		return nil, err
	}
	edit.If = condition
	made, err := s.decideRule(ctx, edit, in.by(action))
	if changed := (*control.VersionError)(nil); errors.As(err, &changed) {
		return nil, huma.ErrorWithHeaders(
			huma.Error412PreconditionFailed(fmt.Sprintf("the rule has another version, %d: read it again and decide anew", changed.Version)),
			http.Header{"ETag": {etag(changed.Version)}},
		)
	}
	if err != nil {
		return nil, s.ruleDecisionProblem(ctx, err)
	}
	return made, nil
}

// decideRule makes one edit and returns what was decided once it is in force, or after inForceTimeout; what has no version if a rule was to be deleted
// that there never was. The error is that of ChangeRules, or a problem.
func (s *server) decideRule(ctx context.Context, edit control.RuleEdit, by control.By) (*decided, error) {
	release, err := s.admitDecision()
	if err != nil {
		return nil, err
	}
	defer release()
	outcomes, err := s.o.Rules.ChangeRules(ctx, []control.RuleEdit{edit}, s.ruleChange(by))
	if err != nil {
		return nil, err
	}
	s.decisionMade(ctx)
	if after := &outcomes[0].After; after.Version > 0 {
		return s.awaitRule(ctx, after, inForceTimeout), nil
	}
	return new(decided), nil
}

// ruleChange says how rules are changed.
func (s *server) ruleChange(by control.By) control.RuleChange {
	return control.RuleChange{By: by, Check: func(rules []iot.Rule) error {
		_, err := alert.New(rules, s.o.Catalog)
		return err
	}}
}

// ruleVersion is one decision about a rule.
type ruleVersion struct {
	RuleShown
	Deleted bool      `json:"deleted,omitempty" doc:"The rule was deleted; everything else is as it was before."`
	Time    time.Time `json:"time" doc:"When, by the clock of the service that has stored it."`
	Actor   string    `json:"actor" doc:"Who: an opaque id."`
	Action  string    `json:"action" doc:"How: create, put, delete or import; adopt or repeat if nobody has, because a database was restored."`
	Reason  string    `json:"reason,omitempty" doc:"Why it was decided; absent if no reason was given."`
}

// ruleVersions is the answer with the decisions about a rule.
type ruleVersions struct {
	Items []ruleVersion `json:"items" nullable:"false"`
}

func (s *server) listRuleVersions(ctx context.Context, in *ruleInput) (*answer[ruleVersions], error) {
	all, err := s.o.Rules.Audit(ctx, control.AuditQuery{Of: control.RuleRef(in.Name), Limit: maxRuleVersions})
	if err != nil {
		return nil, s.decisionProblem(ctx, err)
	}
	out := ruleVersions{Items: []ruleVersion{}}
	for i := range all {
		a := &all[i]
		entry, err := wire.DecodeRuleEntry(a.After)
		if err != nil {
			continue // Another version of iotmon has written it.
		}
		shown := toRuleShown(&entry)
		if was, err := wire.DecodeRuleEntry(a.Before); entry.Deleted && err == nil && was.Rule.Kind != iot.Maintenance {
			shown.RuleBody = toRuleBody(&was.Rule)
		}
		out.Items = append(out.Items, ruleVersion{RuleShown: shown, Deleted: entry.Deleted, Time: a.Time, Actor: a.Actor, Action: a.Action, Reason: a.Reason})
	}
	return &answer[ruleVersions]{out}, nil
}
