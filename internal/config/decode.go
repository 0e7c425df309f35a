package config

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/yaml"

	"iotmon/internal/spelling"
)

// layer holds the typed values by key from one source, or from the sources of one kind, and the source of each.
type layer struct {
	values  map[string]any
	sources map[string]string
	// modified is the modification time of the file with the values; zero if they are not from a file.
	modified time.Time
	// file is the path of that file.
	file string
}

func newLayer() *layer {
	return &layer{values: make(map[string]any), sources: make(map[string]string)}
}

func (l *layer) set(path string, value any, source string) {
	l.values[path], l.sources[path] = value, source
}

// decoder decodes one source into typed values. It refuses whatever is not in the schema.
type decoder struct {
	// source is the name of the source in messages.
	source   string
	hosts    hosts
	problems *problems
	// above are the layers that override this source.
	above []*layer
}

// overruled reports whether another layer overrides the key, or the list of an item.
func (d *decoder) overruled(path string) bool {
	key, _, _ := strings.Cut(path, "[")
	return slices.ContainsFunc(d.above, func(l *layer) bool { _, set := l.values[key]; return set })
}

// section decodes a section of a file into the layer, by the fields of t. Unknown keys and invalid values become problems.
func (d *decoder) section(into *layer, path string, t reflect.Type, raw map[string]any) {
	fields, keys := fieldsOf(t)
	for key, value := range raw {
		field, ok := fields[key]
		if !ok {
			d.unknown(path, key, keys)
			continue
		}
		inner := join(path, key)
		if field.Type.Kind() != reflect.Struct {
			if typed, ok := d.value(inner, field, value); ok {
				into.set(inner, typed, d.source)
			}
			continue
		}
		switch value := value.(type) {
		case map[string]any:
			d.section(into, inner, field.Type, value)
		case nil: // A section whose keys are all commented out.
		default:
			d.problems.add(d.source, inner, "must be a section with keys of its own (got %s)", show(value))
		}
	}
}

func (d *decoder) unknown(section, key string, keys []string) {
	path := join(section, key)
	known := make([]string, len(keys))
	for i, k := range keys {
		known[i] = join(section, k)
	}
	byPath, all := schema()
	if _, dotted := byPath[path]; dotted {
		d.problems.add(d.source, path, "keys are nested, not dotted: write each part on a line of its own")
		return
	}
	hint := spelling.Suggest(path, known)
	if hint == "" {
		hint = suggestLast(key, all)
	}
	d.problems.add(d.source, path, "unknown key%s", hint)
}

// suggestLast finds a key of another section that ends with the same word.
func suggestLast(key string, all []string) string {
	for _, path := range all {
		if strings.HasSuffix(path, "."+key) {
			return fmt.Sprintf("; did you mean %s?", path)
		}
	}
	return ""
}

// text decodes a value from the environment or a flag. Lists of names are separated by commas; everything except plain text
// may be written as in YAML.
func (d *decoder) text(path string, field reflect.StructField, text string) (any, bool) {
	switch {
	case field.Type.Kind() == reflect.String:
		return d.value(path, field, text)
	case field.Type == reflect.TypeFor[[]string]() && !strings.HasPrefix(text, "["):
		var names []any
		for name := range strings.SplitSeq(text, ",") {
			names = append(names, strings.TrimSpace(name))
		}
		return d.value(path, field, names)
	}
	parsed, err := yaml.Parser().Unmarshal([]byte("v: " + text))
	if err != nil || len(parsed) != 1 {
		return d.value(path, field, text)
	}
	return d.value(path, field, parsed["v"])
}

// value decodes one value. If it is not of the field's type, it records the problem and ok is false.
func (d *decoder) value(path string, field reflect.StructField, raw any) (typed any, ok bool) {
	if raw == nil {
		if word, ok := field.Tag.Lookup("null"); ok {
			raw = word
		}
	}
	return d.typed(path, field.Type, raw)
}

func (d *decoder) typed(path string, t reflect.Type, raw any) (typed any, ok bool) {
	if text, isText := raw.(string); isText {
		filled, err := d.hosts.fill(text)
		if err != nil && !d.overruled(path) {
			d.problems.add(d.source, path, "%v", err)
		}
		if err != nil {
			return nil, false
		}
		raw = filled
	}
	switch {
	case t == reflect.TypeFor[*float64]():
		if raw == nil || raw == Off {
			return nil, true
		}
		return d.typed(path, t.Elem(), raw)
	case raw == nil:
		d.problems.add(d.source, path, "has no value; leave the key out for the default")
		return nil, false
	case t.Kind() == reflect.Slice:
		return d.list(path, t.Elem(), raw)
	case t.Kind() == reflect.Struct:
		return d.element(path, t, raw)
	case t.Kind() == reflect.Pointer: // A section or a value that an element of a list may leave out.
		return d.typed(path, t.Elem(), raw)
	case t.Kind() == reflect.Map:
		return d.words(path, t.Elem(), raw)
	}
	typed, wanted := scalar(t, raw)
	if typed == nil {
		d.problems.add(d.source, path, "must be %s (got %s)", wanted, shown(path, raw))
		return nil, false
	}
	return typed, true
}

func (d *decoder) list(path string, element reflect.Type, raw any) (any, bool) {
	items, isList := raw.([]any)
	if !isList {
		d.problems.add(d.source, path, "must be a list (got %s)", shown(path, raw))
		return nil, false
	}
	all := true
	typed := make([]any, len(items))
	for i, item := range items {
		var ok bool
		typed[i], ok = d.typed(fmt.Sprintf("%s[%d]", path, i), element, item)
		all = all && ok
	}
	return typed, all
}

// element decodes a struct in a list into a map by key, as koanf expects it.
func (d *decoder) element(path string, t reflect.Type, raw any) (any, bool) {
	given, isMap := raw.(map[string]any)
	if !isMap {
		d.problems.add(d.source, path, "must have keys of its own, such as name (got %s)", show(raw))
		return nil, false
	}
	inner := newLayer()
	before := len(*d.problems)
	d.section(inner, path, t, given)
	typed := make(map[string]any, len(inner.values))
	for key, value := range inner.values {
		typed[strings.TrimPrefix(key, path+".")] = value
	}
	return typed, len(*d.problems) == before
}

// words decodes a map from names to values of one type.
func (d *decoder) words(path string, element reflect.Type, raw any) (any, bool) {
	given, isMap := raw.(map[string]any)
	if !isMap {
		d.problems.add(d.source, path, "must have keys of its own, such as en (got %s)", show(raw))
		return nil, false
	}
	words := make(map[string]any, len(given))
	all := true
	for key, value := range given {
		var ok bool
		words[key], ok = d.typed(join(path, key), element, value)
		all = all && ok
	}
	return words, all
}

// scalar converts a single value to t. If that is impossible, typed is nil and wanted is what is expected.
func scalar(t reflect.Type, raw any) (typed any, wanted string) {
	switch t {
	case reflect.TypeFor[time.Duration]():
		if raw == 0 {
			return time.Duration(0), ""
		}
		if text, ok := raw.(string); ok {
			if duration, err := time.ParseDuration(text); err == nil {
				return duration, ""
			}
		}
		return nil, "a duration with a unit, such as 500ms, 5s or 1h30m"
	case reflect.TypeFor[Bytes]():
		if size, err := parseBytes(fmt.Sprint(raw)); err == nil {
			return size, ""
		}
		return nil, "a number of bytes, or one with a unit, such as 512MiB"
	case reflect.TypeFor[Word]():
		return word(raw)
	}
	return plain(t.Kind(), raw)
}

// word converts a number, a text, or the kind and offset of a register to a Word.
func word(raw any) (typed any, wanted string) {
	switch raw := raw.(type) {
	case string:
		return Word(raw), ""
	case int:
		return Word(strconv.Itoa(raw)), ""
	case map[string]any:
		if kind, ok := raw["kind"].(string); ok && len(raw) == 2 {
			if offset, ok := raw["offset"].(int); ok {
				return Word(fmt.Sprintf("%s/%d", kind, offset)), ""
			}
		}
	}
	return nil, "a whole number or text"
}

func plain(kind reflect.Kind, raw any) (typed any, wanted string) {
	number, isNumber := raw.(float64)
	if n, ok := raw.(int); ok {
		number, isNumber = float64(n), true
	}
	switch kind {
	case reflect.Bool:
		if b, ok := raw.(bool); ok {
			return b, ""
		}
		return nil, "true or false"
	case reflect.Int:
		if isNumber && number == math.Trunc(number) && math.Abs(number) <= 1<<53 {
			return int(number), ""
		}
		return nil, "a whole number"
	case reflect.Uint64:
		if n, err := strconv.ParseUint(fmt.Sprint(raw), 10, 64); err == nil {
			return n, ""
		}
		return nil, "a whole number from 0 to 18446744073709551615"
	case reflect.Float64:
		if isNumber && !math.IsNaN(number) && !math.IsInf(number, 0) {
			return number, ""
		}
		return nil, "a number"
	default:
		if text, ok := raw.(string); ok {
			return text, ""
		}
		return nil, "text"
	}
}

// shown returns a value that is none of its key's as a user would write it, unless it may be a secret.
func shown(path string, raw any) string {
	key := path[strings.LastIndexByte(path, '.')+1:]
	if secretKey.MatchString(key) {
		return "a value that is not shown"
	}
	return show(raw)
}

// secretKey matches the keys of secrets, whose values may be secrets even if they are of a wrong kind: a password of digits that lacks its quotation marks.
var secretKey = regexp.MustCompile(`^(.*_)?(password|secret|token)$`)

// show formats a value as a user would write it.
func show(raw any) string {
	switch raw := raw.(type) {
	case string:
		return strconv.Quote(raw)
	case map[string]any:
		return "a section"
	case []any:
		return "a list"
	default:
		return fmt.Sprint(raw)
	}
}
