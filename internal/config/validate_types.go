package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// identifier matches the names of device types and rules, which are used in metric labels and URLs.
var identifier = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

const identifierShape = "lower-case letters, digits and underscores, beginning with a letter"

func (c *checker) deviceTypes(types []DeviceType) {
	taken := slices.Clone(c.builtin.DeviceTypes)
	for i, t := range types {
		key := fmt.Sprintf("device_types[%d]", i)
		c.mustText(identifier.MatchString(t.Name), key+".name", t.Name, identifierShape)
		c.mustText(!slices.Contains(taken, t.Name), key+".name", t.Name, "another name than those of the other types, built-in ones included")
		taken = append(taken, t.Name)
		c.deviceType(key, &t)
	}
}

// deviceType checks a type, except its name.
func (c *checker) deviceType(key string, t *DeviceType) {
	within(c, key+".decimals", t.Decimals, 0, 9)
	c.shortText(key+".unit", t.Unit)
	for language, label := range t.Labels {
		c.shortText(key+".labels."+language, label)
	}
	for i, state := range t.States {
		c.shortText(fmt.Sprintf("%s.states[%d]", key, i), state)
	}
	c.must(t.Min < t.Max, key+".min", t.Min, "less than max, %v", t.Max)
	c.states(key, t)
}

// shortText checks a text that is repeated in every message about a device of its type.
func (c *checker) shortText(key, text string) {
	const most = 128
	fits := len(text) <= most && utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
	c.must(fits, key, strconv.Quote(text), "at most %d bytes of text without control characters", most)
}

// states checks a discrete type, whose values are indexes of its states.
func (c *checker) states(key string, t *DeviceType) {
	if len(t.States) == 0 {
		return
	}
	c.must(t.Min == 0 && t.Max == float64(len(t.States)-1), key+".max", fmt.Sprintf("%v to %v", t.Min, t.Max),
		"%d, and min 0, for %d states", len(t.States)-1, len(t.States))
	c.must(t.Decimals == 0, key+".decimals", t.Decimals, "0 for a type with states")
}

func (c *checker) alerts(a *Alerts, known []string) {
	within(c, "alerts.revision", a.Revision, 0, maxRevision)
	c.oneOf("alerts.device_offline", a.DeviceOffline, "info", "warning", "critical", Off)
	taken := a.builtin()
	perType := make(map[string]int)
	for _, name := range taken {
		perType[c.builtin.RuleTypes[name]]++
	}
	for i := range a.Rules {
		key, rule := fmt.Sprintf("alerts.rules[%d]", i), &a.Rules[i]
		c.rule(key, rule, taken, known)
		taken = append(taken, rule.Name)
		before := perType[rule.DeviceType]
		perType[rule.DeviceType] += rule.parts()
		c.must(before > c.builtin.MaxRules || perType[rule.DeviceType] <= c.builtin.MaxRules, key+".device_type", rule.DeviceType,
			"a type that has at most %d rules with this one", c.builtin.MaxRules)
	}
}

func (c *checker) rule(key string, r *Rule, taken, known []string) {
	before := len(c.problems)
	c.mustText(identifier.MatchString(r.Name), key+".name", r.Name, identifierShape)
	c.mustText(!slices.Contains(taken, r.Name), key+".name", r.Name,
		"another name than those of the other rules; to replace a built-in rule, switch it off")
	c.must(r.Name != offlineRule, key+".name", `"device_offline"`, "another name: this one is for silence and has no threshold")
	if r.DeviceType != "" || r.Stuck == nil && r.Condition == nil {
		c.knownType(key+".device_type", r.DeviceType, known)
	}
	c.must(len(r.Devices) <= c.builtin.MaxRuleDevices, key+".devices", fmt.Sprintf("%d devices", len(r.Devices)), "at most %d", c.builtin.MaxRuleDevices)
	c.scope(key, &RuleScope{Area: r.Area, Labels: r.Labels, Devices: r.Devices})
	for i := range r.Except {
		c.scope(fmt.Sprintf("%s.except[%d]", key, i), &r.Except[i])
	}
	c.oneOf(key+".severity", r.Severity, "info", "warning", "critical")
	c.must(len(r.Text) <= c.builtin.MaxRuleText, key+".text", fmt.Sprintf("%d bytes", len(r.Text)), "at most %d bytes long", c.builtin.MaxRuleText)
	c.condition(key, r)
	within(c, key+".for", r.For, 0, 24*time.Hour)
	within(c, key+".clear_for", r.ClearFor, 0, 24*time.Hour)
	if len(c.problems) > before || c.builtin.CheckRule == nil {
		return // What is wrong already is not to be said twice.
	}
	if field, reason := c.builtin.CheckRule(r); reason != "" {
		c.add(c.source(key), key+"."+field, "%s", reason)
	}
}

// scope checks that no selector is given and empty: it would select every device.
func (c *checker) scope(key string, s *RuleScope) {
	c.must(s.Devices == nil || len(s.Devices) > 0, key+".devices", "none", "left out to select every device, or name at least one")
	c.must(s.Labels == nil || len(s.Labels) > 0, key+".labels", "none", "left out to select devices with any labels, or name at least one")
}

// condition checks that a rule has one condition, and what belongs to it.
func (c *checker) condition(key string, r *Rule) {
	var given []string
	for name, value := range r.Conditions() {
		if value != nil {
			given = append(given, name)
		}
	}
	if r.Condition != nil {
		given = append(given, "condition")
	}
	slices.Sort(given)
	c.must(len(given) == 1, key, cmp.Or(strings.Join(given, ", "), "none"), "given one of above, below, rise, fall, stuck and condition")
	c.must(r.Hysteresis >= 0, key+".hysteresis", r.Hysteresis, "0 or more")
	if len(given) != 1 {
		return
	}
	if r.Condition != nil {
		c.must(r.Within == 0 && r.Hysteresis == 0, key, "within or hysteresis beside it", "without within and hysteresis, which belong into condition")
		return
	}
	switch name, value := given[0], *r.Conditions()[given[0]]; name {
	case "above", "below":
		c.must(r.Within == 0, key+".within", r.Within, "left out: only rise, fall and stuck have it")
		return
	case "stuck":
		c.must(value >= 0, key+".stuck", value, "0 or more")
		c.must(r.Hysteresis == 0, key+".hysteresis", r.Hysteresis, "left out: stuck has none")
	default:
		c.must(value > 0, key+"."+name, value, "more than 0")
		c.must(r.Hysteresis <= value, key+".hysteresis", r.Hysteresis, "at most %s, %v", name, value)
	}
	within(c, key+".within", r.Within, c.builtin.MinWithin, c.builtin.MaxWithin)
}
