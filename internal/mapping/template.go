package mapping

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"iotmon/internal/iot"
)

// template is a text with placeholders.
type template []part

// part is a piece of a template.
type part struct {
	kind partKind
	// text is the literal text, or the name of a tag or value.
	text string
	// from and to are the levels of a topic or a field, from 1.
	from, to int
}

type partKind int

const (
	literal partKind = iota
	// tagFirst is {name}: a tag, or else measurement or field.
	tagFirst
	// The others are in double braces.
	topicLevels
	fieldLevels
	measurement
	tag
	// anything is a tag, or else another value of the group.
	anything
	// groupValue is another value of the group.
	groupValue
)

// toEnd is part.to of a placeholder that ends with the last level.
const toEnd = 1 << 30

func parseTemplate(text string) (template, error) {
	var t template
	for rest := text; ; {
		before, after, open := strings.Cut(rest, "{")
		if strings.Contains(before, "}") {
			return nil, fmt.Errorf("%q: } without {", text)
		}
		if before != "" {
			t = append(t, part{text: before})
		}
		if !open {
			return t, nil
		}
		closing, placeholder := "}", parseSingle
		if strings.HasPrefix(after, "{") {
			after, closing, placeholder = after[1:], "}}", parsePlaceholder
		}
		name, behind, closed := strings.Cut(after, closing)
		if !closed || strings.TrimSpace(name) == "" || strings.ContainsAny(name, "{}") {
			return nil, fmt.Errorf("%q: { without a name and }", text)
		}
		p, err := placeholder(name)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		t, rest = append(t, p), behind
	}
}

func parseSingle(name string) (part, error) { return part{kind: tagFirst, text: name}, nil }

// parsePlaceholder parses what stands in double braces.
func parsePlaceholder(text string) (part, error) {
	word, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	rest = strings.TrimSpace(rest)
	switch {
	case word == "topic":
		return parseLevels(topicLevels, rest)
	case word == "field", word == "name" && rest == "":
		return parseLevels(fieldLevels, rest)
	case word == "measurement" && rest == "":
		return part{kind: measurement}, nil
	case word == "tag" && rest != "":
		return part{kind: tag, text: rest}, nil
	case word == "value" && rest != "":
		return part{kind: groupValue, text: rest}, nil
	}
	return part{kind: anything, text: strings.TrimSpace(text)}, nil
}

// parseLevels parses the levels of a placeholder, such as 2 or 1-3 or 2-; nothing means all.
func parseLevels(kind partKind, text string) (part, error) {
	if text == "" {
		return part{kind: kind, from: 1, to: toEnd}, nil
	}
	first, last, isRange := strings.Cut(text, "-")
	from, err := strconv.Atoi(strings.TrimSpace(first))
	to := from
	switch last = strings.TrimSpace(last); {
	case isRange && last == "":
		to = toEnd
	case isRange && err == nil:
		to, err = strconv.Atoi(last)
	}
	if err != nil || from < 1 || to < from {
		return part{}, fmt.Errorf("levels must be as in 2, 1-3 or 2- (got %q)", text)
	}
	return part{kind: kind, from: from, to: to}, nil
}

// fixed replaces the placeholders that depend on topic, measurement and field alone. The error is an *iot.InvalidError about what the template
// is for.
func (t template) fixed(what string, f *fit) (template, error) {
	filled := make(template, 0, 1)
	add := func(text string) {
		if n := len(filled); n > 0 && filled[n-1].kind == literal {
			filled[n-1].text += text
			return
		}
		filled = append(filled, part{text: text})
	}
	for _, p := range t {
		switch p.kind {
		case literal:
			add(p.text)
		case measurement:
			add(f.measurement)
		case topicLevels:
			text, ok := levels(f.topic, "/", p)
			if !ok {
				return nil, iot.Invalid(what, "the topic %s has no level %d", iot.Quote(f.topic), missing(p, f.topic, "/"))
			}
			add(text)
		case fieldLevels:
			text, ok := levels(f.field, ".", p)
			if !ok {
				return nil, iot.Invalid(what, "the field %s has no level %d", iot.Quote(f.field), missing(p, f.field, "."))
			}
			add(text)
		default:
			filled = append(filled, p)
		}
	}
	return filled, nil
}

func levels(text, separator string, p part) (string, bool) {
	if p.from == 1 && p.to == toEnd {
		return text, true
	}
	all := strings.Split(text, separator)
	to := min(p.to, len(all))
	if p.from > len(all) || p.to != toEnd && p.to > len(all) {
		return "", false
	}
	return strings.Join(all[p.from-1:to], separator), true
}

func missing(p part, text, separator string) int {
	return max(p.from, strings.Count(text, separator)+2)
}

// constant returns the text of a template without placeholders.
func (t template) constant() (string, bool) {
	switch {
	case len(t) == 0:
		return "", true
	case len(t) == 1 && t[0].kind == literal:
		return t[0].text, true
	}
	return "", false
}

// fill returns the text for a point. The error is an *iot.InvalidError about what the template is for.
func (t template) fill(what string, p *Point, m *Mapper) (string, error) {
	if text, ok := t.constant(); ok {
		return text, nil
	}
	var text strings.Builder
	for i := range t {
		if t[i].kind == literal {
			text.WriteString(t[i].text)
			continue
		}
		value, err := t[i].value(what, p, m)
		if err != nil {
			return "", err
		}
		text.WriteString(value)
	}
	return text.String(), nil
}

func (t *part) value(what string, p *Point, m *Mapper) (string, error) {
	if t.kind != groupValue {
		if value, ok := p.Tags[t.text]; ok {
			return value, nil
		}
	}
	switch {
	case t.kind == tagFirst && t.text == "measurement":
		return p.Measurement, nil
	case t.kind == tagFirst && t.text == "field":
		return p.Field, nil
	case t.kind == anything, t.kind == groupValue:
		if other := m.other(p, t.text); other != nil {
			return other.text(), nil
		}
		if t.kind == groupValue {
			return "", iot.Invalid(what, "there is no value %s", iot.Quote(t.text))
		}
		return "", iot.Invalid(what, "there is neither a tag nor a value %s (tags: %s)", iot.Quote(t.text), iot.QuoteNames(maps.Keys(p.Tags)))
	}
	return "", iot.Invalid(what, "the point has no tag %s (tags: %s)", iot.Quote(t.text), iot.QuoteNames(maps.Keys(p.Tags)))
}

// reads reports whether a placeholder stands for the value with the path.
func (t template) reads(path string) bool {
	return slices.ContainsFunc(t, func(p part) bool { return (p.kind == anything || p.kind == groupValue) && p.text == path })
}
