package iot_test

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"iotmon/internal/iot"
)

var noon = time.Date(2024, 1, 30, 12, 0, 0, 0, time.UTC)

func TestStatusReportsAreRefusedForWhatTheyHold(t *testing.T) {
	admission := iot.Admission{Catalog: builtin(t), Skew: 10 * time.Second}
	for name, test := range map[string]struct {
		change        func(*iot.StatusReport)
		field, reason string
	}{
		"no status":             {func(s *iot.StatusReport) { s.Status = "" }, "status", `must be online, offline or bad (got "")`},
		"another status":        {func(s *iot.StatusReport) { s.Status = "ONLINE" }, "status", `(got "ONLINE")`},
		"a long reason":         {func(s *iot.StatusReport) { s.Reason = strings.Repeat("x", 1025) }, "reason", "longer than 1024"},
		"no time":               {func(s *iot.StatusReport) { s.Time = time.Time{} }, "time", "missing"},
		"a clock never set":     {func(s *iot.StatusReport) { s.Time = time.Unix(5, 0) }, "time", "before 2000-01-01"},
		"a clock ahead":         {func(s *iot.StatusReport) { s.Time = noon.Add(11 * time.Second) }, "time", "more than 10s ahead"},
		"a negative session":    {func(s *iot.StatusReport) { s.Session = -1 }, "session", "must not be negative"},
		"a reason of two lines": {func(s *iot.StatusReport) { s.Reason = "a\nb" }, "reason", "control character"},
	} {
		s := iot.StatusReport{Status: iot.ReportedOffline, Time: noon}
		test.change(&s)
		mustRefuse(t, name, s.Normalize(noon, &admission), test.field, test.reason)
	}
	s := iot.StatusReport{Status: iot.ReportedBad, Reason: " Bad ", Time: noon.Add(10*time.Second + 1), Session: 7}
	if err := s.Normalize(noon.Add(1), &admission); err != nil || s.Reason != "Bad" || !s.Time.Equal(noon.Add(10*time.Second)) {
		t.Errorf("got %+v, %v, want it admitted in canonical form", s, err)
	}
}

func TestDeviceEntriesAreRefusedForWhatTheyHold(t *testing.T) {
	many := make(map[string]string)
	limits := make(map[string]float64)
	for i := range 101 {
		many[fmt.Sprint(i)] = "x"
		limits[fmt.Sprint(i)] = 1
	}
	for name, test := range map[string]struct {
		change        func(*iot.DeviceEntry)
		field, reason string
	}{
		"no version":             {func(e *iot.DeviceEntry) { e.Version = 0 }, "version", "at least 1"},
		"the last version":       {func(e *iot.DeviceEntry) { e.Version = iot.MaxVersion + 1 }, "version", "at most 9007199254740991"},
		"a long name":            {func(e *iot.DeviceEntry) { e.Name = strings.Repeat("x", 129) }, "name", "longer than 128"},
		"an area with a gap":     {func(e *iot.DeviceEntry) { e.Area = "a//b" }, "area", "no name"},
		"many labels":            {func(e *iot.DeviceEntry) { e.Labels = many }, "labels", "more than 32 (got 101)"},
		"a label without a name": {func(e *iot.DeviceEntry) { e.Labels = map[string]string{"": "x"} }, "labels", "missing"},
		"labels that look alike": {func(e *iot.DeviceEntry) { e.Labels = map[string]string{"é": "x", "e\u0301": "y"} }, "labels", "look the same"},
		"a long label":           {func(e *iot.DeviceEntry) { e.Labels = map[string]string{"a": strings.Repeat("x", 129)} }, "labels", "longer than 128"},
		"many limits":            {func(e *iot.DeviceEntry) { e.Limits = limits }, "limits", "more than 100 (got 101)"},
		"an infinite limit":      {func(e *iot.DeviceEntry) { e.Limits = map[string]float64{"a": math.Inf(1)} }, "limits", "not a finite number"},
		"a long unit":            {func(e *iot.DeviceEntry) { e.Unit = strings.Repeat("x", 33) }, "unit", "longer than 32"},
		"a negative interval":    {func(e *iot.DeviceEntry) { e.Interval = -time.Second }, "interval", "must be between 0"},
		"an endless interval":    {func(e *iot.DeviceEntry) { e.Interval = 32 * 24 * time.Hour }, "interval", "must be between 0"},
		"a parent with a blank":  {func(e *iot.DeviceEntry) { e.Parent = " gateway" }, "parent", "white space"},
		"a long parent":          {func(e *iot.DeviceEntry) { e.Parent = iot.DeviceID(strings.Repeat("x", 129)) }, "parent", "longer than 128"},
		"forget and a parent":    {func(e *iot.DeviceEntry) { *e = iot.DeviceEntry{Version: 1, Forget: true, Parent: "g"} }, "forget", "must be alone"},
		"forget and a unit":      {func(e *iot.DeviceEntry) { *e = iot.DeviceEntry{Version: 1, Forget: true, Unit: "K"} }, "forget", "must be alone"},
		"forget and more":        {func(e *iot.DeviceEntry) { e.Forget = true }, "forget", "must be alone"},
	} {
		e := iot.DeviceEntry{Version: 1, Name: "press 4"}
		test.change(&e)
		mustRefuse(t, name, e.Normalize(), test.field, test.reason)
	}
	e := iot.DeviceEntry{Version: 1, Labels: map[string]string{"e\u0301": " x "}, Limits: map[string]float64{}}
	if err := e.Normalize(); err != nil || e.Labels["é"] != "x" || len(e.Labels) != 1 || e.Limits != nil {
		t.Errorf("got %+v, %v, want it in canonical form", e, err)
	}
}

func TestCommandsAreRefusedForWhatTheyHold(t *testing.T) {
	acknowledge := iot.Command{ID: "c1", Action: iot.Acknowledge, Actor: "u1", Time: noon, Alert: "a1"}
	shelve := iot.Command{ID: "c1", Action: iot.Shelve, Actor: "u1", Time: noon, Rule: "high", Until: noon.Add(time.Hour)}
	for name, test := range map[string]struct {
		from          iot.Command
		change        func(*iot.Command)
		field, reason string
	}{
		"no action":               {acknowledge, func(c *iot.Command) { c.Action = "" }, "action", "unknown"},
		"no id":                   {acknowledge, func(c *iot.Command) { c.ID = "" }, "id", "missing"},
		"no actor":                {acknowledge, func(c *iot.Command) { c.Actor = "" }, "actor", "missing"},
		"a long actor":            {acknowledge, func(c *iot.Command) { c.Actor = strings.Repeat("x", 65) }, "actor", "longer than 64"},
		"no time":                 {acknowledge, func(c *iot.Command) { c.Time = time.Time{} }, "time", "missing"},
		"no alert":                {acknowledge, func(c *iot.Command) { c.Alert = "" }, "alert", "missing"},
		"a rule to acknowledge":   {acknowledge, func(c *iot.Command) { c.Rule = "high" }, "action", "has no rule"},
		"an empty comment":        {acknowledge, func(c *iot.Command) { c.Action = iot.AddComment }, "reason", "text of the comment"},
		"an alert to shelve":      {shelve, func(c *iot.Command) { c.Alert = "a1" }, "alert", "is about a rule"},
		"shelved for ever":        {shelve, func(c *iot.Command) { c.Until = time.Time{} }, "until", "missing"},
		"shelved until before":    {shelve, func(c *iot.Command) { c.Until = noon }, "until", "must be after"},
		"out of service until":    {shelve, func(c *iot.Command) { c.Action = iot.TakeOutOfService }, "until", "only shelving"},
		"a negative revision":     {shelve, func(c *iot.Command) { c.Revision = -1 }, "revision", "must not be negative"},
		"a rule with a separator": {shelve, func(c *iot.Command) { c.Rule = "a\x1fb" }, "rule", "control character"},
	} {
		c := test.from
		test.change(&c)
		mustRefuse(t, name, c.Normalize(), test.field, test.reason)
	}
	for _, want := range []iot.Command{acknowledge, shelve, {ID: "c2", Action: iot.ReturnToService, Actor: "u1", Time: noon, Revision: 7}} {
		got := want
		if err := got.Normalize(); err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
}

func TestRuleEntriesAreRefusedForWhatTheyHold(t *testing.T) {
	for name, test := range map[string]struct {
		change        func(*iot.RuleEntry)
		field, reason string
	}{
		"no version":            {func(e *iot.RuleEntry) { e.Version = 0 }, "version", "at least 1"},
		"no name":               {func(e *iot.RuleEntry) { e.Rule.Name = "" }, "alert_type", "missing"},
		"another severity":      {func(e *iot.RuleEntry) { e.Rule.Severity = "fatal" }, "severity", "info, warning or critical"},
		"a threshold of NaN":    {func(e *iot.RuleEntry) { e.Rule.Threshold = math.NaN() }, "threshold", "not a finite number"},
		"negative hysteresis":   {func(e *iot.RuleEntry) { e.Rule.Hysteresis = -1 }, "hysteresis", "must not be negative"},
		"a negative delay":      {func(e *iot.RuleEntry) { e.Rule.For = -1000 }, "for", "must be between 0"},
		"an endless delay":      {func(e *iot.RuleEntry) { e.Rule.ClearFor = 32 * 24 * time.Hour }, "clear_for", "must be between 0"},
		"deleted and more":      {func(e *iot.RuleEntry) { e.Deleted = true }, "deleted", "must be alone"},
		"an area of nobody":     {func(e *iot.RuleEntry) { e.Rule.Area = "a//b" }, "area", "level 2"},
		"a device of no name":   {func(e *iot.RuleEntry) { e.Rule.Devices = []iot.DeviceID{""} }, "device_id", "missing"},
		"too many devices":      {func(e *iot.RuleEntry) { e.Rule.Devices = make([]iot.DeviceID, 1001) }, "devices", "more than 1000"},
		"a label of no name":    {func(e *iot.RuleEntry) { e.Rule.Labels = map[string]string{"": "x"} }, "labels", "missing"},
		"another condition":     {func(e *iot.RuleEntry) { e.Rule.Kind = "moon" }, "kind", "unknown condition"},
		"a long text":           {func(e *iot.RuleEntry) { e.Rule.Text = strings.Repeat("x", 257) }, "text", "longer than 256"},
		"a rise of nothing":     {func(e *iot.RuleEntry) { e.Rule.Condition = iot.Condition{Kind: iot.Rise, Within: time.Minute} }, "threshold", "must be positive"},
		"a rise within no time": {func(e *iot.RuleEntry) { e.Rule.Condition = iot.Condition{Kind: iot.Rise, Threshold: 1} }, "within", "must be between 1 second and 31 days (got 0 seconds)"},
		"stuck with hysteresis": {func(e *iot.RuleEntry) {
			e.Rule.Condition = iot.Condition{Kind: iot.Stuck, Hysteresis: 1, Within: time.Minute}
		}, "threshold", "without a hysteresis"},
		"a threshold in time": {func(e *iot.RuleEntry) { e.Rule.Within = time.Minute }, "within", "a threshold has none"},
		"a fall below": {func(e *iot.RuleEntry) {
			e.Rule.Condition = iot.Condition{Kind: iot.Fall, Threshold: 1, Below: true, Within: time.Minute}
		}, "below", "only a threshold"},
		"a type with a blank ": {func(e *iot.RuleEntry) { e.Rule.Type = " t" }, "device_type", "white space"},
	} {
		e := iot.RuleEntry{Version: 1, Rule: iot.Rule{Name: "high", Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Warning}}
		test.change(&e)
		mustRefuse(t, name, e.Normalize(), test.field, test.reason)
	}
	for _, rule := range iot.BuiltinRules() {
		rule.Version = 1
		e := iot.RuleEntry{Version: 1, Rule: rule}
		if err := e.Normalize(); err != nil || !reflect.DeepEqual(e.Rule, rule) {
			t.Errorf("%s: got %+v, %v, want it unchanged", rule.Name, e.Rule, err)
		}
	}
}

func TestLimitsAreRefusedForWhatTheyHold(t *testing.T) {
	for name, test := range map[string]struct {
		change        func(*iot.Limits)
		field, reason string
	}{
		"a negative lateness":   {func(l *iot.Limits) { l.Lateness = -time.Second }, "lateness", "must be between 0"},
		"a long skew":           {func(l *iot.Limits) { l.Skew = 25 * time.Hour }, "skew", "must be between 0"},
		"a negative retention":  {func(l *iot.Limits) { l.Retention = -time.Second }, "retention", "must be between 0"},
		"a negative text":       {func(l *iot.Limits) { l.MaxText = -1 }, "max_text", "between 0 and 1024 (got -1)"},
		"a long text":           {func(l *iot.Limits) { l.MaxText = 1025 }, "max_text", "(got 1025)"},
		"before 1970":           {func(l *iot.Limits) { l.Earliest = time.Unix(-1, 0) }, "earliest", "between 1970 and 2200"},
		"after 2200":            {func(l *iot.Limits) { l.Earliest = time.Date(2201, 1, 1, 0, 0, 0, 0, time.UTC) }, "earliest", "(got year 2201)"},
		"no types":              {func(l *iot.Limits) { l.Types = nil }, "types", "between 1 and 1000 (got 0)"},
		"many types":            {func(l *iot.Limits) { l.Types = make([]iot.TypeSpec, 1001) }, "types", "(got 1001)"},
		"a type without a name": {func(l *iot.Limits) { l.Types[0].Name = "" }, "types.name", "missing"},
		"a type twice":          {func(l *iot.Limits) { l.Types[1].Name = l.Types[0].Name }, "types.name", "given twice"},
		"an empty range":        {func(l *iot.Limits) { l.Types[0].Max = l.Types[0].Min }, "types.min", "empty or infinite"},
		"many digits":           {func(l *iot.Limits) { l.Types[0].Decimals = 16 }, "types.decimals", "between 0 and 15"},
		"a state without name":  {func(l *iot.Limits) { l.Types[0].States = []string{""} }, "types.states", "missing"},
		"long texts": {func(l *iot.Limits) {
			states := make([]string, 256)
			for i := range states {
				states[i] = strings.Repeat("x", 128)
			}
			for i := range 8 {
				l.Types = append(l.Types, iot.TypeSpec{Name: iot.DeviceType(fmt.Sprint(i)), Max: 1, States: append([]string(nil), states...)})
			}
		}, "types", "longer than 262144 bytes"},
	} {
		l := iot.Limits{Lateness: 5 * time.Second, Skew: 10 * time.Second, Types: iot.BuiltinTypes()}
		test.change(&l)
		mustRefuse(t, name, l.Normalize(), test.field, test.reason)
	}
}
