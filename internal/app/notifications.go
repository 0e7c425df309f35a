package app

import (
	"context"
	"crypto/tls"
	"os"
	"strings"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/config"
	"iotmon/internal/control"
	"iotmon/internal/iot"
	"iotmon/internal/kafka/feed"
	"iotmon/internal/notify"
	"iotmon/internal/notify/alertmanager"
	"iotmon/internal/notify/chat"
	"iotmon/internal/notify/deliver"
	"iotmon/internal/notify/mail"
	"iotmon/internal/notify/post"
	"iotmon/internal/notify/webhook"
	"iotmon/internal/observe"
	"iotmon/internal/wire"
)

// makeNotifier makes what notifies people of alerts, if channels are configured.
func (s *Service) makeNotifier(context.Context) error {
	if !s.has(config.RoleNotifier) || len(s.cfg.Notifications.Channels) == 0 {
		return nil
	}
	shown := publishedNotifications(&s.cfg.Notifications)
	shown.Origin = api.NotificationOrigin{Program: s.name, Host: gatewayName(), File: s.cfg.File, Since: time.Now().UTC().Truncate(time.Second)}
	plans := &plans{setup: newSetup(&s.cfg.Notifications), shown: shown, store: s.control}
	configured, err := plans.plan(nil)
	if err != nil {
		return err
	}
	senders, err := newSenders(&s.cfg.Notifications, s.Version)
	if err != nil {
		return err
	}
	m := &s.metrics.Notifications
	for name := range senders {
		m.Channel(name)
	}
	notifier := deliver.New(deliver.Options{
		Store: s.notices, Log: &feed.Alerts{Dial: s.dial, Topics: s.topics, Logger: s.Logger}, Planned: *configured, Follow: plans.follow, Senders: senders, Labels: s.deviceLabels,
		Keep: s.cfg.Notifications.Keep, Logger: observe.Sparing(s.Logger, repeatedLogs), Receivers: s.Logger, Now: time.Now,
		Metrics: deliver.Metrics{
			Tried: m.Tried, Waiting: m.Waiting, Open: m.Open, Sending: m.Sending, Unrouted: m.Unrouted, Untracked: m.Untracked,
			FromMemory: m.FromMemory, Failed: m.Failed,
		},
	})
	s.add("notifier", after(notifier.Run, s.kafka)) // It does not wait for the database: without it, it notifies of what is critical.
	return nil
}

// deviceLabels returns the labels of devices in the registry.
func (s *Service) deviceLabels(ctx context.Context, devices []iot.Identity) (map[iot.Identity]map[string]string, error) {
	refs := make(map[iot.Identity]control.Ref, len(devices))
	for _, device := range devices {
		refs[device] = control.DeviceRef(device)
	}
	list, owners := make([]control.Ref, 0, len(refs)), make([]iot.Identity, 0, len(refs))
	for device, ref := range refs {
		list, owners = append(list, ref), append(owners, device)
	}
	objects, err := s.control.Objects(ctx, list)
	if err != nil {
		return nil, err
	}
	labels := make(map[iot.Identity]map[string]string)
	for i := range objects {
		if objects[i].Version == 0 || objects[i].Deleted {
			continue
		}
		if entry, err := wire.DecodeDeviceEntry(objects[i].Body); err == nil {
			labels[owners[i]] = entry.Labels
		}
	}
	return labels, nil
}

// zone returns a time zone of the configuration, which has checked it.
func zone(names ...string) *time.Location {
	for _, name := range names {
		if name == "" {
			continue
		}
		if found, err := time.LoadLocation(name); err == nil {
			return found
		}
	}
	return time.Local
}

// zoneName returns the name of a time zone of the configuration. That of the machine has its own name, if that is known: who reads it may be on another
// machine.
func zoneName(names ...string) string {
	found := zone(names...)
	if found != time.Local {
		return found.String()
	}
	target, _ := os.Readlink("/etc/localtime") // A link to the file of the zone, on most systems.
	_, linked, _ := strings.Cut(target, "/zoneinfo/")
	for _, name := range []string{os.Getenv("TZ"), linked} {
		if name == "" {
			continue
		}
		if _, err := time.LoadLocation(name); err == nil {
			return name
		}
	}
	return found.String()
}

// newSetup returns what is configured about who is notified of what.
func newSetup(cfg *config.Notifications) *notify.Setup {
	setup := &notify.Setup{Recipients: make(map[string][]string), Routes: []notify.RouteSpec{}, Calendars: []notify.CalendarSpec{}}
	for i := range cfg.Channels {
		setup.Recipients[cfg.Channels[i].Name] = recipients(&cfg.Channels[i])
	}
	for i := range cfg.Calendars {
		setup.Calendars = append(setup.Calendars, calendarSpec(&cfg.Calendars[i], cfg.TimeZone))
	}
	for i := range cfg.Routes {
		setup.Routes = append(setup.Routes, routeSpec(&cfg.Routes[i], cfg.TimeZone))
	}
	return setup
}

func recipients(channel *config.Channel) []string {
	if channel.Mail != nil {
		return channel.Mail.To
	}
	return nil
}

// newSenders returns the senders of the channels by name.
func newSenders(cfg *config.Notifications, version string) (map[string]deliver.Sender, error) {
	senders := make(map[string]deliver.Sender, len(cfg.Channels))
	for i := range cfg.Channels {
		c := &cfg.Channels[i]
		language := cfg.Language
		if c.Language != "" {
			language = c.Language
		}
		senders[c.Name] = newSender(c, notify.Writer{
			Language: notify.Language(language), Zone: zone(cfg.TimeZone), Page: cfg.Page, Template: notify.Template{Title: c.Title, Body: c.Body},
		}, "iotmon/"+version)
	}
	return senders, nil
}

// encryption returns what reads the files of a section at each connection.
func encryption(t *config.SourceTLS) func() (*tls.Config, error) {
	if t == nil {
		return nil
	}
	return func() (*tls.Config, error) {
		return newTLS(&config.TLS{Enabled: true, CAFile: t.CAFile, CertFile: t.CertFile, KeyFile: t.KeyFile, ServerName: t.ServerName})
	}
}

// secretFile returns the secret in a file, nil if none is named.
func secretFile(path string) post.Secret {
	if path == "" {
		return nil
	}
	return post.File(path)
}

func newSender(c *config.Channel, writer notify.Writer, agent string) deliver.Sender {
	client := func(t *config.SourceTLS) *post.Client {
		return post.New(post.Options{TLS: encryption(t), UserAgent: agent})
	}
	switch {
	case c.Mail != nil:
		m := c.Mail.Filled()
		return &mail.Sender{Options: mail.Options{
			Host: m.Host, Port: m.Port, Encryption: mail.Encryption(m.Encryption), TLS: encryption(m.TLS), Username: m.Username, Password: secretFile(m.PasswordFile),
			From: m.From, Writer: writer,
		}}
	case c.Webhook != nil:
		address := post.Text(c.Webhook.URL)
		if c.Webhook.URLFile != "" {
			address = post.File(c.Webhook.URLFile)
		}
		return &webhook.Sender{Options: webhook.Options{
			URL: address, Secret: secretFile(c.Webhook.SecretFile), Token: secretFile(c.Webhook.TokenFile), Writer: writer, Client: client(c.Webhook.TLS), Now: time.Now,
		}}
	case c.Alertmanager != nil:
		a := c.Alertmanager
		return &alertmanager.Sender{Options: alertmanager.Options{
			URL: a.URL, Username: a.Username, Password: secretFile(a.PasswordFile), Token: secretFile(a.TokenFile), Writer: writer, Client: client(a.TLS),
		}}
	case c.Telegram != nil:
		t := c.Telegram
		address := t.URL
		if address == "" {
			address = "https://api.telegram.org"
		}
		return chat.New(chat.Options{
			Service: chat.Telegram, URL: post.Text(address), Secret: secretFile(t.TokenFile), Chat: t.ChatID, Writer: writer, Client: client(t.TLS), Now: time.Now,
		})
	default:
		section := c.Chat()
		return chat.New(chat.Options{
			Service: chat.Service(c.Kinds()[0]), URL: post.File(section.URLFile), Secret: secretFile(section.SecretFile), Writer: writer,
			Client: client(section.TLS), Now: time.Now,
		})
	}
}

// publishedNotifications returns what the API shows of the configuration: no secrets, and no addresses that contain one.
func publishedNotifications(cfg *config.Notifications) *api.ConfiguredNotifications {
	published := &api.ConfiguredNotifications{Channels: []api.NotificationChannel{}, TimeZone: zoneName(cfg.TimeZone)}
	for i := range cfg.Channels {
		c := &cfg.Channels[i]
		language := cfg.Language
		if c.Language != "" {
			language = c.Language
		}
		published.Channels = append(published.Channels, api.NotificationChannel{Name: c.Name, Kind: c.Kinds()[0], Language: language, Recipients: recipients(c)})
	}
	return published
}

func calendarSpec(c *config.Calendar, standard string) notify.CalendarSpec {
	calendar := notify.CalendarSpec{Name: c.Name, TimeZone: zoneName(c.TimeZone, standard), Otherwise: c.Otherwise}
	for _, s := range c.Shifts {
		calendar.Shifts = append(calendar.Shifts, notify.ShiftSpec{SpanSpec: notify.SpanSpec{Days: s.Days, From: s.From, To: s.To}, Channels: s.Channels})
	}
	for _, o := range c.Overrides {
		calendar.Overrides = append(calendar.Overrides, notify.OverrideSpec(o))
	}
	if c.Rotation != nil {
		calendar.Rotation = &notify.RotationSpec{Start: c.Rotation.Start, Days: c.Rotation.Days, Channels: c.Rotation.Channels}
	}
	return calendar
}

func routeSpec(configured *config.Route, standard string) notify.RouteSpec {
	r := configured.Filled()
	route := notify.RouteSpec{
		Name: r.Name, Severities: r.Severities, Areas: r.Areas, Types: r.Types, Rules: r.Rules, Tenants: r.Tenants, Labels: r.Labels, Continue: r.Continue,
		Channels: r.Channels, OnCall: r.OnCall, GroupBy: r.GroupBy, WaitSeconds: r.Wait.Seconds(), IntervalSeconds: r.Interval.Seconds(),
		RepeatSeconds: r.Repeat.Seconds(), TimeZone: zoneName(r.TimeZone, standard),
	}
	for _, s := range r.Times {
		route.Times = append(route.Times, notify.SpanSpec(s))
	}
	for _, s := range r.Quiet {
		route.Quiet = append(route.Quiet, notify.SpanSpec(s))
	}
	for _, step := range r.Escalate {
		route.Escalate = append(route.Escalate, notify.StepSpec{AfterSeconds: step.After.Seconds(), Channels: step.Channels, OnCall: step.OnCall})
	}
	return route
}
