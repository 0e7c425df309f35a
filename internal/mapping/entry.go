package mapping

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"

	"iotmon/internal/iot"
)

// Entry is the map of a source as people have decided it, always whole.
type Entry struct {
	// Source is the name of the source.
	Source string `json:"source"`
	// Version orders the entries of a source, from 1 to iot.MaxVersion: an entry is in force until one with a higher version follows.
	Version int64 `json:"version"`
	// Deleted means that people have taken back what they had decided: the map of the configuration is in force, and there are no Rules.
	Deleted bool   `json:"deleted,omitempty"`
	Rules   []Rule `json:"rules,omitempty"`
}

const (
	// MaxRules is the maximum number of rules in an Entry, MaxEntry the maximum size in bytes of its JSON: it fits into one record.
	MaxRules = 10_000
	MaxEntry = 768 << 10
)

var sourceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// Check checks everything but the rules, which depend on the types that there are; see New. The error is an *iot.InvalidError.
func (e *Entry) Check() error {
	switch {
	case !sourceName.MatchString(e.Source):
		return iot.Invalid("source", "not the name of a source (got %s)", iot.Quote(e.Source))
	case e.Version < 1 || e.Version > iot.MaxVersion:
		return iot.Invalid("version", "must be between 1 and %d (got %d)", int64(iot.MaxVersion), e.Version)
	case e.Deleted && len(e.Rules) > 0:
		return iot.Invalid("deleted", "must be alone")
	case len(e.Rules) > MaxRules:
		return iot.Invalid("rules", "more than %d (got %d)", MaxRules, len(e.Rules))
	case len(AppendEntry(nil, e)) > MaxEntry:
		return iot.Invalid("rules", "longer than %d bytes", MaxEntry)
	}
	return nil
}

// AppendEntry appends the JSON of an entry.
func AppendEntry(dst []byte, e *Entry) []byte {
	text, err := json.Marshal(e)
	if err != nil {
		panic(err) // The numbers of rules are finite: they come from JSON or YAML, and are checked by New.
	}
	return append(dst, text...)
}

// DecodeEntry decodes what AppendEntry wrote, and checks it as Check does. The error is an *iot.InvalidError: a newer version, or another
// program, has written it. A key that is not known is an error, because what it says would be left out.
func DecodeEntry(data []byte) (Entry, error) {
	var e Entry
	if len(data) > 2*MaxEntry {
		return e, iot.Invalid("", "longer than %d bytes", 2*MaxEntry)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&e); err != nil {
		return Entry{}, iot.Invalid("", "not the map of a source: %v", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return Entry{}, iot.Invalid("", "something follows the JSON object")
	}
	if err := e.Check(); err != nil {
		return Entry{}, err
	}
	return e, nil
}

// Types returns the device types that rules define, each once, of those that the catalog does not have. The error says which definition
// contradicts another one, or is no type, with the index of the rule.
func Types(rules []Rule, catalog *iot.Catalog) ([]iot.TypeSpec, error) {
	var types []iot.TypeSpec
	for i := range rules {
		d := rules[i].Define
		if d == nil || catalog.Spec(rules[i].Type) != nil {
			continue
		}
		spec, err := d.spec(rules[i].Type)
		if err != nil {
			return nil, inRule(i, "define", err)
		}
		at := slices.IndexFunc(types, func(known iot.TypeSpec) bool { return known.Name == spec.Name })
		switch {
		case at < 0:
			types = append(types, spec)
		case !types[at].Equal(&spec):
			return nil, inRule(i, "define", iot.Invalid("", "the type %s is defined otherwise by another rule", iot.Quote(string(spec.Name))))
		}
	}
	return types, nil
}

// Defined returns the names of the device types that the rules define, each once.
func (e *Entry) Defined() []iot.DeviceType {
	var names []iot.DeviceType
	for i := range e.Rules {
		if r := &e.Rules[i]; r.Define != nil && !slices.Contains(names, r.Type) {
			names = append(names, r.Type)
		}
	}
	return names
}

// Described says in a few words what a type is.
func Described(t *iot.TypeSpec) string {
	words := fmt.Sprintf("%v to %v", t.Min, t.Max)
	if t.Unit != "" {
		words += " " + t.Unit
	}
	if len(t.States) > 0 {
		words += fmt.Sprintf(", %d states", len(t.States))
	}
	return words
}

// spec returns the type that d defines.
func (d *Type) spec(name iot.DeviceType) (iot.TypeSpec, error) {
	spec := iot.TypeSpec{Name: name, Unit: d.Unit, Decimals: d.Decimals, Min: d.Min, Max: d.Max, Labels: d.Labels, States: d.States}
	err := spec.Normalize()
	return spec, err
}

// CheckTypes returns an error if a rule defines a type otherwise than the catalog, whose definition holds: values would get another unit or range
// than the rule says.
func CheckTypes(rules []Rule, catalog *iot.Catalog) error {
	for i := range rules {
		known := catalog.Spec(rules[i].Type)
		if rules[i].Define == nil || known == nil {
			continue
		}
		spec, err := rules[i].Define.spec(rules[i].Type)
		if err == nil && !known.Equal(&spec) {
			err = iot.Invalid("", "the type %s is there already, and is defined otherwise (%s): leave define out, or choose another name",
				iot.Quote(string(spec.Name)), Described(known))
		}
		if err != nil {
			return inRule(i, "define", err)
		}
	}
	return nil
}

// Admission returns the admission with the types that the rules define beside those that it knows. The error is that of Types.
func Admission(rules []Rule, by *iot.Admission) (*iot.Admission, error) {
	defined, err := Types(rules, by.Catalog)
	if err != nil || len(defined) == 0 {
		return by, err
	}
	catalog, err := iot.NewCatalog(append(by.Catalog.Specs(), defined...)...)
	if err != nil {
		return nil, err
	}
	admission := *by
	admission.Catalog = catalog
	return &admission, nil
}
