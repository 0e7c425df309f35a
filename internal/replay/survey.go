package replay

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/replay/recording"
)

// survey is what a recording of payloads holds.
type survey struct {
	lines, refused int64
	// refusal is the reason of the first line that is refused.
	refusal error
	// readings counts the values that are readings already and need no rule.
	readings int64
	// oldest and newest are the times of the values that have one.
	oldest, newest time.Time
	fields         []surveyed
	// more counts values of further fields.
	more int64
	// names is the template of what says which device it is; empty if nothing seems to.
	names string
}

// surveyed is what is known of one field.
type surveyed struct {
	measurement, field, unit, text string
	numbers, texts                 int64
	min, max                       float64
}

// maxSurveyed bounds the fields of a survey.
const maxSurveyed = 200

// naming are names of values and tags that say which device it is, the best first.
var naming = []string{"device_id", "deviceid", "device", "sensor_id", "sensor", "id", "name", "host"}

// survey reads at most the given number of lines of a recording of payloads.
func (r *openFile) survey(lines int64) (*survey, error) {
	s := new(survey)
	for s.lines < lines {
		record, err := r.next()
		if err == io.EOF {
			break
		}
		s.lines++
		if _, refused := errors.AsType[*recording.RowError](err); refused {
			if s.refused++; s.refusal == nil {
				s.refusal = err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		for i := range record.values {
			s.add(&record.values[i])
		}
	}
	return s, nil
}

func (s *survey) add(p *mapping.Point) {
	if p.Reading != nil {
		s.readings++
		s.reach(p.Reading.Time)
		return
	}
	s.reach(p.Time)
	if p.Note || s.name(p) {
		return
	}
	at := slices.IndexFunc(s.fields, func(f surveyed) bool { return f.field == p.Field && f.measurement == p.Measurement })
	if at < 0 {
		if len(s.fields) == maxSurveyed {
			s.more++
			return
		}
		at = len(s.fields)
		s.fields = append(s.fields, surveyed{measurement: p.Measurement, field: p.Field, min: p.Value, max: p.Value})
	}
	f := &s.fields[at]
	if f.unit == "" {
		f.unit = p.Unit
	}
	if p.ValueText != "" {
		f.texts, f.text = f.texts+1, p.ValueText
		return
	}
	f.numbers++
	f.min, f.max = min(f.min, p.Value), max(f.max, p.Value)
}

// name notes what says which device it is, and reports whether the value does.
func (s *survey) name(p *mapping.Point) bool {
	for _, name := range naming {
		for tag := range p.Tags {
			if strings.EqualFold(tag, name) && s.names == "" {
				s.names = "{{tag " + tag + "}}"
			}
		}
	}
	if p.ValueText == "" || !slices.Contains(naming, strings.ToLower(p.Field)) {
		return false
	}
	if s.names == "" {
		s.names = "{{value " + p.Field + "}}"
	}
	return true
}

// reach extends the times to another one.
func (s *survey) reach(at time.Time) {
	if at.IsZero() {
		return
	}
	if s.oldest.IsZero() || at.Before(s.oldest) {
		s.oldest = at
	}
	if at.After(s.newest) {
		s.newest = at
	}
}

// rules returns rules to start from, with what is not known in capitals.
func (s *survey) rules(path string) []mapping.Rule {
	of := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	if s.names != "" {
		of = s.names
	}
	var rules []mapping.Rule
	for i := range s.fields {
		f := &s.fields[i]
		rule := mapping.Rule{Measurement: f.measurement, Field: mapping.QuoteField(f.field), Device: of + "/" + deviceName(f.measurement, f.field), Unit: f.unit}
		if f.numbers == 0 {
			continue
		}
		kind, unit := guessType(f.measurement+" "+f.field, f.unit)
		rule.Type = iot.DeviceType(kind)
		if rule.Unit == "" || kind != anyType {
			rule.Unit = unit
		}
		rules = append(rules, rule)
	}
	return rules
}

// writeRules writes rules as a mapping file has them.
func writeRules(rules []mapping.Rule) string {
	text, err := yaml.Marshal(map[string][]mapping.Rule{"map": rules})
	if err != nil {
		return "" // Unreachable: texts always marshal.
	}
	return string(text)
}

// suggestedFrom is how many lines are read to suggest rules.
const suggestedFrom = 1000

// suggestRules is the error about a recording of payloads that has no rules and needs some; nil if it needs none.
func (o *Options) suggestRules() error {
	source, err := o.open()
	if err != nil {
		return err
	}
	defer source.close()
	s, err := source.survey(suggestedFrom)
	switch {
	case err != nil || s.readings > 0 || len(s.fields) == 0:
		return err
	}
	return usage("no value is mapped to a device; put right what is guessed here, put it into a file, and repeat with -mapping and the file:\n%s"+
		"iotmon replay -inspect says more about the recording", writeRules(s.rules(o.File)))
}

// inspectPayloads describes a recording of payloads.
func inspectPayloads(o *Options, source *openFile, w io.Writer) error {
	s, err := source.survey(1 << 62)
	if err != nil {
		return err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "file       %s, %d bytes, %d lines\n", filepath.Base(o.File), source.size, s.lines)
	if s.refused > 0 {
		fmt.Fprintf(&text, "refused    %d lines, the first: %v\n", s.refused, s.refusal)
	}
	if s.oldest.IsZero() {
		text.WriteString("time       not known: the time of a rule says where it is\n")
	} else {
		fmt.Fprintf(&text, "range      %s to %s\n", s.oldest.Format(time.RFC3339), s.newest.Format(time.RFC3339))
	}
	if s.readings > 0 {
		fmt.Fprintf(&text, "readings   %d, which need no rule\n", s.readings)
	}
	for i := range s.fields {
		text.WriteString(s.fields[i].String())
	}
	if s.more > 0 {
		fmt.Fprintf(&text, "           and %d values of further fields\n", s.more)
	}
	if rules := s.rules(o.File); len(rules) > 0 {
		fmt.Fprintf(&text, "\nTo start from, in a file for -mapping; put right the devices, types and units:\n\n%s", writeRules(rules))
	}
	_, err = io.WriteString(w, text.String())
	return err
}

// String describes a field in one line.
func (f *surveyed) String() string {
	var text strings.Builder
	text.WriteString("field      ")
	if f.measurement != "" {
		fmt.Fprintf(&text, "%s ", iot.Quote(f.measurement))
	}
	fmt.Fprintf(&text, "%s: ", iot.Quote(f.field))
	if f.numbers > 0 {
		fmt.Fprintf(&text, "%d numbers, %v to %v", f.numbers, f.min, f.max)
		if f.unit != "" {
			text.WriteString(" " + f.unit)
		}
	}
	if f.texts > 0 {
		if f.numbers > 0 {
			text.WriteString(", ")
		}
		fmt.Fprintf(&text, "%d texts such as %s", f.texts, iot.Quote(f.text))
	}
	return text.String() + "\n"
}
