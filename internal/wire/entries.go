package wire

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"iotmon/internal/iot"
)

// statusReport is the JSON of a status record.
type statusReport struct {
	Status     iot.Reported  `json:"status,omitempty"`
	Reason     string        `json:"reason,omitempty"`
	Time       time.Time     `json:"time"`
	Session    int64         `json:"session,omitempty"`
	Historical bool          `json:"historical,omitempty"`
	Interval   time.Duration `json:"interval_ns,omitempty"`
}

// AppendStatusReport appends the JSON of a status report.
func AppendStatusReport(dst []byte, s *iot.StatusReport) []byte {
	return appendJSON(dst, statusReport(*s))
}

// DecodeStatusReport decodes what AppendStatusReport wrote, and admits it by the time at which it was appended to the log. The
// error is an *iot.InvalidError.
func DecodeStatusReport(data []byte, appended time.Time, by *iot.Admission) (iot.StatusReport, error) {
	var m statusReport
	if err := decodeObject(data, MaxMessage, &m); err != nil {
		return iot.StatusReport{}, err
	}
	s := iot.StatusReport(m)
	if err := s.Normalize(appended, by); err != nil {
		return iot.StatusReport{}, err
	}
	return s, nil
}

// deviceReport is the JSON of a status report where it does not have the device as its key, such as in a body of HTTP.
type deviceReport struct {
	DeviceID iot.DeviceID    `json:"device_id"`
	Report   json.RawMessage `json:"report"`
}

// AppendDeviceReport appends the JSON of a status report about a device. Report is what AppendStatusReport wrote.
func AppendDeviceReport(dst []byte, device iot.DeviceID, report []byte) []byte {
	return appendJSON(dst, deviceReport{device, report})
}

// DecodeDeviceReport decodes what AppendDeviceReport wrote, and admits it as DecodeStatusReport does. Is is whether the object is such a report, valid or
// not: it has a member report, which no reading has.
func DecodeDeviceReport(data []byte, appended time.Time, by *iot.Admission) (device iot.Identity, report iot.StatusReport, is bool, err error) {
	var m deviceReport
	if decodeObject(data, MaxMessage, &m) != nil || len(m.Report) == 0 {
		return device, report, false, nil
	}
	device.ID = m.DeviceID
	if err := device.Normalize(); err != nil {
		return device, report, true, err
	}
	report, err = DecodeStatusReport(m.Report, appended, by)
	if invalid, ok := errors.AsType[*iot.InvalidError](err); ok && invalid.Field != "" {
		err = iot.Invalid("report."+invalid.Field, "%s", invalid.Reason)
	} else if ok {
		err = iot.Invalid("report", "%s", invalid.Reason)
	}
	return device, report, true, err
}

// deviceEntry is the JSON of a registry entry.
type deviceEntry struct {
	Version int64              `json:"version"`
	Forget  bool               `json:"forget,omitempty"`
	Name    string             `json:"name,omitempty"`
	Area    iot.Area           `json:"area,omitempty"`
	Labels  map[string]string  `json:"labels,omitempty"`
	Limits  map[string]float64 `json:"limits,omitempty"`
	Unit    string             `json:"unit,omitempty"`
	// Interval is in microseconds.
	Interval int64        `json:"interval_us,omitempty"`
	Retired  bool         `json:"retired,omitempty"`
	Parent   iot.DeviceID `json:"parent,omitempty"`
}

func toDeviceEntry(e *iot.DeviceEntry) deviceEntry {
	return deviceEntry{
		Version: e.Version, Forget: e.Forget, Name: e.Name, Area: e.Area, Labels: e.Labels, Limits: e.Limits,
		Unit: e.Unit, Interval: e.Interval.Microseconds(), Retired: e.Retired, Parent: e.Parent,
	}
}

func (m *deviceEntry) entry() (iot.DeviceEntry, error) {
	interval, err := microseconds("interval", m.Interval)
	return iot.DeviceEntry{
		Version: m.Version, Forget: m.Forget, Name: m.Name, Area: m.Area, Labels: m.Labels, Limits: m.Limits,
		Unit: m.Unit, Interval: interval, Retired: m.Retired, Parent: m.Parent,
	}, err
}

// AppendDeviceEntry appends the JSON of a registry entry.
func AppendDeviceEntry(dst []byte, e *iot.DeviceEntry) []byte {
	return appendJSON(dst, toDeviceEntry(e))
}

// DecodeDeviceEntry decodes what AppendDeviceEntry wrote. The error is an *iot.InvalidError.
func DecodeDeviceEntry(data []byte) (iot.DeviceEntry, error) {
	var m deviceEntry
	if err := decodeObject(data, MaxMessage, &m); err != nil {
		return iot.DeviceEntry{}, err
	}
	e, err := m.entry()
	if err == nil {
		err = e.Normalize()
	}
	if err != nil {
		return iot.DeviceEntry{}, err
	}
	return e, nil
}

// command is the JSON of a command.
type command struct {
	ID       string     `json:"id"`
	Action   iot.Action `json:"action"`
	Actor    string     `json:"actor"`
	Reason   string     `json:"reason,omitempty"`
	Time     time.Time  `json:"time"`
	Alert    string     `json:"alert,omitempty"`
	Rule     string     `json:"alert_type,omitempty"`
	Until    time.Time  `json:"until,omitzero"`
	OneShot  bool       `json:"one_shot,omitempty"`
	Revision int64      `json:"revision,omitempty"`
	Key      string     `json:"key,omitempty"`
	Request  string     `json:"request,omitempty"`
}

// AppendCommand appends the JSON of a command.
func AppendCommand(dst []byte, c *iot.Command) []byte { return appendJSON(dst, command(*c)) }

// DecodeCommand decodes what AppendCommand wrote. The error is an *iot.InvalidError.
func DecodeCommand(data []byte) (iot.Command, error) {
	var m command
	if err := decodeObject(data, MaxMessage, &m); err != nil {
		return iot.Command{}, err
	}
	c := iot.Command(m)
	if err := c.Normalize(); err != nil {
		return iot.Command{}, err
	}
	return c, nil
}

// ruleEntry is the JSON of a rule with its version. Durations are in microseconds.
type ruleEntry struct {
	Version int64 `json:"version"`
	Deleted bool  `json:"deleted,omitempty"`
	// Provisioned is true for an entry of the configuration.
	Provisioned bool           `json:"provisioned,omitempty"`
	Name        string         `json:"alert_type"`
	Selector    *ruleSelector  `json:"selector,omitempty"`
	Except      []ruleSelector `json:"except,omitempty"`
	Condition   *ruleCondition `json:"condition,omitempty"`
	For         int64          `json:"for_us,omitempty"`
	ClearFor    int64          `json:"clear_for_us,omitempty"`
	Severity    iot.Severity   `json:"severity,omitempty"`
	Latch       bool           `json:"latch,omitempty"`
	Disabled    bool           `json:"disabled,omitempty"`
	Text        string         `json:"text,omitempty"`
	TextEN      string         `json:"text_en,omitempty"`
	Procedure   string         `json:"procedure,omitempty"`
	Schedule    *schedule      `json:"schedule,omitempty"`
	// DecidedBy needs no level: a program that does not know it decides the same.
	DecidedBy string `json:"decided_by,omitempty"`
}

type schedule struct {
	Periods  []period       `json:"periods,omitempty"`
	TimeZone string         `json:"time_zone,omitempty"`
	Weekly   []weeklyPeriod `json:"weekly,omitempty"`
}

type period struct {
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
}

// weeklyPeriod begins at so many minutes since midnight. Day 0 is Sunday.
type weeklyPeriod struct {
	Day     time.Weekday `json:"day"`
	Start   int          `json:"start_minute"`
	Minutes int          `json:"minutes"`
}

func toSchedule(s *iot.Schedule) *schedule {
	if s == nil {
		return nil
	}
	m := &schedule{TimeZone: s.Calendar.TimeZone}
	for _, p := range s.Periods {
		m.Periods = append(m.Periods, period(p))
	}
	for _, w := range s.Calendar.Weekly {
		m.Weekly = append(m.Weekly, weeklyPeriod(w))
	}
	return m
}

func (m *schedule) schedule() *iot.Schedule {
	if m == nil {
		return nil
	}
	s := &iot.Schedule{Calendar: iot.Calendar{TimeZone: m.TimeZone}}
	for _, p := range m.Periods {
		s.Periods = append(s.Periods, iot.Period(p))
	}
	for _, w := range m.Weekly {
		s.Calendar.Weekly = append(s.Calendar.Weekly, iot.WeeklyPeriod(w))
	}
	return s
}

type ruleSelector struct {
	Tenant  iot.Tenant        `json:"tenant,omitempty"`
	Area    iot.Area          `json:"area,omitempty"`
	Type    iot.DeviceType    `json:"device_type,omitempty"`
	Labels  map[string]string `json:"labels,omitempty"`
	Devices []iot.DeviceID    `json:"devices,omitempty"`
}

type ruleCondition struct {
	Kind       iot.ConditionKind `json:"kind,omitempty"`
	Below      bool              `json:"below,omitempty"`
	Threshold  float64           `json:"threshold,omitempty"`
	Hysteresis float64           `json:"hysteresis,omitempty"`
	Within     int64             `json:"within_us,omitempty"`
	Limit      float64           `json:"limit,omitempty"`
	Last       int               `json:"last,omitempty"`
	// Levels holds those that the condition has, by name.
	Levels     map[string]ruleLevel `json:"levels,omitempty"`
	Expression string               `json:"expression,omitempty"`
}

type ruleLevel struct {
	Limit    float64      `json:"limit"`
	Severity iot.Severity `json:"severity,omitempty"`
}

func toRuleLevels(levels *iot.Levels) map[string]ruleLevel {
	var m map[string]ruleLevel
	for i, level := range levels {
		if level.On {
			if m == nil {
				m = make(map[string]ruleLevel)
			}
			m[iot.LevelNames[i]] = ruleLevel{level.Limit, level.Severity}
		}
	}
	return m
}

func fromRuleLevels(m map[string]ruleLevel) (levels iot.Levels, err error) {
	for name, level := range m {
		i := slices.Index(iot.LevelNames[:], name)
		if i < 0 {
			return levels, iot.Invalid("levels", "unknown level %s", iot.Quote(name))
		}
		levels[i] = iot.Level{On: true, Limit: level.Limit, Severity: level.Severity}
	}
	return levels, nil
}

func toRuleEntry(e *iot.RuleEntry) ruleEntry {
	m := ruleEntry{Version: e.Version, Deleted: e.Deleted, Provisioned: e.Provisioned, Name: e.Rule.Name}
	if e.Deleted {
		return m
	}
	r := &e.Rule
	m.Selector = new(ruleSelector(r.Selector))
	for _, except := range r.Except {
		m.Except = append(m.Except, ruleSelector(except))
	}
	m.Condition = &ruleCondition{r.Kind, r.Below, r.Threshold, r.Hysteresis, r.Within.Microseconds(), r.Limit, r.Last, toRuleLevels(&r.Levels), r.Expression}
	m.For, m.ClearFor = r.For.Microseconds(), r.ClearFor.Microseconds()
	m.Severity, m.Latch, m.Text, m.TextEN, m.Procedure = r.Severity, r.Latch, r.Text, r.TextEN, r.Procedure
	m.Disabled, m.Schedule, m.DecidedBy = r.Disabled, toSchedule(r.Schedule), r.DecidedBy
	return m
}

func (m *ruleEntry) entry() (iot.RuleEntry, error) {
	e := iot.RuleEntry{
		Version: m.Version, Deleted: m.Deleted, Provisioned: m.Provisioned,
		Rule: iot.Rule{
			Name: m.Name, Severity: m.Severity, Latch: m.Latch, Text: m.Text, TextEN: m.TextEN, Procedure: m.Procedure,
			Disabled: m.Disabled, Schedule: m.Schedule.schedule(), DecidedBy: m.DecidedBy,
		},
	}
	for _, except := range m.Except {
		e.Rule.Except = append(e.Rule.Except, iot.Selector(except))
	}
	if m.Selector != nil {
		e.Rule.Selector = iot.Selector(*m.Selector)
	}
	var err error
	if c := m.Condition; c != nil {
		e.Rule.Condition = iot.Condition{
			Kind: c.Kind, Below: c.Below, Threshold: c.Threshold, Hysteresis: c.Hysteresis, Limit: c.Limit, Last: c.Last,
			Expression: c.Expression,
		}
		if e.Rule.Within, err = microseconds("within", c.Within); err != nil {
			return iot.RuleEntry{}, err
		}
		if e.Rule.Levels, err = fromRuleLevels(c.Levels); err != nil {
			return iot.RuleEntry{}, err
		}
	}
	if e.Rule.For, err = microseconds("for", m.For); err != nil {
		return iot.RuleEntry{}, err
	}
	if e.Rule.ClearFor, err = microseconds("clear_for", m.ClearFor); err != nil {
		return iot.RuleEntry{}, err
	}
	return e, e.Normalize()
}

// AppendRuleEntry appends the JSON of a rule with its version.
func AppendRuleEntry(dst []byte, e *iot.RuleEntry) []byte { return appendJSON(dst, toRuleEntry(e)) }

// DecodeRuleEntry decodes what AppendRuleEntry wrote. The error is an *iot.InvalidError.
func DecodeRuleEntry(data []byte) (iot.RuleEntry, error) {
	var m ruleEntry
	if err := decodeObject(data, MaxRecord, &m); err != nil {
		return iot.RuleEntry{}, err
	}
	e, err := m.entry()
	if err != nil {
		return iot.RuleEntry{}, err
	}
	return e, nil
}

// maxMicroseconds is a hundred years and more: no duration on the wire is longer, and all of them fit into a time.Duration.
const maxMicroseconds = 200 * 366 * 24 * 3600 * 1_000_000

func microseconds(field string, count int64) (time.Duration, error) {
	if count < -maxMicroseconds || count > maxMicroseconds {
		return 0, iot.Invalid(field, "must be a duration of less than 200 years (got %d µs)", count)
	}
	return time.Duration(count) * time.Microsecond, nil
}
