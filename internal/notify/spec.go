package notify

// SpanSpec is a time of day on some days of the week, as it is written.
type SpanSpec struct {
	Days []string `json:"days,omitempty" maxItems:"7" doc:"On which days it begins: mon to sun; absent means every day."`
	From string   `json:"from" doc:"When it begins: hh:mm."`
	To   string   `json:"to" doc:"When it ends: hh:mm, on the next day if that is not after from."`
}

// StepSpec is a step of escalation, as it is written.
type StepSpec struct {
	AfterSeconds float64  `json:"after_seconds" doc:"How long after the alert was notified, if nobody has acknowledged it."`
	Channels     []string `json:"channels,omitempty" maxItems:"100" doc:"Who is notified as well."`
	OnCall       []string `json:"on_call,omitempty" maxItems:"50" doc:"Calendars whose channels on call are notified as well."`
}

// RouteSpec is who is notified of which alerts, as it is written.
type RouteSpec struct {
	Name            string            `json:"name" doc:"The name."`
	Disabled        bool              `json:"disabled,omitempty" doc:"Whether it takes no alerts for the time being. Its other parts are kept and checked."`
	Severities      []string          `json:"severities,omitempty" maxItems:"3" doc:"Which alerts: only those of these severities. So with areas, types, rules, tenants, labels and times; absent means all, and empty is refused."`
	Areas           []string          `json:"areas,omitempty" maxItems:"200" doc:"Only devices of these areas, and of those below them."`
	Types           []string          `json:"types,omitempty" maxItems:"200" doc:"Only devices of these types."`
	Rules           []string          `json:"rules,omitempty" maxItems:"200" doc:"Only alerts of these rules."`
	Tenants         []string          `json:"tenants,omitempty" maxItems:"200" doc:"Only devices of these tenants."`
	Labels          map[string]string `json:"labels,omitempty" doc:"Only devices with these labels."`
	Times           []SpanSpec        `json:"times,omitempty" maxItems:"100" doc:"Only alerts that come at these times."`
	TimeZone        string            `json:"time_zone,omitempty" doc:"That of times and quiet; absent in a decision: the configured one."`
	Continue        bool              `json:"continue,omitempty" doc:"Whether the routes behind it are looked at, too."`
	Channels        []string          `json:"channels,omitempty" maxItems:"100" doc:"Who is notified."`
	OnCall          []string          `json:"on_call,omitempty" maxItems:"50" doc:"Calendars whose channels on call are notified."`
	GroupBy         []string          `json:"group_by" nullable:"false" maxItems:"5" doc:"What the alerts of one message have in common, besides tenant and severity."`
	WaitSeconds     float64           `json:"wait_seconds" doc:"How long the first alert of a group waits for others."`
	IntervalSeconds float64           `json:"interval_seconds" doc:"The least time between two messages about a group."`
	RepeatSeconds   float64           `json:"repeat_seconds" doc:"How often a message is repeated while nobody acknowledges; 0 means never."`
	Escalate        []StepSpec        `json:"escalate,omitempty" maxItems:"10" doc:"Who else is notified if nobody acknowledges."`
	Quiet           []SpanSpec        `json:"quiet,omitempty" maxItems:"100" doc:"When only critical alerts are notified. Others wait for the end."`
}

// ShiftSpec is who is on call at a time of the week, as it is written.
type ShiftSpec struct {
	SpanSpec
	Channels []string `json:"channels" nullable:"false" maxItems:"100" doc:"Who is on call."`
}

// OverrideSpec replaces everybody else for a time, as it is written.
type OverrideSpec struct {
	From     string   `json:"from" doc:"When it begins, in the calendar's time zone."`
	Until    string   `json:"until" doc:"When it ends."`
	Channels []string `json:"channels" nullable:"false" maxItems:"100" doc:"Who is on call."`
}

// RotationSpec has channels take turns, as it is written.
type RotationSpec struct {
	Start    string   `json:"start" doc:"When the first turn begins, in the calendar's time zone."`
	Days     int      `json:"days" doc:"How long a turn is."`
	Channels []string `json:"channels" nullable:"false" maxItems:"100" doc:"Who takes turns, in this order."`
}

// CalendarSpec says who is on call, as it is written: what overrides, then the shifts, then the rotation, then otherwise.
type CalendarSpec struct {
	Name      string         `json:"name" doc:"The name."`
	TimeZone  string         `json:"time_zone,omitempty" doc:"That of its times; absent in a decision: the configured one."`
	Overrides []OverrideSpec `json:"overrides,omitempty" maxItems:"1000" doc:"The first that holds comes before everything else."`
	Shifts    []ShiftSpec    `json:"shifts,omitempty" maxItems:"1000" doc:"All that hold."`
	Rotation  *RotationSpec  `json:"rotation,omitempty" doc:"Where no shift holds."`
	Otherwise []string       `json:"otherwise" nullable:"false" maxItems:"100" doc:"Who is on call if nobody else is."`
}
