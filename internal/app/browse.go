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
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"iotmon/internal/config"
	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/intake"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
	"iotmon/internal/source/modbus"
	"iotmon/internal/source/sparkplug"
)

// BrowseOptions say what is browsed.
type BrowseOptions struct {
	// Source is the URL of a broker, a cluster, a device or a server, or the name of a source of the configuration, which must be one of OPC UA.
	Source string
	// Name is what the source is called; empty is made of the host.
	Name string
	// User, PasswordFile, the files of TLS, and Security for OPC UA, are those of something given by its URL; as in the configuration.
	User, PasswordFile, Security string
	CAFile, CertFile, KeyFile    string
	// Topics are the filters of MQTT, the groups of Sparkplug or the topics of Kafka; empty for all.
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
}

// BrowseError is a mistake in the arguments.
type BrowseError struct{ Text string }

// Error says what is wrong.
func (e *BrowseError) Error() string { return e.Text }

// BrowseSource connects, listens or reads for a while, and writes a configuration of the source with a rule for what it has found. It changes
// nothing at the other side. The error says why there is nothing to write.
func BrowseSource(ctx context.Context, cfg *config.Config, o BrowseOptions) error {
	scheme, rest, found := strings.Cut(o.Source, "://")
	if !found || scheme == "opc.tcp" {
		o.For = cmp.Or(o.For, 2*time.Minute)
		return browseOPCUA(ctx, cfg, o)
	}
	at, err := url.Parse(o.Source)
	if err != nil || at.Host == "" || at.User != nil {
		return &BrowseError{"not an address: want for example mqtt://broker:1883, sparkplug://broker:1883, modbus://10.0.0.7:502, kafka://kafka-1:9092 or opc.tcp://plc:4840, without a login"}
	}
	if o.Name == "" {
		o.Name = strings.Trim(regexp.MustCompile(`[^A-Za-z0-9.-]+`).ReplaceAllString(at.Hostname(), "-"), "-.")
	}
	catalog, err := newCatalog(cfg)
	if err != nil {
		return err
	}
	b := &browser{BrowseOptions: o, catalog: catalog, cfg: cfg}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(o.For, 10*time.Second))
	defer cancel()
	switch scheme {
	case "mqtt", "tcp", "mqtts", "ssl", "ws", "wss":
		return b.mqtt(ctx, o.Source)
	case "sparkplug":
		return b.sparkplug(ctx, "tcp://"+rest)
	case "sparkplugs":
		return b.sparkplug(ctx, "ssl://"+rest)
	case "kafka", "kafkas":
		return b.kafka(ctx, rest, scheme == "kafkas")
	case "modbus":
		return b.modbus(ctx, "tcp://"+rest)
	case "modbus+rtu":
		return b.modbus(ctx, "rtuovertcp://"+rest)
	}
	return &BrowseError{fmt.Sprintf("%s: not known: mqtt, mqtts, ws, wss, sparkplug, sparkplugs, kafka, kafkas, modbus, modbus+rtu and opc.tcp are", scheme)}
}

// browser is one call of BrowseSource.
type browser struct {
	BrowseOptions
	catalog *iot.Catalog
	cfg     *config.Config
}

// section is the section of a source in YAML, with what all have in common.
type section struct {
	URL          string   `yaml:"url,omitempty"`
	Brokers      []string `yaml:"brokers,omitempty,flow"`
	Username     string   `yaml:"username,omitempty"`
	PasswordFile string   `yaml:"password_file,omitempty"`
	TLS          *files   `yaml:"tls,omitempty"`
	Topics       []string `yaml:"topics,omitempty,flow"`
	Groups       []string `yaml:"groups,omitempty,flow"`

	Address   string     `yaml:"address,omitempty"`
	Unit      int        `yaml:"unit,omitempty"`
	Registers []register `yaml:"registers,omitempty"`
}

type files struct {
	CAFile   string `yaml:"ca_file,omitempty"`
	CertFile string `yaml:"cert_file,omitempty"`
	KeyFile  string `yaml:"key_file,omitempty"`
}

type register struct {
	Address string `yaml:"address"`
	Type    string `yaml:"type,omitempty"`
}

// tls returns the section of the files; nil without any.
func (b *browser) tls() *files {
	if b.CAFile+b.CertFile+b.KeyFile == "" {
		return nil
	}
	return &files{b.CAFile, b.CertFile, b.KeyFile}
}

func (b *browser) sourceTLS() *config.SourceTLS {
	if b.tls() == nil {
		return nil
	}
	return &config.SourceTLS{CAFile: b.CAFile, CertFile: b.CertFile, KeyFile: b.KeyFile}
}

func (b *browser) clientID() string { return fmt.Sprintf("iotmon-browse-%d", os.Getpid()) }

func (b *browser) mqtt(ctx context.Context, at string) error {
	topics, none := b.Topics, 0
	if len(topics) == 0 {
		topics = []string{"#"}
	}
	configured := &config.Source{Name: b.Name, MQTT: &config.MQTT{
		URL: at, Username: b.User, PasswordFile: b.PasswordFile, TLS: b.sourceTLS(), Topics: topics, ClientID: b.clientID(), Clean: true, QoS: &none,
	}}
	p, err := newAdapter(configured, b.catalog, b.cfg.DataDir, nil)
	if err != nil {
		return err
	}
	return b.listen(ctx, p, "mqtt", &section{URL: at, Username: b.User, PasswordFile: b.PasswordFile, TLS: b.tls(), Topics: topics})
}

func (b *browser) sparkplug(ctx context.Context, at string) error {
	groups := b.Topics
	if len(groups) == 0 {
		groups = []string{"+"}
	}
	configured := &config.Source{Name: b.Name, Sparkplug: &config.Sparkplug{
		URL: at, Username: b.User, PasswordFile: b.PasswordFile, TLS: b.sourceTLS(), Groups: groups, ClientID: b.clientID(),
	}}
	o := sparkplugOptions(configured, b.catalog, func() bool { return false })
	o.Silent = !b.Rebirth
	p := &protocol{kind: "sparkplug", adapter: sparkplug.New(o)}
	return b.listen(ctx, p, "sparkplug", &section{URL: at, Username: b.User, PasswordFile: b.PasswordFile, TLS: b.tls(), Groups: groups})
}

func (b *browser) kafka(ctx context.Context, at string, encrypted bool) error {
	topics, brokers := b.Topics, strings.Split(strings.TrimSuffix(at, "/"), ",")
	if len(topics) == 0 {
		topics = []string{"^[^_].*"}
	}
	if b.User != "" {
		return &BrowseError{"kafka: a cluster with logins is not browsed: write the source with its sasl section, and use iotmon sources try"}
	}
	k := &config.KafkaSource{Brokers: brokers, Topics: topics, Group: b.clientID()}
	s := &section{Brokers: brokers, Topics: topics, TLS: b.tls()}
	if encrypted {
		k.TLS = &config.SourceTLS{CAFile: b.CAFile, CertFile: b.CertFile, KeyFile: b.KeyFile}
		s.TLS = &files{b.CAFile, b.CertFile, b.KeyFile}
	}
	configured := &config.Source{Name: b.Name, Kafka: k}
	o := newIntake(configured, kafka.Dial{}, newTopics(b.cfg))
	o.Trial = true
	p := &protocol{kind: "kafka", adapter: intake.New(o), decode: intake.Decode(decodePayload(configured))}
	return b.listen(ctx, p, "kafka", s)
}

// listen receives for a while and writes what has come.
func (b *browser) listen(ctx context.Context, p *protocol, key string, s *section) error {
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
	head := fmt.Sprintf("%d messages of %d topics in %v", state.Messages, len(seen), cmp.Or(b.For, 10*time.Second))
	if more {
		head += "; there were more topics"
	}
	if key == "sparkplug" && !b.Rebirth {
		head += ". Edge nodes were not asked for their metrics (-rebirth): those that have sent no birth meanwhile are missing"
	}
	return w.write(head, key, s)
}

// written collects the rules of what was found.
type written struct {
	*browser
	lines strings.Builder
	rules int
	more  int
}

const maxBrowsedSample = 120

// topic adds the rules of a topic.
func (w *written) topic(seen *source.Seen) {
	if w.rules < w.Count {
		fmt.Fprintf(&w.lines, "      # %s %s\n", iot.Quote(seen.Topic), oneLine(string(seen.Payload)))
	}
	for i := range seen.Points {
		p := &seen.Points[i]
		if p.Note || p.Reading != nil {
			continue // It says something about others, or needs no rule.
		}
		rule := mapping.Rule{Topic: p.Topic, Measurement: p.Measurement, Field: p.Field, Device: deviceOf(p.Topic, p.Measurement, p.Field), Unit: p.Unit}
		value := p.ValueText
		if value == "" {
			value = fmt.Sprint(p.Value)
		}
		w.rule(&rule, value, p.ValueText == "")
	}
}

// rule adds a rule; as a comment if it is not known what the values are.
func (w *written) rule(rule *mapping.Rule, value string, number bool) {
	if w.rules >= w.Count {
		w.more++
		return
	}
	rule.Type = typeOf(rule, w.catalog)
	comment := ""
	switch _, err := mapping.New([]mapping.Rule{*rule}, w.catalog); {
	case rule.Type == "" && number:
		comment = "no type has this unit: choose one, or define it"
	case rule.Type == "":
		comment = "a text: give it a type and words, or a status"
	case err != nil:
		comment = oneLine(err.Error())
	}
	text, err := yaml.Marshal([]mapping.Rule{*rule})
	if err != nil {
		return // Texts always marshal.
	}
	w.rules++
	if comment != "" {
		fmt.Fprintf(&w.lines, "      # %s = %s: %s\n", iot.Quote(rule.Field), oneLine(value), comment)
	}
	for line := range strings.Lines(string(text)) {
		if comment != "" {
			line = "# " + line
		}
		w.lines.WriteString("      " + line)
	}
}

// write writes the configuration.
func (w *written) write(head, key string, s *section) error {
	text, err := yaml.Marshal(map[string]*section{key: s})
	if err != nil {
		return err
	}
	var out strings.Builder
	fmt.Fprintf(&out, "# Found at %s: %s.\n# A configuration to start from: look at each rule, remove what nobody needs, and put the rest into the one of iotmon.\nsources:\n", oneLine(w.Source), head)
	fmt.Fprintf(&out, "  - name: %s\n", w.Name)
	for line := range strings.Lines(string(text)) {
		out.WriteString("    " + line)
	}
	if rules := w.lines.String(); strings.Contains("\n"+rules, "\n      - ") {
		out.WriteString("    map:\n" + rules)
	} else {
		out.WriteString("    # map:\n" + rules)
	}
	if w.more > 0 {
		fmt.Fprintf(&out, "      # %d more values (-count)\n", w.more)
	}
	_, err = io.WriteString(w.Out, out.String())
	return err
}

// oneLine returns the beginning of a text on one line, without characters that are not shown.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 || r == '\uFFFD' || r == '\uFEFF' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, " "))
	if runes := []rune(text); len(runes) > maxBrowsedSample {
		return string(runes[:maxBrowsedSample]) + " …"
	}
	return text
}

var deviceText = regexp.MustCompile(`[^\pL\pN._:/-]+`)

// deviceOf returns an id for a value.
func deviceOf(parts ...string) string {
	var id []string
	for _, part := range parts {
		if part = strings.Trim(deviceText.ReplaceAllString(part, "-"), "-/"); part != "" {
			id = append(id, part)
		}
	}
	return strings.Join(id, "/")
}

// typeNames are how values of the built-in types are called.
var typeNames = []struct {
	pattern *regexp.Regexp
	name    iot.DeviceType
}{
	{regexp.MustCompile(`(?i)temp`), iot.Temperature}, {regexp.MustCompile(`(?i)humid`), iot.Humidity}, {regexp.MustCompile(`(?i)press|baro`), iot.Pressure},
	{regexp.MustCompile(`(?i)current|amp`), iot.Current}, {regexp.MustCompile(`(?i)switch|relay|contact`), iot.Switch},
}

// typeOf returns the type of the values of a rule by their unit, or else by their name; "" if neither says it.
func typeOf(rule *mapping.Rule, catalog *iot.Catalog) iot.DeviceType {
	if rule.Unit != "" {
		var fits []iot.DeviceType
		for _, spec := range catalog.Specs() {
			if _, ok := iot.ShownIn(rule.Unit, spec.Unit); ok && spec.Unit != "" {
				fits = append(fits, spec.Name)
			}
		}
		if len(fits) == 1 {
			return fits[0]
		}
		return ""
	}
	for _, t := range typeNames {
		if t.pattern.MatchString(rule.Field) {
			return t.name
		}
	}
	return ""
}

func (b *browser) modbus(ctx context.Context, at string) error {
	unit := cmp.Or(b.Unit, 1)
	s := &section{Address: at, Unit: unit, TLS: b.tls()}
	w := &written{browser: b}
	count, cut := 0, false
	for _, text := range b.Registers {
		from, to, kind, err := registerRange(text)
		if err != nil {
			return err
		}
		found, truncated, err := modbus.Scan(ctx, modbus.ScanOptions{
			Connection: modbus.Connection{Address: at, Timeout: 2 * time.Second, TLS: modbus.TLS{CAFile: b.CAFile, CertFile: b.CertFile, KeyFile: b.KeyFile}},
			Unit:       uint8(unit), Kind: modbusKinds[kind], From: from, To: to,
		})
		if err != nil && len(found) == 0 {
			return err
		}
		cut = cut || truncated || err != nil
		for _, r := range found {
			if count++; count > w.Count {
				w.more++
				continue
			}
			one := register{Address: fmt.Sprintf("%s/%d", kind, r.Offset)}
			if kind == "holding" || kind == "input" {
				one.Type = "uint16"
			}
			s.Registers = append(s.Registers, one)
			w.rule(&mapping.Rule{Field: one.Address, Device: deviceOf(b.Name, one.Address)}, fmt.Sprint(r.Value), true)
		}
	}
	if count == 0 {
		return errors.New("no register answers in " + strings.Join(b.Registers, ", "))
	}
	head := fmt.Sprintf("%d registers of unit %d answer. Modbus does not say what they are: types of 32 bits are two registers", count, unit)
	if cut {
		head += "; not all were asked in the time"
	}
	return w.write(head, "modbus", s)
}

// registerRange reads a range such as 40001-40100 or input/0-99.
func registerRange(text string) (from, to uint16, kind string, err error) {
	first, last, found := strings.Cut(text, "-")
	if !found {
		last = first
	} else if at, _, of := strings.Cut(first, "/"); of {
		last = at + "/" + last
	}
	begin, end := config.ModbusRegister{Address: config.Word(first)}, config.ModbusRegister{Address: config.Word(last)}
	kind, low, ok := begin.Place()
	other, high, also := end.Place()
	if !ok || !also || kind != other || low > high {
		return 0, 0, "", &BrowseError{fmt.Sprintf("-registers: want ranges such as 40001-40100 or input/0-99 (got %q)", text)}
	}
	return uint16(low), uint16(high), kind, nil
}
