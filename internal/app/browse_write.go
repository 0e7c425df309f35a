package app

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"iotmon/internal/config"
	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
)

// written collects the rules of what was found.
type written struct {
	*browser
	lines strings.Builder
	// rules are all rules, open those that are comments, more the values for which there was no room.
	rules, open, more int
}

const maxBrowsedSample = 120

// fillIn says what remains to be done by people.
const fillIn = "# Rules behind \"# -\" are for values that may be anything: remove the # and put a type in place of " + anyType + ".\n"

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
		rule := mapping.Rule{
			Topic: p.Topic, Measurement: p.Measurement, Field: mapping.QuoteField(p.Field), Unit: p.Unit,
			Device: deviceOf(p.Topic, p.Measurement, tagOf(p), p.Field),
		}
		value := p.ValueText
		if value == "" {
			value = fmt.Sprint(p.Value)
		}
		w.rule(&rule, value, p.ValueText == "")
	}
}

// tagOf returns the placeholder of the tag that distinguishes the devices of one topic; empty if there is none.
func tagOf(p *mapping.Point) string {
	for _, name := range []string{"key", "device", "device_id", "host"} { // key is that of a record of Kafka.
		if p.Tags[name] != "" && p.Topic != "" && !strings.Contains(p.Topic, p.Tags[name]) {
			return "{{tag " + name + "}}"
		}
	}
	return ""
}

// anyType stands in place of a type that only people know.
const anyType = "TYPE"

// rule adds a rule on one line; as a comment if it is not known what the values are.
func (w *written) rule(rule *mapping.Rule, value string, number bool) {
	if w.rules >= w.Count {
		w.more++
		return
	}
	w.rules++
	text := ""
	if !number {
		text = value
	}
	w.guess(rule, rule.Field, text)
	comment := ""
	switch _, err := mapping.New([]mapping.Rule{*rule}, w.catalog); {
	case rule.Type == "" && number:
		comment = "which type is it?"
	case rule.Type == "":
		comment = "a text: of which type, and which words are which numbers? Or is it a status?"
	case err != nil:
		comment = oneLine(err.Error())
	}
	if rule.Type == "" {
		rule.Type = anyType
	}
	line, err := oneLineYAML(rule)
	if err != nil {
		return // Texts always marshal.
	}
	if comment == "" {
		fmt.Fprintf(&w.lines, "      - %s  # %s\n", line, oneLine(value))
		return
	}
	w.open++
	fmt.Fprintf(&w.lines, "      # - %s  # %s; %s\n", line, oneLine(value), comment)
}

// guess gives a rule the type that the name of its values suggests, or their text if they are no numbers, and their unit if it is not that of the type.
func (b *browser) guess(rule *mapping.Rule, name, text string) {
	guess := b.guesser.Guess(name, rule.Unit, text)
	rule.Type = guess.Type
	if spec := b.catalog.Spec(guess.Type); spec != nil && guess.Unit != "" && guess.Unit != spec.Unit {
		rule.Unit = guess.Unit
	}
}

// oneLineYAML returns a value in YAML on one line.
func oneLineYAML(value any) (string, error) {
	var node yaml.Node
	if err := node.Encode(value); err != nil {
		return "", err
	}
	node.Style = yaml.FlowStyle
	text, err := yaml.Marshal(&node)
	return strings.TrimSpace(string(text)), err
}

// write writes the configuration.
func (w *written) write(head, key string, s *section) error {
	text, err := yaml.Marshal(map[string]*section{key: s})
	if err != nil {
		return err
	}
	var out strings.Builder
	fmt.Fprintf(&out, "# Found at %s: %s.\n# A configuration to start from: look at each rule, remove what nobody needs, and put the rest into the one of iotmon.\n", oneLine(w.Source), head)
	if w.open > 0 {
		out.WriteString(fillIn)
	}
	out.WriteString("sources:\n")
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

// deviceText are characters that ids of devices do not have here.
var deviceText = regexp.MustCompile(`[^\pL\pN._:/-]+`)

// deviceOf returns an id, or a template of it, for a value.
func deviceOf(parts ...string) string {
	var id []string
	for _, part := range parts {
		if !strings.HasPrefix(part, "{{tag ") {
			part = strings.Trim(deviceText.ReplaceAllString(part, "-"), "-/")
		}
		if part != "" {
			id = append(id, part)
		}
	}
	return strings.Join(id, "/")
}

// section is the section of a source in YAML, with what it takes to connect.
type section struct {
	URL          string   `yaml:"url,omitempty"`
	Version      int      `yaml:"version,omitempty"`
	Brokers      []string `yaml:"brokers,omitempty,flow"`
	Username     string   `yaml:"username,omitempty"`
	PasswordFile string   `yaml:"password_file,omitempty"`
	TLS          *files   `yaml:"tls,omitempty,flow"`
	SASL         *login   `yaml:"sasl,omitempty,flow"`
	Topics       []string `yaml:"topics,omitempty,flow"`
	Groups       []string `yaml:"groups,omitempty,flow"`

	Address   string     `yaml:"address,omitempty"`
	Unit      int        `yaml:"unit,omitempty"`
	Registers []register `yaml:"registers,omitempty"`
}

type files struct {
	CAFile     string `yaml:"ca_file,omitempty"`
	CertFile   string `yaml:"cert_file,omitempty"`
	KeyFile    string `yaml:"key_file,omitempty"`
	ServerName string `yaml:"server_name,omitempty"`
}

type login struct {
	Mechanism    string `yaml:"mechanism"`
	Username     string `yaml:"username"`
	PasswordFile string `yaml:"password_file"`
}

type register struct {
	Address string `yaml:"address"`
	Type    string `yaml:"type,omitempty"`
}

// sectionOf returns the section of a source. It has no secrets, but the names of the files with them.
func sectionOf(configured *config.Source) *section {
	switch {
	case configured.MQTT != nil:
		m := configured.MQTT
		return &section{URL: m.URL, Version: m.Version, Username: m.Username, PasswordFile: m.PasswordFile, TLS: (*files)(m.TLS), Topics: m.Topics}
	case configured.Sparkplug != nil:
		p := configured.Sparkplug
		return &section{URL: p.URL, Version: p.Version, Username: p.Username, PasswordFile: p.PasswordFile, TLS: (*files)(p.TLS), Groups: p.Groups}
	case configured.Kafka != nil:
		k := configured.Kafka
		return &section{Brokers: k.Brokers, Topics: k.Topics, TLS: (*files)(k.TLS), SASL: (*login)(k.SASL)}
	}
	m := configured.Modbus
	return &section{Address: m.Address, TLS: (*files)(m.TLS)}
}
