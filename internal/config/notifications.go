package config

import (
	"fmt"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Notifications configures who is notified of alerts. Without channels nobody is.
type Notifications struct {
	// Language is that of the messages, zh or en, where a channel has none of its own.
	Language string `koanf:"language"`
	// TimeZone is the name of the time zone of the times in messages, routes and calendars, where these have none of their own, such as Asia/Shanghai; empty
	// means that of the machine.
	TimeZone string `koanf:"time_zone"`
	// Page is the address of the page, for the link in messages; empty means no link.
	Page string `koanf:"page"`
	// Keep is how long it is kept what was sent.
	Keep      time.Duration `koanf:"keep"`
	Channels  []Channel     `koanf:"channels"`
	Calendars []Calendar    `koanf:"calendars"`
	Routes    []Route       `koanf:"routes"`
}

// Channel is a way to people or programs. It has exactly one section. The sections are pointers: nil means that the channel does not have it.
type Channel struct {
	Name     string `koanf:"name"`
	Language string `koanf:"language"`
	// Title and Body are templates of the messages, with placeholders such as {about}; empty means the usual words.
	Title string `koanf:"title"`
	Body  string `koanf:"body"`

	Mail         *MailChannel         `koanf:"mail"`
	Webhook      *WebhookChannel      `koanf:"webhook"`
	Alertmanager *AlertmanagerChannel `koanf:"alertmanager"`
	DingTalk     *ChatChannel         `koanf:"dingtalk"`
	WeCom        *ChatChannel         `koanf:"wecom"`
	Feishu       *ChatChannel         `koanf:"feishu"`
	Slack        *ChatChannel         `koanf:"slack"`
	Teams        *ChatChannel         `koanf:"teams"`
	Telegram     *TelegramChannel     `koanf:"telegram"`
}

// MailChannel sends mail by SMTP.
type MailChannel struct {
	Host string `koanf:"host"`
	// Port is 587, or 465 for tls and 25 for none, unless it is set.
	Port int `koanf:"port"`
	// Encryption is starttls, which is the default and must be offered by the server, tls from the beginning, or none.
	Encryption string     `koanf:"encryption"`
	TLS        *SourceTLS `koanf:"tls"`
	Username   string     `koanf:"username"`
	// PasswordFile contains the password, but for a line end at its end. It is read at each connection, as are all files of channels.
	PasswordFile string `koanf:"password_file"`
	From         string `koanf:"from"`
	// To are the recipients. Each has its own mail.
	To []string `koanf:"to"`
}

// Filled returns the section with its defaults.
func (m *MailChannel) Filled() MailChannel {
	f := *m
	if f.Encryption == "" {
		f.Encryption = "starttls"
	}
	if f.Port == 0 {
		f.Port = map[string]int{"starttls": 587, "tls": 465, "none": 25}[f.Encryption]
	}
	return f
}

// WebhookChannel posts to a server of one's own.
type WebhookChannel struct {
	// URL is the address, or URLFile has it if it contains a secret.
	URL     string `koanf:"url"`
	URLFile string `koanf:"url_file"`
	// SecretFile has the secret of Standard Webhooks by which messages are signed; TokenFile a token sent as Authorization: Bearer.
	SecretFile string     `koanf:"secret_file"`
	TokenFile  string     `koanf:"token_file"`
	TLS        *SourceTLS `koanf:"tls"`
}

// AlertmanagerChannel posts to a Prometheus Alertmanager.
type AlertmanagerChannel struct {
	URL          string     `koanf:"url"`
	Username     string     `koanf:"username"`
	PasswordFile string     `koanf:"password_file"`
	TokenFile    string     `koanf:"token_file"`
	TLS          *SourceTLS `koanf:"tls"`
}

// ChatChannel posts to the robot or webhook of a chat service.
type ChatChannel struct {
	// URLFile has the address with its key.
	URLFile string `koanf:"url_file"`
	// SecretFile has the secret by which DingTalk and Feishu know that a message is genuine.
	SecretFile string     `koanf:"secret_file"`
	TLS        *SourceTLS `koanf:"tls"`
}

// TelegramChannel posts as a bot.
type TelegramChannel struct {
	// URL is the address of the API; empty means that of Telegram.
	URL       string     `koanf:"url"`
	TokenFile string     `koanf:"token_file"`
	ChatID    string     `koanf:"chat_id"`
	TLS       *SourceTLS `koanf:"tls"`
}

// Kinds returns the names of the sections that the channel has.
func (c *Channel) Kinds() []string {
	var names []string
	if c.Mail != nil {
		names = append(names, "mail")
	}
	if c.Webhook != nil {
		names = append(names, "webhook")
	}
	if c.Alertmanager != nil {
		names = append(names, "alertmanager")
	}
	for name, chat := range c.chats() {
		if chat != nil {
			names = append(names, name)
		}
	}
	if c.Telegram != nil {
		names = append(names, "telegram")
	}
	return names
}

func (c *Channel) chats() map[string]*ChatChannel {
	return map[string]*ChatChannel{"dingtalk": c.DingTalk, "wecom": c.WeCom, "feishu": c.Feishu, "slack": c.Slack, "teams": c.Teams}
}

// Chat returns the section of the channel's chat service.
func (c *Channel) Chat() *ChatChannel { return c.chats()[c.Kinds()[0]] }

// Span is a time of day on some days of the week.
type Span struct {
	// Days are mon to sun; none means every day.
	Days []string `koanf:"days"`
	// From and To are hh:mm. If To is not after From, it is on the next day.
	From string `koanf:"from"`
	To   string `koanf:"to"`
}

// Calendar says who is on call: what overrides, then the shifts, then the rotation, then Otherwise.
type Calendar struct {
	Name      string     `koanf:"name"`
	TimeZone  string     `koanf:"time_zone"`
	Overrides []Override `koanf:"overrides"`
	Shifts    []Shift    `koanf:"shifts"`
	Rotation  *Rotation  `koanf:"rotation"`
	Otherwise []string   `koanf:"otherwise"`
}

// Override replaces everybody else for a time. From and Until are by the clock on the wall, such as 2026-12-24T06:00.
type Override struct {
	From     string   `koanf:"from"`
	Until    string   `koanf:"until"`
	Channels []string `koanf:"channels"`
}

// Shift is who is on call at some times of the week.
type Shift struct {
	Days     []string `koanf:"days"`
	From     string   `koanf:"from"`
	To       string   `koanf:"to"`
	Channels []string `koanf:"channels"`
}

// Rotation has the channels take turns of some days.
type Rotation struct {
	Start    string   `koanf:"start"`
	Days     int      `koanf:"days"`
	Channels []string `koanf:"channels"`
}

// Route is who is notified of the alerts that it selects.
type Route struct {
	Name string `koanf:"name"`
	// The following select alerts; empty ones select all. Times are when the alert comes.
	Severities []string          `koanf:"severities"`
	Areas      []string          `koanf:"areas"`
	Types      []string          `koanf:"types"`
	Rules      []string          `koanf:"rules"`
	Tenants    []string          `koanf:"tenants"`
	Labels     map[string]string `koanf:"labels"`
	Times      []Span            `koanf:"times"`
	// TimeZone is that of Times and Quiet.
	TimeZone string `koanf:"time_zone"`
	// Continue has the routes behind it looked at, too.
	Continue bool     `koanf:"continue"`
	Channels []string `koanf:"channels"`
	OnCall   []string `koanf:"on_call"`
	// GroupBy is rule and area, unless it is set: rule, area, whole_area, type, device.
	GroupBy []string `koanf:"group_by"`
	// Wait is how long the first alert of a group waits for others, Interval the least time between two messages about a group, and Repeat how often a
	// message is repeated that nobody acknowledges.
	Wait     *time.Duration `koanf:"wait"`
	Interval *time.Duration `koanf:"interval"`
	Repeat   *time.Duration `koanf:"repeat"`
	Escalate []Escalation   `koanf:"escalate"`
	// Quiet are the times at which only critical alerts are notified.
	Quiet []Span `koanf:"quiet"`
}

// Escalation is who else is notified of an alert that is not acknowledged that long after it was notified.
type Escalation struct {
	After    time.Duration `koanf:"after"`
	Channels []string      `koanf:"channels"`
	OnCall   []string      `koanf:"on_call"`
}

// Filled returns the route with its defaults.
func (r *Route) Filled() Route {
	f := *r
	if len(f.GroupBy) == 0 {
		f.GroupBy = []string{"rule", "area"}
	}
	for _, d := range []struct {
		of       **time.Duration
		standard time.Duration
	}{{&f.Wait, 5 * time.Second}, {&f.Interval, time.Minute}, {&f.Repeat, 4 * time.Hour}} {
		if *d.of == nil {
			*d.of = &d.standard
		}
	}
	return f
}

func defaultNotifications() Notifications {
	return Notifications{Language: "zh", Keep: 30 * 24 * time.Hour, Channels: []Channel{}, Calendars: []Calendar{}, Routes: []Route{}}
}

// The limits of what is configured.
const (
	maxChannels   = 100
	maxRecipients = 100
	maxRoutes     = 200
	maxCalendars  = 50
	maxSpans      = 100
)

// notifications checks who is notified of alerts.
func (c *checker) notifications(n *Notifications, known []string) {
	c.oneOf("notifications.language", n.Language, "zh", "en")
	c.timeZone("notifications.time_zone", n.TimeZone)
	c.mustText(n.Page == "" || webAddress(n.Page, false), "notifications.page", withoutLogin(n.Page), "the address of the page, such as https://iotmon.example, or empty")
	within(c, "notifications.keep", n.Keep, time.Hour, maxRetention)
	c.must(len(n.Channels) <= maxChannels, "notifications.channels", len(n.Channels), "at most %d", maxChannels)
	c.must(len(n.Calendars) <= maxCalendars, "notifications.calendars", len(n.Calendars), "at most %d", maxCalendars)
	c.must(len(n.Routes) <= maxRoutes, "notifications.routes", len(n.Routes), "at most %d", maxRoutes)
	c.must((len(n.Channels) == 0) == (len(n.Routes) == 0), "notifications.routes", len(n.Routes), "at least one if there are channels, and none otherwise")
	names := notifyNames{channels: make(map[string]bool), calendars: make(map[string]bool)}
	for i := range n.Channels {
		c.channel(fmt.Sprintf("notifications.channels[%d]", i), &n.Channels[i], names.channels)
	}
	for i := range n.Calendars {
		c.calendar(fmt.Sprintf("notifications.calendars[%d]", i), &n.Calendars[i], &names)
	}
	taken := make(map[string]bool)
	for i := range n.Routes {
		c.route(fmt.Sprintf("notifications.routes[%d]", i), &n.Routes[i], &names, taken, known)
	}
}

// notifyNames are the names that routes may use.
type notifyNames struct{ channels, calendars map[string]bool }

// newName checks a name, and that no other of its kind has it.
func (c *checker) newName(key, name string, taken map[string]bool) {
	c.mustText(sourceName.MatchString(name), key+".name", name, "1 to 63 letters, digits, dots, underscores and hyphens, and begin with a letter or digit")
	c.mustText(!taken[name], key+".name", name, "a name that no other has")
	taken[name] = true
}

func (c *checker) timeZone(key, name string) {
	_, err := time.LoadLocation(name)
	c.mustText(err == nil, key, name, "the name of a time zone, such as Asia/Shanghai, Europe/Berlin or UTC")
}

// webAddress reports whether a text is an address of http or https. A query is for addresses that have their key in it.
func webAddress(text string, query bool) bool {
	address, err := url.Parse(text)
	return err == nil && (address.Scheme == "http" || address.Scheme == "https") && address.Host != "" && address.User == nil && address.Fragment == "" &&
		(query || address.RawQuery == "")
}

func (c *checker) channel(key string, channel *Channel, taken map[string]bool) {
	c.newName(key, channel.Name, taken)
	if channel.Language != "" {
		c.oneOf(key+".language", channel.Language, "zh", "en")
	}
	if check := c.builtin.CheckTemplate; check != nil {
		if part, reason := check(channel.Title, channel.Body); reason != "" {
			c.mustText(false, key+"."+part, map[string]string{"title": channel.Title, "body": channel.Body}[part], "%s", reason)
		}
	}
	kinds := channel.Kinds()
	c.must(len(kinds) == 1, key, fmt.Sprintf("%d sections", len(kinds)), "a channel with exactly one section, such as mail or webhook")
	if len(kinds) != 1 {
		return
	}
	key += "." + kinds[0]
	switch {
	case channel.Mail != nil:
		c.mailChannel(key, channel.Mail)
	case channel.Webhook != nil:
		w := channel.Webhook
		c.mustText((w.URL == "") != (w.URLFile == ""), key+".url", withoutLogin(w.URL), "given, or url_file instead")
		c.mustText(w.URL == "" || webAddress(w.URL, true), key+".url", withoutLogin(w.URL), "an address such as https://receiver.example/alerts, without a login")
		w.TLS.check(c, key+".tls")
	case channel.Alertmanager != nil:
		a := channel.Alertmanager
		c.mustText(webAddress(a.URL, false), key+".url", withoutLogin(a.URL), "an address such as http://alertmanager:9093, without a login")
		c.mustText((a.Username == "") == (a.PasswordFile == ""), key+".password_file", a.PasswordFile, "given together with username")
		c.mustText(a.Username == "" || a.TokenFile == "", key+".token_file", a.TokenFile, "left out where there is a username")
		a.TLS.check(c, key+".tls")
	case channel.Telegram != nil:
		t := channel.Telegram
		c.mustText(t.TokenFile != "", key+".token_file", "", "the file with the token of the bot")
		c.mustText(t.ChatID != "", key+".chat_id", "", "the id of the chat, such as -1001234567890 or @channel")
		c.mustText(t.URL == "" || webAddress(t.URL, false), key+".url", withoutLogin(t.URL), "an address such as https://api.telegram.org, or left out")
		t.TLS.check(c, key+".tls")
	default:
		chat := channel.Chat()
		c.mustText(chat.URLFile != "", key+".url_file", "", "the file with the address, which contains its key")
		signs := kinds[0] == "dingtalk" || kinds[0] == "feishu"
		c.mustText(chat.SecretFile == "" || signs, key+".secret_file", chat.SecretFile, "left out: %s has no signature", kinds[0])
		chat.TLS.check(c, key+".tls")
	}
}

func (c *checker) mailChannel(key string, m *MailChannel) {
	f := m.Filled()
	c.mustText(m.Host != "" && !strings.ContainsAny(m.Host, ":/@ "), key+".host", m.Host, "the name of the mail server, without a port")
	c.oneOf(key+".encryption", f.Encryption, "starttls", "tls", "none")
	within(c, key+".port", f.Port, 1, 65535)
	c.must(m.TLS == nil || f.Encryption != "none", key+".tls", "a section", "left out if encryption is none")
	m.TLS.check(c, key+".tls")
	c.mustText((m.Username == "") == (m.PasswordFile == ""), key+".password_file", m.PasswordFile, "given together with username")
	c.mustText(m.Username == "" || f.Encryption != "none", key+".encryption", f.Encryption, "starttls or tls for a login")
	_, err := mail.ParseAddress(m.From)
	c.mustText(err == nil, key+".from", m.From, "an address, such as iotmon <iotmon@plant.example>")
	c.must(len(m.To) > 0 && len(m.To) <= maxRecipients, key+".to", len(m.To), "1 to %d addresses", maxRecipients)
	for i, to := range m.To {
		address, err := mail.ParseAddress(to)
		c.mustText(err == nil && address.Address == to, fmt.Sprintf("%s.to[%d]", key, i), to, "an address without a name, such as shift@plant.example")
	}
}

// notified checks the names of channels and calendars.
func (c *checker) notified(key string, channels, onCall []string, names *notifyNames, needed bool) {
	c.must(!needed || len(channels)+len(onCall) > 0, key+".channels", "none", "at least one channel, or a calendar in on_call")
	for i, name := range channels {
		c.mustText(names.channels[name], fmt.Sprintf("%s.channels[%d]", key, i), name, "the name of a channel")
	}
	for i, name := range onCall {
		c.mustText(names.calendars[name], fmt.Sprintf("%s.on_call[%d]", key, i), name, "the name of a calendar")
	}
}

func (c *checker) calendar(key string, calendar *Calendar, names *notifyNames) {
	c.newName(key, calendar.Name, names.calendars)
	c.timeZone(key+".time_zone", calendar.TimeZone)
	c.must(len(calendar.Otherwise) > 0, key+".otherwise", "none", "at least one channel, so that there is always somebody")
	for i, name := range calendar.Otherwise {
		c.mustText(names.channels[name], fmt.Sprintf("%s.otherwise[%d]", key, i), name, "the name of a channel")
	}
	c.must(len(calendar.Shifts)+len(calendar.Overrides) <= 10*maxSpans, key, "more", "a calendar of at most %d shifts and overrides", 10*maxSpans)
	for i := range calendar.Shifts {
		s, at := &calendar.Shifts[i], fmt.Sprintf("%s.shifts[%d]", key, i)
		c.span(at, &Span{s.Days, s.From, s.To})
		c.notified(at, s.Channels, nil, names, true)
	}
	for i := range calendar.Overrides {
		o, at := &calendar.Overrides[i], fmt.Sprintf("%s.overrides[%d]", key, i)
		from, fromErr := WallTime(o.From, time.UTC)
		until, untilErr := WallTime(o.Until, time.UTC)
		c.mustText(fromErr == nil, at+".from", o.From, "a time such as 2026-12-24T06:00")
		c.mustText(untilErr == nil && (fromErr != nil || until.After(from)), at+".until", o.Until, "a time after from, such as 2026-12-26T06:00")
		c.notified(at, o.Channels, nil, names, true)
	}
	if r := calendar.Rotation; r != nil {
		_, err := WallTime(r.Start, time.UTC)
		c.mustText(err == nil, key+".rotation.start", r.Start, "a time such as 2026-01-05T06:00")
		within(c, key+".rotation.days", r.Days, 1, 366)
		c.notified(key+".rotation", r.Channels, nil, names, true)
	}
}

// WallTime reads a time by the clock on the wall.
func WallTime(text string, zone *time.Location) (time.Time, error) {
	return time.ParseInLocation("2006-01-02T15:04", text, zone)
}

// Clock reads a time of day, hh:mm up to 24:00.
func Clock(text string) (time.Duration, error) {
	hours, minutes, ok := strings.Cut(text, ":")
	h, hourErr := strconv.Atoi(hours)
	m, minuteErr := strconv.Atoi(minutes)
	if !ok || len(hours) != 2 || len(minutes) != 2 || hourErr != nil || minuteErr != nil || h < 0 || h > 24 || m < 0 || m > 59 || h == 24 && m > 0 {
		return 0, fmt.Errorf("%q is not a time of day", text)
	}
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute, nil
}

// Weekdays are the names of the days of a week, by time.Weekday.
var Weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (c *checker) span(key string, s *Span) {
	for i, day := range s.Days {
		c.mustText(slices.Contains(Weekdays, day), fmt.Sprintf("%s.days[%d]", key, i), day, "one of %s", strings.Join(Weekdays, ", "))
	}
	_, err := Clock(s.From)
	c.mustText(err == nil, key+".from", s.From, "a time of day such as 06:00, in quotes")
	_, err = Clock(s.To)
	c.mustText(err == nil, key+".to", s.To, "a time of day such as 22:00, in quotes")
}

func (c *checker) spans(key string, spans []Span) {
	c.must(len(spans) <= maxSpans, key, len(spans), "at most %d", maxSpans)
	for i := range spans {
		c.span(fmt.Sprintf("%s[%d]", key, i), &spans[i])
	}
}

func (c *checker) route(key string, r *Route, names *notifyNames, taken map[string]bool, known []string) {
	c.newName(key, r.Name, taken)
	for i, severity := range r.Severities {
		c.oneOf(fmt.Sprintf("%s.severities[%d]", key, i), severity, "info", "warning", "critical")
	}
	for _, part := range []struct {
		key, of string
		empty   bool
	}{
		{"severities", "of every severity", r.Severities != nil && len(r.Severities) == 0}, {"areas", "of every area", r.Areas != nil && len(r.Areas) == 0},
		{"types", "of every device type", r.Types != nil && len(r.Types) == 0}, {"rules", "of every rule", r.Rules != nil && len(r.Rules) == 0},
		{"tenants", "of every tenant", r.Tenants != nil && len(r.Tenants) == 0}, {"labels", "with any labels", r.Labels != nil && len(r.Labels) == 0},
		{"times", "at any time", r.Times != nil && len(r.Times) == 0},
	} {
		c.must(!part.empty, key+"."+part.key, "none", "left out to select alerts %s, or name at least one", part.of)
	}
	c.spans(key+".times", r.Times)
	c.spans(key+".quiet", r.Quiet)
	if whole := c.builtin.WholeWeek; whole != nil {
		if last, yes := whole(r.Quiet); yes {
			c.mustText(false, fmt.Sprintf("%s.quiet[%d].to", key, last), r.Quiet[last].To, "such that the quiet hours end: those of a whole week would never; select severities instead")
		}
	}
	c.timeZone(key+".time_zone", r.TimeZone)
	c.notified(key, r.Channels, r.OnCall, names, true)
	for i, by := range r.GroupBy {
		c.oneOf(fmt.Sprintf("%s.group_by[%d]", key, i), by, "rule", "area", "whole_area", "type", "device")
	}
	f := r.Filled()
	within(c, key+".wait", *f.Wait, 0, time.Hour)
	within(c, key+".interval", *f.Interval, time.Second, 24*time.Hour)
	c.must(*f.Repeat == 0 || *f.Repeat >= time.Minute && *f.Repeat <= 30*24*time.Hour, key+".repeat", *f.Repeat, "0 for never, or from 1m to 720h")
	c.must(len(r.Escalate) <= 10, key+".escalate", len(r.Escalate), "at most 10 steps")
	before := time.Duration(0)
	for i := range r.Escalate {
		step, at := &r.Escalate[i], fmt.Sprintf("%s.escalate[%d]", key, i)
		c.must(step.After > before && step.After <= 7*24*time.Hour, at+".after", step.After, "more than %v and at most 168h", before)
		before = step.After
		c.notified(at, step.Channels, step.OnCall, names, true)
	}
}
