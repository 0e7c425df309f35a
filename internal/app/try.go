package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"iotmon/internal/config"
	"iotmon/internal/iot"
	"iotmon/internal/kafka/intake"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
	"iotmon/internal/source/sparkplug"
)

// TryOptions say how a source is tried.
type TryOptions struct {
	// Name is the name of the source, For how long it is tried, and Count after how many readings and rejections the trial ends; 0 for any number.
	Name  string
	For   time.Duration
	Count int
	// Out is where to write what arrives and what it becomes.
	Out    io.Writer
	Logger *slog.Logger
}

// TrySource connects a source of the configuration and writes what arrives and what it becomes, until the time is over. It appends nothing, and
// takes nothing from the source that runs. The error says why it has not connected.
func TrySource(ctx context.Context, cfg *config.Config, o TryOptions) error {
	configured, err := trialOf(cfg.Sources, o.Name)
	if err != nil {
		return err
	}
	catalog, err := newCatalog(cfg)
	if err != nil {
		return err
	}
	rules, err := newMapping("map", slices.Concat(implicitRules(configured), configured.Map), catalog)
	if err != nil {
		return err
	}
	protocol, err := newTrial(cfg, configured, catalog, trialOptions{})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, o.For)
	defer cancel()
	show := &trialLog{out: o.Out, left: o.Count, end: cancel}
	if protocol.decode != nil {
		protocol.decode = show.shown(protocol.decode)
	}
	status := source.NewStatus(o.Name, configured.Kind(), time.Now)
	runner := &source.Runner{
		Name: o.Name, Adapter: protocol.adapter, Owner: source.Alone{}, Logger: o.Logger,
		Pipeline: source.PipelineOptions{
			Name: o.Name, Log: show, Decode: protocol.decode, Mapping: rules, Admission: newAdmission(cfg, catalog), Status: status, Logger: o.Logger,
		},
	}
	if err := runner.Run(ctx); err != nil {
		return err
	}
	s := status.Snapshot()
	fmt.Fprintf(o.Out, "%d messages, %d readings, %d rejected, %d values ignored\n", s.Messages, s.Readings, s.Rejected, s.Ignored)
	if s.Connections == 0 {
		return errors.New("not connected: " + s.Error)
	}
	return nil
}

// trialOf returns the source with the name, changed so that trying it takes nothing from the one that runs: an MQTT session of its own that
// the broker forgets, without acknowledgements and without a share in the subscriptions of a group; a host of Sparkplug without a name; a consumer group
// that commits nothing.
func trialOf(sources []config.Source, name string) (*config.Source, error) {
	configured, err := sourceOf(sources, name)
	if err != nil {
		return nil, err
	}
	trial := *configured
	switch {
	case trial.MQTT != nil:
		m := trial.MQTT.Filled(name)
		none := 0
		m.ClientID, m.QoS, m.Clean = fmt.Sprintf("%s-try-%d", m.ClientID, os.Getpid()), &none, true
		m.Topics = slices.Clone(m.Topics)
		for i, topic := range m.Topics {
			if rest, shared := strings.CutPrefix(topic, "$share/"); shared {
				_, m.Topics[i], _ = strings.Cut(rest, "/")
			}
		}
		trial.MQTT = &m
	case trial.Sparkplug != nil: // Without a name it is no host for which edge nodes wait, or which another one could be.
		p := trial.Sparkplug.Filled(name)
		p.ClientID, p.HostID, p.Primary = fmt.Sprintf("%s-try-%d", p.ClientID, os.Getpid()), "", false
		trial.Sparkplug = &p
	case trial.Kafka != nil:
		k := trial.Kafka.Filled(name)
		k.Group = fmt.Sprintf("%s-try-%d", k.Group, os.Getpid())
		trial.Kafka = &k
	}
	// Reading registers takes nothing away, and each session of OPC UA has subscriptions of its own.
	return &trial, nil
}

// sourceOf returns the source with the name.
func sourceOf(sources []config.Source, name string) (*config.Source, error) {
	names := make([]string, len(sources))
	for i := range sources {
		names[i] = sources[i].Name
	}
	at := slices.Index(names, name)
	if len(names) == 0 {
		return nil, fmt.Errorf("no source %q: the configuration has none (-config says which one is read)", name)
	}
	if at < 0 {
		return nil, fmt.Errorf("no source %q in the configuration (sources: %s)", name, strings.Join(names, ", "))
	}
	return &sources[at], nil
}

// trialOptions say how a trial differs from the source that runs.
type trialOptions struct {
	// raw is whether no reading is made of a value that no rule is for. rebirth is whether edge nodes of Sparkplug may be asked for their births.
	raw, rebirth bool
}

// newTrial returns the parts of a source that trialOf has changed. They publish nothing unless births may be asked for, and commit nothing.
func newTrial(cfg *config.Config, configured *config.Source, catalog *iot.Catalog, how trialOptions) (*protocol, error) {
	unmapped := func() bool { return !how.raw && len(configured.Map) == 0 }
	switch {
	case configured.Sparkplug != nil:
		o := sparkplugOptions(configured, catalog, unmapped)
		o.Silent = !how.rebirth
		return &protocol{kind: configured.Kind(), adapter: sparkplug.New(o)}, nil
	case configured.Kafka != nil:
		own, err := newDial(cfg)
		if err != nil {
			return nil, err
		}
		if len(configured.Kafka.Brokers)+len(own.Brokers) == 0 {
			return nil, errors.New("it reads the broker inside iotmon, which another process does not reach")
		}
		o := newIntake(configured, own, newTopics(cfg))
		o.Trial = true
		return &protocol{kind: configured.Kind(), adapter: intake.New(o), decode: intake.Decode(decodePayload(configured))}, nil
	}
	return newAdapter(configured, catalog, cfg.DataDir, unmapped)
}

// trialLog writes what would be appended.
type trialLog struct {
	out  io.Writer
	left int
	end  context.CancelFunc
}

var _ source.Records = (*trialLog)(nil)

// maxShown is how many bytes of a payload are shown.
const maxShown = 500

// shown writes each message before it is decoded.
func (l *trialLog) shown(decode source.Decode) source.Decode {
	return func(m *source.Message, points []mapping.Point) ([]mapping.Point, error) {
		text, more := string(m.Payload[:min(len(m.Payload), maxShown)]), ""
		if len(m.Payload) > maxShown {
			more = " …"
		}
		if !strconv.CanBackquote(text) { // It has control characters or is no text.
			text = strconv.Quote(text)
		}
		fmt.Fprintf(l.out, "%s %s%s\n", iot.Quote(m.Topic), text, more)
		return decode(m, points)
	}
}

// count ends the trial after enough results.
func (l *trialLog) count(results int) {
	if l.left > 0 {
		if l.left -= results; l.left <= 0 {
			l.end()
		}
	}
}

// Append writes the readings.
func (l *trialLog) Append(_ context.Context, readings []iot.Reading) error {
	for i := range readings {
		r := &readings[i]
		fmt.Fprintf(l.out, "  = %s %s %v %s at %s %s\n", iot.Quote(string(r.ID)), r.Type, r.Value, r.Unit, r.Time.Format(time.RFC3339Nano), r.Quality)
	}
	l.count(len(readings))
	return nil
}

// Report writes the reports.
func (l *trialLog) Report(_ context.Context, reports []source.Report) error {
	for i := range reports {
		if every := reports[i].Interval; every != 0 {
			fmt.Fprintf(l.out, "  = %s sends at least every %v\n", iot.Quote(string(reports[i].Device.ID)), every)
			continue
		}
		fmt.Fprintf(l.out, "  = %s is %s: %s\n", iot.Quote(string(reports[i].Device.ID)), reports[i].Status, reports[i].Reason)
	}
	return nil
}

// Reject writes why there is no reading.
func (l *trialLog) Reject(_ context.Context, rejected []source.Rejected) error {
	for i := range rejected {
		r := &rejected[i]
		reason := iot.InvalidError{Field: r.Field, Reason: r.Reason}
		fmt.Fprintf(l.out, "  no reading of %s: %s\n", iot.Quote(r.Topic), reason.Error())
	}
	l.count(len(rejected))
	return nil
}
