package notify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"iotmon/internal/iot"
)

// Decided is what people have decided about routes and calendars, always whole. What they have not decided is as the configuration of the process that
// sends says.
type Decided struct {
	// Version orders the decisions, from 1 to iot.MaxVersion.
	Version int64 `json:"version"`
	// Routes are all routes; nil means those of the configuration.
	Routes *DecidedRoutes `json:"routes,omitempty"`
	// Calendars are in the order of their names. They come before those of the configuration that have the same name.
	Calendars []DecidedCalendar `json:"calendars,omitempty"`
}

// DecidedRoutes are routes, in the order in which they are tried.
type DecidedRoutes struct {
	// Version is that of the decision which was the last about them.
	Version int64       `json:"version"`
	Routes  []RouteSpec `json:"routes"`
}

// DecidedCalendar is a calendar.
type DecidedCalendar struct {
	// Version is that of the decision which was the last about it.
	Version int64 `json:"version"`
	CalendarSpec
}

// The limits of what is decided. MaxDecided is that of its JSON in bytes.
const (
	MaxRoutes, MaxCalendars = 200, 50
	MaxDecided              = 512 << 10
	maxNames                = 200
	maxSpans, maxTurns      = 100, 1000
)

var specName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// Calendar returns a calendar; nil if none of the name has been decided.
func (d *Decided) Calendar(name string) *DecidedCalendar {
	for i := range d.Calendars {
		if d.Calendars[i].Name == name {
			return &d.Calendars[i]
		}
	}
	return nil
}

// With returns the decision with a calendar, which replaces that of the same name.
func (d *Decided) With(calendar CalendarSpec, version int64) Decided {
	all := d.Without(calendar.Name)
	all.Calendars = append(all.Calendars, DecidedCalendar{version, calendar})
	slices.SortFunc(all.Calendars, func(a, b DecidedCalendar) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Without returns the decision without a calendar.
func (d *Decided) Without(name string) Decided {
	all := *d
	all.Calendars = nil
	for i := range d.Calendars {
		if d.Calendars[i].Name != name {
			all.Calendars = append(all.Calendars, d.Calendars[i])
		}
	}
	return all
}

// AppendDecided appends the JSON of what is decided.
func AppendDecided(dst []byte, d *Decided) []byte {
	text, err := json.Marshal(d)
	if err != nil {
		panic(err) // Its numbers are finite: they are checked.
	}
	return append(dst, text...)
}

// DecodeDecided decodes what AppendDecided wrote, and checks it as Check does but for the names of channels and calendars. The error is an
// *iot.InvalidError: a newer version, or another program, has written it. A key that is not known is an error, because what it says would be left out.
func DecodeDecided(data []byte) (Decided, error) {
	var d Decided
	if len(data) > 2*MaxDecided {
		return d, iot.Invalid("", "longer than %d bytes", 2*MaxDecided)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		return Decided{}, iot.Invalid("", "not what is decided about notifications: %v", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return Decided{}, iot.Invalid("", "something follows the JSON object")
	}
	if err := d.Check(); err != nil {
		return Decided{}, err
	}
	return d, nil
}

// Check checks everything but the names of channels and calendars. The error is an *iot.InvalidError.
func (d *Decided) Check() error {
	if d.Version < 1 || d.Version > iot.MaxVersion {
		return iot.Invalid("version", "must be between 1 and %d (got %d)", int64(iot.MaxVersion), d.Version)
	}
	if d.Routes != nil {
		if d.Routes.Version < 1 || d.Routes.Version > d.Version {
			return iot.Invalid("routes.version", "must be between 1 and %d (got %d)", d.Version, d.Routes.Version)
		}
		if err := CheckRoutes("routes", d.Routes.Routes, nil); err != nil {
			return err
		}
	}
	if len(d.Calendars) > MaxCalendars {
		return iot.Invalid("calendars", "more than %d (got %d)", MaxCalendars, len(d.Calendars))
	}
	for i := range d.Calendars {
		c, at := &d.Calendars[i], fmt.Sprintf("calendars[%d].", i)
		if c.Version < 1 || c.Version > d.Version {
			return iot.Invalid(at+"version", "must be between 1 and %d (got %d)", d.Version, c.Version)
		}
		if i > 0 && d.Calendars[i-1].Name >= c.Name {
			return iot.Invalid(at+"name", "not in order")
		}
		if err := c.Check(at, nil); err != nil {
			return err
		}
	}
	if size := len(AppendDecided(nil, d)); size > MaxDecided {
		return iot.Invalid("", "all routes and calendars together are longer than %d bytes (got %d)", MaxDecided, size)
	}
	return nil
}

// Names are the channels and calendars that there are. Nil means that names are not looked at.
type Names struct {
	Channels, Calendars map[string]bool
	// Types are the device types that there are, for CheckNewRoutes; nil means that they are not looked at.
	Types []iot.DeviceType
}

// who checks the names of those who are notified. needed means that there must be somebody.
func (n *Names) who(field string, channels, onCall []string, needed bool) error {
	if needed && len(channels)+len(onCall) == 0 {
		return iot.Invalid(field+"channels", "nobody: at least one channel is needed, or a calendar in on_call")
	}
	if len(channels) > maxNames || len(onCall) > maxNames {
		return iot.Invalid(field+"channels", "more than %d names", maxNames)
	}
	if n == nil {
		return nil
	}
	for i, name := range channels {
		if !n.Channels[name] {
			return iot.Invalid(fmt.Sprintf("%schannels[%d]", field, i), "there is no such channel in the configuration (got %s)", iot.Quote(name))
		}
	}
	for i, name := range onCall {
		if !n.Calendars[name] {
			return iot.Invalid(fmt.Sprintf("%son_call[%d]", field, i), "there is no such calendar (got %s)", iot.Quote(name))
		}
	}
	return nil
}

func checkName(field, name string) error {
	if !specName.MatchString(name) {
		return iot.Invalid(field, "must be 1 to 63 letters, digits, dots, underscores and hyphens, and begin with a letter or digit (got %s)", iot.Quote(name))
	}
	return nil
}

// checkZone checks the name of a time zone that is the same on every machine.
func checkZone(field, name string) error {
	if name == "Local" {
		return iot.Invalid(field, "is another one on another machine: a name such as Asia/Shanghai, Europe/Berlin or UTC is needed (got %s)", iot.Quote(name))
	}
	_, err := Location(field, name)
	return err
}

// CheckRoutes checks all routes together. field is their place. The error is an *iot.InvalidError.
func CheckRoutes(field string, routes []RouteSpec, names *Names) error {
	if len(routes) == 0 {
		return iot.Invalid(field, "empty: nobody would be notified of anything; to go by the configuration again, delete what is decided")
	}
	if len(routes) > MaxRoutes {
		return iot.Invalid(field, "more than %d (got %d)", MaxRoutes, len(routes))
	}
	if !slices.ContainsFunc(routes, func(r RouteSpec) bool { return !r.Disabled }) {
		return iot.Invalid(field, "all are disabled: nobody would be notified of anything; to go by the configuration again, delete what is decided")
	}
	taken := make(map[string]int)
	for i := range routes {
		at := fmt.Sprintf("%s[%d].", field, i)
		if before, double := taken[routes[i].Name]; double {
			return iot.Invalid(at+"name", "is that of %s[%d], too (got %s)", field, before, iot.Quote(routes[i].Name))
		}
		taken[routes[i].Name] = i
		if err := routes[i].check(at, names); err != nil {
			return err
		}
	}
	return nil
}

// CheckNewRoutes checks routes that somebody decides: as CheckRoutes, and also what an older version has taken and stored. field is their place. The error
// is an *iot.InvalidError.
func CheckNewRoutes(field string, routes []RouteSpec, names *Names) error {
	if err := CheckRoutes(field, routes, names); err != nil {
		return err
	}
	for i := range routes {
		if err := routes[i].checkNew(fmt.Sprintf("%s[%d].", field, i), names); err != nil {
			return err
		}
	}
	return nil
}

// checkNew checks that nothing that selects is given and empty, because a program that has found no area or device type would have the route take all alerts;
// that the device types exist; and that quiet hours end.
func (r *RouteSpec) checkNew(field string, names *Names) error {
	for _, part := range []struct {
		key, of string
		empty   bool
	}{
		{"severities", "severity", r.Severities != nil && len(r.Severities) == 0}, {"areas", "area", r.Areas != nil && len(r.Areas) == 0},
		{"types", "device type", r.Types != nil && len(r.Types) == 0}, {"rules", "rule", r.Rules != nil && len(r.Rules) == 0},
		{"tenants", "tenant", r.Tenants != nil && len(r.Tenants) == 0}, {"labels", "label", r.Labels != nil && len(r.Labels) == 0},
		{"times", "time", r.Times != nil && len(r.Times) == 0},
	} {
		if part.empty {
			return iot.Invalid(field+part.key, "names no %s: name at least one, or leave the key out to select alerts whatever it is", part.of)
		}
	}
	for i, area := range r.Areas {
		if iot.Area(area).Canonical() == "" {
			return iot.Invalid(fmt.Sprintf("%sareas[%d]", field, i), "names no area: name one, or leave the key out to select alerts of every area (got %s)", iot.Quote(area))
		}
	}
	for i, name := range r.Types {
		if names != nil && names.Types != nil && !slices.Contains(names.Types, iot.DeviceType(name)) {
			return iot.Invalid(fmt.Sprintf("%stypes[%d]", field, i), "unknown device type (got %s)", iot.Quote(name))
		}
	}
	quiet, err := newTimes(field+"quiet", r.Quiet, nil)
	if err != nil {
		return err
	}
	if last, whole := WholeWeek(quiet.Spans); whole {
		return iot.Invalid(fmt.Sprintf("%squiet[%d].to", field, last), "quiet hours of the whole week never end: what is not critical would never be notified; select severities instead (got %s)",
			iot.Quote(r.Quiet[last].To))
	}
	return nil
}

func (r *RouteSpec) check(field string, names *Names) error {
	if err := checkName(field+"name", r.Name); err != nil {
		return err
	}
	if err := checkZone(field+"time_zone", r.TimeZone); err != nil {
		return err
	}
	for name, list := range map[string][]string{"areas": r.Areas, "types": r.Types, "rules": r.Rules, "tenants": r.Tenants} {
		if len(list) > maxNames {
			return iot.Invalid(field+name, "more than %d (got %d)", maxNames, len(list))
		}
		for i, text := range list {
			if len(text) > maxText || text == "" && name != "tenants" {
				return iot.Invalid(fmt.Sprintf("%s%s[%d]", field, name, i), "must have 1 to %d bytes (got %d)", maxText, len(text))
			}
		}
	}
	if len(r.Labels) > maxNames {
		return iot.Invalid(field+"labels", "more than %d (got %d)", maxNames, len(r.Labels))
	}
	if len(r.Times) > maxSpans || len(r.Quiet) > maxSpans {
		return iot.Invalid(field+"times", "more than %d", maxSpans)
	}
	if _, err := r.Route(field); err != nil {
		return err
	}
	if err := names.who(field, r.Channels, r.OnCall, true); err != nil {
		return err
	}
	for i := range r.Escalate {
		if err := names.who(fmt.Sprintf("%sescalate[%d].", field, i), r.Escalate[i].Channels, r.Escalate[i].OnCall, true); err != nil {
			return err
		}
	}
	return nil
}

// Check checks a calendar. field is its place, empty or with a dot at its end. The error is an *iot.InvalidError.
func (c *CalendarSpec) Check(field string, names *Names) error {
	if err := checkName(field+"name", c.Name); err != nil {
		return err
	}
	if err := checkZone(field+"time_zone", c.TimeZone); err != nil {
		return err
	}
	if len(c.Overrides)+len(c.Shifts) > maxTurns {
		return iot.Invalid(field+"shifts", "more than %d shifts and overrides", maxTurns)
	}
	compiled, err := c.Calendar(field)
	if err != nil {
		return err
	}
	for i := range c.Overrides {
		o, at := &c.Overrides[i], fmt.Sprintf("%soverrides[%d].", field, i)
		for name, written := range map[string]string{"from": o.From, "until": o.Until} {
			if err := shownByClocks(at+name, written, compiled); err != nil {
				return err
			}
		}
		if err := names.who(at, o.Channels, nil, true); err != nil {
			return err
		}
	}
	for i := range c.Shifts {
		if err := names.who(fmt.Sprintf("%sshifts[%d].", field, i), c.Shifts[i].Channels, nil, true); err != nil {
			return err
		}
	}
	if r := c.Rotation; r != nil {
		if err := shownByClocks(field+"rotation.start", r.Start, compiled); err != nil {
			return err
		}
		if r.Days < 1 || r.Days > 366 {
			return iot.Invalid(field+"rotation.days", "must be from 1 to 366 (got %d)", r.Days)
		}
		if err := names.who(field+"rotation.", r.Channels, nil, true); err != nil {
			return err
		}
	}
	if err := names.who(field, c.Otherwise, nil, true); err != nil {
		err.(*iot.InvalidError).Field = strings.Replace(err.(*iot.InvalidError).Field, field+"channels", field+"otherwise", 1)
		return err
	}
	return nil
}

// shownByClocks checks that the clocks of a calendar show a time, which they have read.
func shownByClocks(field, text string, c *Calendar) error {
	at, _ := moment(field, text, c.Zone)
	if at.Year() < 2000 || at.Year() > 2200 {
		return iot.Invalid(field, "must be in the years from 2000 to 2200 (got %s)", iot.Quote(text))
	}
	if at.Format(wallTime) != text {
		return iot.Invalid(field, "there is no such time in %s, because the clocks are put forward then (got %s)", c.Zone, iot.Quote(text))
	}
	return nil
}

// Setup is what is configured: the channels, and the routes and calendars as long as people have not decided otherwise.
type Setup struct {
	// Recipients are those of every channel; a channel without any has one target.
	Recipients map[string][]string
	Routes     []RouteSpec
	Calendars  []CalendarSpec
}

// RoutesOf returns the routes that hold with what is decided, which may be nil.
func (s *Setup) RoutesOf(d *Decided) []RouteSpec {
	if d == nil || d.Routes == nil {
		return s.Routes
	}
	return d.Routes.Routes
}

// CalendarsOf returns the calendars that there are with what is decided, which may be nil, in the order of their names.
func (s *Setup) CalendarsOf(d *Decided) []CalendarSpec {
	var all []CalendarSpec
	if d != nil {
		for i := range d.Calendars {
			all = append(all, d.Calendars[i].CalendarSpec)
		}
	}
	for i := range s.Calendars {
		if d == nil || d.Calendar(s.Calendars[i].Name) == nil {
			all = append(all, s.Calendars[i])
		}
	}
	slices.SortStableFunc(all, func(a, b CalendarSpec) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// NamesOf returns the names that routes and calendars may use with what is decided.
func (s *Setup) NamesOf(d *Decided) *Names {
	names := &Names{Channels: make(map[string]bool), Calendars: make(map[string]bool)}
	for channel := range s.Recipients {
		names.Channels[channel] = true
	}
	for _, c := range s.CalendarsOf(d) {
		names.Calendars[c.Name] = true
	}
	return names
}

// Plan returns the plan that holds with what is decided, which may be nil. The configuration may have lost a channel or a calendar since something was
// decided: what names it is left out, a route that notifies nobody any more takes no alert, so that those behind it do, and missing names all of them. If
// no route is left that notifies anybody, those of the configuration hold. The error is that of a mistake in the configuration.
func (s *Setup) Plan(d *Decided) (plan *Plan, missing []string, err error) {
	plan = &Plan{Recipients: s.Recipients, Calendars: make(map[string]*Calendar)}
	names := s.NamesOf(d)
	for _, spec := range s.CalendarsOf(d) {
		calendar, err := spec.Calendar("calendars." + spec.Name + ".")
		if err != nil {
			return nil, nil, err
		}
		left := names.keep(calendar)
		for _, channel := range left {
			missing = append(missing, fmt.Sprintf("calendar %s: channel %s", spec.Name, channel))
		}
		plan.Calendars[spec.Name] = calendar
	}
	for _, spec := range s.RoutesOf(d) {
		route, err := spec.Route("routes." + spec.Name + ".")
		if err != nil {
			return nil, nil, err
		}
		for _, name := range names.keepRoute(&route, plan.Calendars) {
			missing = append(missing, fmt.Sprintf("route %s: %s", spec.Name, name))
		}
		if !spec.Disabled && len(route.Channels)+len(route.OnCall) > 0 {
			plan.Routes = append(plan.Routes, route)
		}
	}
	if len(plan.Routes) == 0 && d != nil && d.Routes != nil {
		configured := *d
		configured.Routes = nil
		fallback, more, err := s.Plan(&configured)
		return fallback, append(missing, more...), err
	}
	return plan, missing, nil
}

// known returns the channels that there are, and adds others to missing.
func (n *Names) known(channels []string, missing *[]string) []string {
	var found []string
	for _, name := range channels {
		if n.Channels[name] {
			found = append(found, name)
		} else if !slices.Contains(*missing, name) {
			*missing = append(*missing, name)
		}
	}
	return found
}

// keep leaves channels out that there are not, and returns them. Parts of which nobody is left are left out, too.
func (n *Names) keep(c *Calendar) (missing []string) {
	c.Overrides = slices.DeleteFunc(c.Overrides, func(o Override) bool { return len(n.known(o.Channels, &missing)) == 0 })
	for i := range c.Overrides {
		c.Overrides[i].Channels = n.known(c.Overrides[i].Channels, &missing)
	}
	c.Shifts = slices.DeleteFunc(c.Shifts, func(s Shift) bool { return len(n.known(s.Channels, &missing)) == 0 })
	for i := range c.Shifts {
		c.Shifts[i].Channels = n.known(c.Shifts[i].Channels, &missing)
	}
	if c.Rotation != nil {
		if c.Rotation.Channels = n.known(c.Rotation.Channels, &missing); len(c.Rotation.Channels) == 0 {
			c.Rotation = nil
		}
	}
	var left []string // If nobody is left for the rest of the time, everybody else is: a message too many is better than one too few.
	for i := range c.Overrides {
		left = append(left, c.Overrides[i].Channels...)
	}
	for i := range c.Shifts {
		left = append(left, c.Shifts[i].Channels...)
	}
	if c.Rotation != nil {
		left = append(left, c.Rotation.Channels...)
	}
	if c.Otherwise = n.known(c.Otherwise, &missing); len(c.Otherwise) == 0 {
		c.Otherwise = left
	}
	return missing
}

// keepRoute leaves channels and calendars out of a route that there are not, or that name nobody, and returns them in words.
func (n *Names) keepRoute(r *Route, calendars map[string]*Calendar) (missing []string) {
	keep := func(channels, onCall []string) (foundChannels, foundOnCall []string) {
		var unknown []string
		foundChannels = n.known(channels, &unknown)
		for _, name := range unknown {
			missing = append(missing, "channel "+name)
		}
		for _, name := range onCall {
			if c := calendars[name]; c != nil && len(c.Otherwise) > 0 {
				foundOnCall = append(foundOnCall, name)
			} else {
				missing = append(missing, "calendar "+name)
			}
		}
		return foundChannels, foundOnCall
	}
	r.Channels, r.OnCall = keep(r.Channels, r.OnCall)
	for i := range r.Escalate {
		r.Escalate[i].Channels, r.Escalate[i].OnCall = keep(r.Escalate[i].Channels, r.Escalate[i].OnCall)
	}
	return missing
}
