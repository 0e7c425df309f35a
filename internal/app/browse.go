package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"iotmon/internal/config"
	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
)

// BrowseOptions say what is browsed.
type BrowseOptions struct {
	// Source is the URL of a broker, a cluster, a device or a server, or the name of a source of the configuration.
	Source string
	// Name is what the source is called; empty is made of the host.
	Name string
	// User, PasswordFile, the files of TLS, Mechanism for Kafka, and Security for OPC UA are those of something given by its URL; as in the configuration.
	User, PasswordFile, Mechanism, Security string
	CAFile, CertFile, KeyFile               string
	// Topics are the filters of MQTT, the groups of Sparkplug or the topics of Kafka; empty for all, or those of the source.
	Topics []string
	// Rebirth is whether edge nodes of Sparkplug may be asked for their births.
	Rebirth bool
	// Unit and Registers are those of Modbus: ranges such as 40001-40100 or input/0-99.
	Unit      int
	Registers []string
	// Root is the node of OPC UA below which it is searched; empty means that of the source, or all objects.
	Root string
	// For is for how long it may take at most, or how long to listen; 0 is ten seconds, or two minutes for OPC UA. Count is how many values are
	// listed at most.
	For    time.Duration
	Count  int
	Out    io.Writer
	Logger *slog.Logger
	// Given are the names of the flags that were given. Those that mean nothing for the protocol are a mistake.
	Given []string
}

// BrowseError is a mistake in the arguments.
type BrowseError struct{ Text string }

// Error says what is wrong.
func (e *BrowseError) Error() string { return e.Text }

// BrowseSource connects, listens or reads for a while, and writes a configuration of the source with a rule for what it has found. It changes
// nothing at the other side. The error says why there is nothing to write.
func BrowseSource(ctx context.Context, cfg *config.Config, o BrowseOptions) error {
	configured, err := o.source(cfg)
	if err != nil {
		return err
	}
	if err := o.checkFlags(configured.Kind()); err != nil {
		return err
	}
	catalog, err := newCatalog(cfg)
	if err != nil {
		return err
	}
	b := &browser{BrowseOptions: o, catalog: catalog, guesser: mapping.NewGuesser(catalog), cfg: cfg}
	b.Name = configured.Name
	if b.For == 0 {
		b.For = browseTime(configured)
	}
	ctx, cancel := context.WithTimeout(ctx, b.For)
	defer cancel()
	switch {
	case configured.Modbus != nil:
		return b.modbus(ctx, configured)
	case configured.OPCUA != nil:
		return b.opcua(ctx, configured)
	}
	return b.listen(ctx, configured)
}

// browseTime is how long it takes to browse a source.
func browseTime(configured *config.Source) time.Duration {
	if configured.OPCUA != nil {
		return 2 * time.Minute
	}
	return 10 * time.Second
}

// source returns what is browsed: what is at the URL, or the source with the name, changed so that nothing is taken from the one that runs.
func (o *BrowseOptions) source(cfg *config.Config) (*config.Source, error) {
	if !strings.Contains(o.Source, "://") {
		configured, err := trialOf(cfg.Sources, o.Source)
		if err != nil {
			return nil, err
		}
		for _, flag := range o.Given {
			if slices.Contains(loginFlags, flag) {
				return nil, &BrowseError{fmt.Sprintf("-%s: the source %s has its own", flag, o.Source)}
			}
		}
		if len(o.Topics) > 0 {
			setTopics(configured, o.Topics)
		}
		configured.Name = cmp.Or(o.Name, configured.Name)
		return configured, nil
	}
	at, err := url.Parse(strings.Split(o.Source, ",")[0]) // A cluster may have several brokers.
	if err != nil || at.Host == "" || at.User != nil {
		return nil, &BrowseError{"not an address: want for example mqtt://broker:1883, sparkplug://broker:1883, modbus://10.0.0.7:502, kafka://kafka-1:9092 or opc.tcp://plc:4840, without a login: -user and -password-file say it"}
	}
	configured, err := o.atURL()
	if err != nil {
		return nil, err
	}
	configured.Name = cmp.Or(o.Name, strings.Trim(regexp.MustCompile(`[^A-Za-z0-9.-]+`).ReplaceAllString(at.Hostname(), "-"), "-."))
	return configured, nil
}

// atURL returns the source at the URL, without its name.
func (o *BrowseOptions) atURL() (*config.Source, error) {
	scheme, rest, _ := strings.Cut(o.Source, "://")
	topics := func(all string) []string {
		if len(o.Topics) > 0 {
			return o.Topics
		}
		return []string{all}
	}
	none, client := 0, fmt.Sprintf("iotmon-browse-%d", os.Getpid())
	switch scheme {
	case "mqtt", "tcp", "mqtts", "ssl", "ws", "wss":
		return &config.Source{MQTT: &config.MQTT{
			URL: o.Source, Username: o.User, PasswordFile: o.PasswordFile, TLS: o.tls(), Topics: topics("#"), ClientID: client, Clean: true, QoS: &none,
		}}, nil
	case "sparkplug", "sparkplugs":
		at := map[string]string{"sparkplug": "tcp://", "sparkplugs": "ssl://"}[scheme] + rest
		return &config.Source{Sparkplug: &config.Sparkplug{
			URL: at, Username: o.User, PasswordFile: o.PasswordFile, TLS: o.tls(), Groups: topics("+"), ClientID: client,
		}}, nil
	case "kafka", "kafkas":
		return o.atBrokers(rest, scheme == "kafkas", topics("^[^_].*"), client)
	case "modbus":
		return &config.Source{Modbus: &config.Modbus{Address: "tcp://" + rest, TLS: o.tls()}}, nil
	case "modbus+rtu":
		return &config.Source{Modbus: &config.Modbus{Address: "rtuovertcp://" + rest, TLS: o.tls()}}, nil
	case "opc.tcp":
		return &config.Source{OPCUA: &config.OPCUA{
			Endpoint: o.Source, Security: o.Security, User: o.User, PasswordFile: o.PasswordFile, CertFile: o.CertFile, KeyFile: o.KeyFile, Trust: o.CAFile,
		}}, nil
	}
	return nil, &BrowseError{fmt.Sprintf("%s: not known: mqtt, mqtts, ws, wss, sparkplug, sparkplugs, kafka, kafkas, modbus, modbus+rtu and opc.tcp are", scheme)}
}

// atBrokers returns the source of a cluster.
func (o *BrowseOptions) atBrokers(brokers string, encrypted bool, topics []string, group string) (*config.Source, error) {
	k := &config.KafkaSource{Brokers: strings.Split(strings.TrimSuffix(brokers, "/"), ","), Topics: topics, Group: group}
	if k.TLS = o.tls(); encrypted && k.TLS == nil {
		k.TLS = new(config.SourceTLS)
	}
	if k.TLS != nil && !encrypted {
		return nil, &BrowseError{"files of TLS are for kafkas://, which encrypts"}
	}
	if o.User == "" {
		return &config.Source{Kafka: k}, nil
	}
	if o.PasswordFile == "" {
		return nil, &BrowseError{"-user: needs -password-file, the file with the password"}
	}
	k.SASL = &config.SourceSASL{Mechanism: cmp.Or(strings.ToUpper(o.Mechanism), "SCRAM-SHA-512"), Username: o.User, PasswordFile: o.PasswordFile}
	if _, err := kafka.NewLogin(k.SASL.Mechanism, "", ""); err != nil {
		return nil, &BrowseError{"-mechanism: " + err.Error()}
	}
	return &config.Source{Kafka: k}, nil
}

// tls returns the section of the files; nil without any.
func (o *BrowseOptions) tls() *config.SourceTLS {
	if o.CAFile+o.CertFile+o.KeyFile == "" {
		return nil
	}
	return &config.SourceTLS{CAFile: o.CAFile, CertFile: o.CertFile, KeyFile: o.KeyFile}
}

// setTopics replaces what a source receives from.
func setTopics(configured *config.Source, topics []string) {
	switch {
	case configured.MQTT != nil:
		configured.MQTT.Topics = topics
	case configured.Sparkplug != nil:
		configured.Sparkplug.Groups = topics
	case configured.Kafka != nil:
		configured.Kafka.Topics = topics
	}
}

// loginFlags are those of a source that is given by its URL. protocolFlags are the protocols for which the others mean something, and these.
var (
	loginFlags    = []string{"user", "password-file", "mechanism", "security", "ca-file", "cert-file", "key-file"}
	protocolFlags = map[string][]string{
		"user": {"mqtt", "sparkplug", "kafka", "opcua"}, "password-file": {"mqtt", "sparkplug", "kafka", "opcua"}, "mechanism": {"kafka"}, "security": {"opcua"},
		"topic": {"mqtt", "sparkplug", "kafka"}, "rebirth": {"sparkplug"}, "unit": {"modbus"}, "registers": {"modbus"}, "root": {"opcua"},
	}
)

// checkFlags returns an error if a flag was given that means nothing for the protocol.
func (o *BrowseOptions) checkFlags(protocol string) error {
	for _, flag := range o.Given {
		if of := protocolFlags[flag]; of != nil && !slices.Contains(of, protocol) {
			return &BrowseError{fmt.Sprintf("-%s: means nothing for %s: it is for %s", flag, protocol, strings.Join(of, ", "))}
		}
	}
	return nil
}

// browser is one call of BrowseSource.
type browser struct {
	BrowseOptions
	catalog *iot.Catalog
	guesser *mapping.Guesser
	cfg     *config.Config
}

// listen receives for a while and writes what has come.
func (b *browser) listen(ctx context.Context, configured *config.Source) error {
	key := configured.Kind()
	p, err := newTrial(b.cfg, configured, b.catalog, trialOptions{raw: true, rebirth: b.Rebirth})
	if err != nil {
		return err
	}
	none, err := mapping.New(nil, b.catalog)
	if err != nil {
		return err
	}
	status := source.NewStatus(b.Name, key, time.Now)
	runner := &source.Runner{
		Name: b.Name, Adapter: p.adapter, Owner: source.Alone{}, Logger: b.Logger,
		Pipeline: source.PipelineOptions{
			Name: b.Name, Log: &trialLog{out: io.Discard}, Decode: p.decode, Mapping: none, Admission: newAdmission(b.cfg, b.catalog), Status: status, Logger: b.Logger,
		},
	}
	if err := runner.Run(ctx); err != nil {
		return err
	}
	state := status.Snapshot()
	if state.Connections == 0 {
		return errors.New("not connected: " + cmp.Or(state.Error, "the time was over"))
	}
	seen, more := status.Seen()
	w := &written{browser: b}
	for i := range seen {
		w.topic(&seen[i])
	}
	head := fmt.Sprintf("%d messages of %d topics in %v", state.Messages, len(seen), b.For)
	if more {
		head += "; there were more topics"
	}
	if key == "sparkplug" && !b.Rebirth {
		head += ". Edge nodes were not asked for their metrics (-rebirth): those that have sent no birth meanwhile are missing"
	}
	return w.write(head, key, sectionOf(configured))
}
