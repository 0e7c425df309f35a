package app

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"iotmon/internal/alert"
	"iotmon/internal/config"
	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/mapping"
	"iotmon/internal/notify"
	"iotmon/internal/process"
	"iotmon/internal/simulate"
)

// newCatalog returns the built-in device types and those of the configuration.
func newCatalog(cfg *config.Config) (*iot.Catalog, error) {
	specs := iot.BuiltinTypes()
	for _, t := range cfg.DeviceTypes {
		specs = append(specs, iot.TypeSpec{
			Name: iot.DeviceType(t.Name), Unit: t.Unit, Decimals: t.Decimals, Min: t.Min, Max: t.Max,
			Labels: t.Labels, States: t.States,
		})
	}
	limits := iot.Limits{Types: specs} // The form in which they are in the log.
	if err := limits.Normalize(); err != nil {
		return nil, fmt.Errorf("device types: %w", err)
	}
	catalog, err := iot.NewCatalog(limits.Types...)
	if err != nil {
		return nil, fmt.Errorf("device types: %w", err)
	}
	return catalog, nil
}

// newAdmission returns the test of a reading that HTTP ingest, processor and archiver share.
func newAdmission(cfg *config.Config, catalog *iot.Catalog) *iot.Admission {
	return &iot.Admission{
		Catalog:   catalog,
		Skew:      cfg.Aggregation.MaxClockSkew,
		Retention: cfg.Archive.Retention.Readings,
		MaxText:   int(cfg.Ingest.MaxText),
		Earliest:  time.Date(cfg.Ingest.EarliestYear, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

// newMapping returns the rules of a list of the configuration, whose key is for errors.
func newMapping(key string, configured []config.MapRule, catalog *iot.Catalog) (*mapping.Rules, error) {
	m, err := mapping.New(mapRules(configured), catalog)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return m, nil
}

// mapRules returns the rules of a list of the configuration.
func mapRules(configured []config.MapRule) []mapping.Rule {
	rules := make([]mapping.Rule, len(configured))
	for i := range configured {
		rules[i] = mapRule(&configured[i])
	}
	return rules
}

func mapRule(r *config.MapRule) mapping.Rule {
	interval := ""
	if r.Interval != 0 {
		interval = r.Interval.String()
	}
	return mapping.Rule{
		Interval: interval, Define: (*mapping.Type)(r.Define),
		Topic: r.Topic, Measurement: r.Measurement, Field: r.Field, Tags: r.Tags, Ignore: r.Ignore,
		Device: r.Device, Type: iot.DeviceType(r.Type), Unit: r.Unit, Building: r.Building, Floor: r.Floor, Room: r.Room,
		Model: r.Model, Firmware: r.Firmware, Battery: r.Battery,
		Time: (*mapping.Time)(r.Time), Quality: (*mapping.Quality)(r.Quality), Words: r.Words, Scale: r.Scale, Offset: r.Offset,
		Status: (*mapping.Status)(r.Status),
	}
}

// Builtin returns the names of the built-in device types and rules, which a configuration may use without defining them.
func Builtin() config.Builtin {
	builtin := config.Builtin{
		RuleTypes: make(map[string]string), MaxRules: iot.MaxRules, MaxRuleDevices: iot.MaxRuleDevices, MaxRuleText: iot.MaxRuleText,
		MinWithin: iot.MinWithin, MaxWithin: iot.MaxWithin, CheckRule: checkRule, CheckTemplate: checkTemplate, WholeWeek: wholeWeek,
	}
	for _, spec := range iot.BuiltinTypes() {
		builtin.DeviceTypes = append(builtin.DeviceTypes, string(spec.Name))
	}
	for _, rule := range iot.BuiltinRules() {
		builtin.RuleTypes[rule.Name] = string(rule.Type)
	}
	return builtin
}

// newRules returns the built-in rules that the configuration has not switched off, then the rules it adds.
func newRules(cfg *config.Config) []iot.Rule {
	var rules []iot.Rule
	thresholds := cfg.Alerts.Thresholds()
	for _, rule := range iot.BuiltinRules() {
		switch threshold := thresholds[rule.Name]; {
		case threshold != nil:
			rule.Threshold = *threshold
			rules = append(rules, rule)
		case rule.Name == iot.RuleOffline && cfg.Alerts.DeviceOffline != config.Off:
			rule.Severity = iot.Severity(cfg.Alerts.DeviceOffline)
			rules = append(rules, rule)
		}
	}
	for i := range cfg.Alerts.Rules {
		rules = append(rules, newRule(&cfg.Alerts.Rules[i]))
	}
	return rules
}

func newRule(r *config.Rule) iot.Rule {
	rule := iot.Rule{
		Name: r.Name, Selector: newSelector(&config.RuleScope{Area: r.Area, Labels: r.Labels, Devices: r.Devices}), Condition: newCondition(r),
		Severity: iot.Severity(r.Severity), For: r.For, ClearFor: r.ClearFor, Latch: r.Latch, Text: r.Text, TextEN: r.TextEN, Procedure: r.Procedure,
	}
	rule.Type = iot.DeviceType(r.DeviceType)
	for i := range r.Except {
		rule.Except = append(rule.Except, newSelector(&r.Except[i]))
	}
	return rule
}

func newSelector(s *config.RuleScope) iot.Selector {
	selector := iot.Selector{Area: iot.Area(s.Area), Labels: s.Labels}
	for _, id := range s.Devices {
		selector.Devices = append(selector.Devices, iot.DeviceID(id))
	}
	return selector
}

// newCondition returns the condition of a rule, which has exactly one.
func newCondition(r *config.Rule) iot.Condition {
	c := iot.Condition{Hysteresis: r.Hysteresis, Within: r.Within}
	switch {
	case r.Condition != nil:
		return anyCondition(r.Condition)
	case r.Above != nil:
		c.Threshold = *r.Above
	case r.Below != nil:
		c.Threshold, c.Below = *r.Below, true
	case r.Rise != nil:
		c.Kind, c.Threshold = iot.Rise, *r.Rise
	case r.Fall != nil:
		c.Kind, c.Threshold = iot.Fall, *r.Fall
	case r.Stuck != nil:
		c.Kind, c.Threshold = iot.Stuck, *r.Stuck
	}
	return c
}

// thresholdKind is the name of the kind of a condition that has none in package iot.
const thresholdKind = "threshold"

func anyCondition(c *config.Condition) iot.Condition {
	condition := iot.Condition{
		Kind: iot.ConditionKind(c.Kind), Below: c.Below, Threshold: valueOf(c.Threshold), Hysteresis: c.Hysteresis, Within: c.Within, Limit: valueOf(c.Limit), Last: c.Last,
		Expression: c.Expression,
	}
	for i, level := range c.Levels.All() {
		if level != nil {
			condition.Levels[i] = iot.Level{On: true, Limit: valueOf(level.Limit), Severity: iot.Severity(level.Severity)}
		}
	}
	switch c.Kind {
	case thresholdKind:
		condition.Kind = iot.Threshold
	case "":
		condition.Kind = "none" // Which is no kind: a condition says which it is.
	}
	return condition
}

func valueOf(number *float64) float64 {
	if number == nil {
		return 0
	}
	return *number
}

// checkGiven checks that what a condition compares with is given.
func checkGiven(c *config.Condition, kind iot.ConditionKind) error {
	if c == nil {
		return nil
	}
	for i, level := range c.Levels.All() {
		if level != nil && level.Limit == nil {
			return iot.Invalid("levels."+iot.LevelNames[i]+".limit", "missing: give the number, also if it is 0")
		}
	}
	return kind.CheckGiven(c.Threshold, c.Limit)
}

// conditionFields are the fields of a condition in errors of package iot.
var conditionFields = []string{"kind", "below", "threshold", "hysteresis", "within", "limit", "last", "levels", "expression"}

// checkTemplate is config.Builtin.CheckTemplate.
func checkTemplate(title, body string) (part, reason string) {
	return (&notify.Template{Title: title, Body: body}).Check()
}

// wholeWeek is config.Builtin.WholeWeek.
func wholeWeek(spans []config.Span) (last int, whole bool) {
	all := make([]notify.Span, len(spans))
	for i := range spans {
		s := notify.SpanSpec{Days: spans[i].Days, From: spans[i].From, To: spans[i].To}
		var err error
		if all[i], err = s.Span(""); err != nil {
			return 0, false // It is refused for that.
		}
	}
	return notify.WholeWeek(all)
}

// checkRule is config.Builtin.CheckRule.
func checkRule(r *config.Rule) (key, reason string) {
	entry := iot.RuleEntry{Version: 1, Provisioned: true, Rule: newRule(r)}
	err := checkGiven(r.Condition, entry.Rule.Kind)
	if err == nil {
		err = entry.Normalize()
	}
	if err == nil {
		err = alert.CheckTexts(&entry.Rule)
	}
	if err == nil && entry.Rule.Type == "" && entry.Rule.SelectsType() {
		err = iot.Invalid("device_type", "missing: values of different types do not compare")
	}
	if err == nil {
		err = alert.CheckExpression(&entry.Rule.Condition)
	}
	if err == nil {
		return "", ""
	}
	invalid := (*iot.InvalidError)(nil)
	if !errors.As(err, &invalid) {
		return "condition", err.Error()
	}
	key = invalid.Field
	switch inCondition := slices.Contains(conditionFields, strings.Split(key, ".")[0]); {
	case inCondition && r.Condition != nil:
		key = "condition." + key
	case key == "threshold":
		for short, value := range r.Conditions() {
			if value != nil {
				key = short
			}
		}
	case key == "alert_type":
		key = "name"
	}
	return key, invalid.Reason
}

// provisioned returns the configured rules as entries have them. It is an error if they cannot be in force.
func provisioned(cfg *config.Config, catalog *iot.Catalog) ([]iot.Rule, error) {
	rules := newRules(cfg)
	for i := range rules {
		entry := iot.RuleEntry{Version: 1, Provisioned: true, Rule: rules[i]}
		if err := entry.Normalize(); err != nil {
			return nil, fmt.Errorf("alerts: rule %s: %w", rules[i].Name, err)
		}
		rules[i] = entry.Rule
	}
	if _, err := alert.New(rules, catalog); err != nil {
		return nil, fmt.Errorf("alerts: %w", err)
	}
	return rules, nil
}

func newProcess(cfg *config.Config, admission *iot.Admission) (*process.Options, error) {
	rules, err := provisioned(cfg, admission.Catalog)
	if err != nil {
		return nil, err
	}
	if _, err := admission.Limits(cfg.Aggregation.AllowedLateness); err != nil {
		return nil, fmt.Errorf("limits on readings: %w", err)
	}
	return &process.Options{
		Admission:    admission,
		Rules:        rules,
		RuleRevision: cfg.RuleRevision(),
		Window:       cfg.Aggregation.Window(),
		Revision:     cfg.SettingsRevision(),
		Alone:        len(cfg.Kafka.Brokers) == 0,
		Lateness:     cfg.Aggregation.AllowedLateness,
		OfflineAfter: cfg.Devices.OfflineAfter,
		ForgetAfter:  cfg.Devices.ForgetAfter,
		ParentGrace:  cfg.Devices.ParentGrace,
	}, nil
}

func newTopics(cfg *config.Config) kafka.Topics {
	return kafka.Topics{
		Readings:    cfg.Kafka.Topic,
		DeadLetters: cfg.Kafka.DeadLettersTopic,
		Aggregates:  cfg.Kafka.AggregatesTopic,
		Alerts:      cfg.Kafka.AlertsTopic,
		States:      cfg.Kafka.StatesTopic,
		InForce:     cfg.Kafka.InForceTopic,
		Sources:     cfg.Kafka.SourcesTopic,
		Maps:        cfg.Kafka.MapsTopic,
	}
}

func newFleetOptions(cfg *config.Config, catalog *iot.Catalog) simulate.Options {
	options := simulate.Options{
		Catalog:  catalog,
		Devices:  cfg.Simulator.DeviceCount,
		Interval: cfg.Simulator.SendInterval,
		Seed:     cfg.Simulator.Seed,
		Faults:   simulate.FaultRates(cfg.Simulator.Faults),
	}
	for _, name := range cfg.Simulator.DeviceTypes {
		options.Types = append(options.Types, iot.DeviceType(name))
	}
	return options
}
