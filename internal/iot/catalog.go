package iot

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// TypeSpec describes a device type.
type TypeSpec struct {
	Name DeviceType
	// Unit is the canonical unit; readings in a known other unit are converted to it on entry.
	Unit string
	// Decimals is how many digits after the point are worth showing.
	Decimals int
	// Min and Max are the physical range: a value outside of it is rejected.
	Min, Max float64
	// Labels are the names shown to people, by language ("en", "zh").
	Labels map[string]string
	// States names discrete values, index by value: {"OFF", "ON"} for a switch. Empty for a measurement.
	States []string
}

// BuiltinTypes returns the five device types every catalog starts from.
func BuiltinTypes() []TypeSpec {
	return []TypeSpec{
		{Name: Temperature, Unit: "°C", Decimals: 1, Min: -273.15, Max: 2000, Labels: map[string]string{"en": "Temperature", "zh": "温度"}},
		{Name: Humidity, Unit: "%", Decimals: 1, Min: 0, Max: 100, Labels: map[string]string{"en": "Humidity", "zh": "湿度"}},
		{Name: Pressure, Unit: "hPa", Decimals: 2, Min: 0, Max: 1_000_000, Labels: map[string]string{"en": "Pressure", "zh": "压力"}},
		{Name: Current, Unit: "A", Decimals: 2, Min: -10_000, Max: 10_000, Labels: map[string]string{"en": "Current", "zh": "电流"}},
		{Name: Switch, Unit: "", Decimals: 0, Min: 0, Max: 1, Labels: map[string]string{"en": "Switch", "zh": "开关"}, States: []string{"OFF", "ON"}},
	}
}

// Catalog holds every device type. It may be used concurrently. Types are added to it, and never removed or changed.
type Catalog struct {
	current atomic.Pointer[types]
	// adding is held by Add.
	adding sync.Mutex
}

// types are those of a Catalog. They do not change.
type types struct {
	specs map[DeviceType]*TypeSpec
	// sorted is the order in which they were given.
	sorted []DeviceType
	// first holds those that Spec compares one by one before it uses the map.
	first []*TypeSpec
}

// maxFirst is the maximum length of types.first.
const maxFirst = 8

// NewCatalog returns a catalog of the given types. A name given twice, an empty name or an empty range is an error.
func NewCatalog(specs ...TypeSpec) (*Catalog, error) {
	made, err := newTypes(specs)
	if err != nil {
		return nil, err
	}
	c := new(Catalog)
	c.current.Store(made)
	return c, nil
}

func newTypes(specs []TypeSpec) (*types, error) {
	made := &types{specs: make(map[DeviceType]*TypeSpec, len(specs))}
	for _, spec := range specs {
		switch {
		case spec.Name == "":
			return nil, errors.New("device type without a name")
		case made.specs[spec.Name] != nil:
			return nil, fmt.Errorf("device type %q given twice", spec.Name)
		case !(spec.Min < spec.Max) || math.IsInf(spec.Min, 0) || math.IsInf(spec.Max, 0):
			return nil, fmt.Errorf("device type %q: range %v to %v is empty or infinite", spec.Name, spec.Min, spec.Max)
		}
		made.specs[spec.Name] = &spec
		made.sorted = append(made.sorted, spec.Name)
		if len(made.first) < maxFirst {
			made.first = append(made.first, &spec)
		}
	}
	return made, nil
}

// Add adds a type and reports whether the catalog did not have it before. A type of the same name that is another one stays, and is an error.
func (c *Catalog) Add(spec TypeSpec) (added bool, err error) {
	c.adding.Lock()
	defer c.adding.Unlock()
	if known := c.Spec(spec.Name); known != nil {
		if !known.Equal(&spec) {
			return false, fmt.Errorf("device type %q is there already, and is another one", spec.Name)
		}
		return false, nil
	}
	next, err := newTypes(append(c.Specs(), spec))
	if err != nil {
		return false, err
	}
	c.current.Store(next)
	return true, nil
}

// Spec returns the type's description, or nil for an unknown type. The caller must not change it.
func (c *Catalog) Spec(t DeviceType) *TypeSpec {
	known := c.current.Load()
	// Comparing a few names, most of a different length, takes half the time of hashing one.
	for _, spec := range known.first {
		if spec.Name == t {
			return spec
		}
	}
	return known.specs[t]
}

// Specs returns the descriptions of every type in the order in which they were given. The caller must not change what they point to.
func (c *Catalog) Specs() []TypeSpec {
	known := c.current.Load()
	specs := make([]TypeSpec, len(known.sorted))
	for i, t := range known.sorted {
		specs[i] = *known.specs[t]
	}
	return specs
}

// Types returns every type in the order in which they were given.
func (c *Catalog) Types() []DeviceType { return slices.Clone(c.current.Load().sorted) }

// Normalize checks r and puts it into canonical form: texts in Unicode's form NFC, time in UTC cut to the microsecond,
// value and unit converted to the type's unit, status online if empty. It is idempotent. Texts may have DefaultMaxText
// bytes. The error is an *InvalidError whose text is short even if the texts of r are long.
func (c *Catalog) Normalize(r *Reading) error { return c.normalize(r, DefaultMaxText, DefaultEarliest) }

// normalize is Normalize for texts of at most maxText bytes and times from earliest on, in Unix seconds.
func (c *Catalog) normalize(r *Reading, maxText int, earliest int64) error {
	if err := normalizeID(&r.ID); err != nil {
		return err
	}
	if r.Type == "" {
		return Invalid("device_type", "missing")
	}
	spec := c.Spec(r.Type)
	if spec == nil {
		return Invalid("device_type", "unknown type (got %s; known: %s)", Quote(string(r.Type)), c.known())
	}
	if err := normalizeTime(r, earliest); err != nil {
		return err
	}
	if err := normalizeValue(r, spec, maxText); err != nil {
		return err
	}
	if err := normalizeTexts(r, maxText); err != nil {
		return err
	}
	return normalizeRest(r)
}

// MaxFloor is the largest floor number; -MaxFloor is the smallest.
const MaxFloor = 1_000_000

func normalizeRest(r *Reading) error {
	if r.Status != Online {
		status, err := normalizeStatus(r.Status)
		if err != nil {
			return err
		}
		r.Status = status
	}
	if r.Quality != "" {
		quality, err := normalizeQuality(r.Quality)
		if err != nil {
			return err
		}
		r.Quality = quality
	}
	if f := r.Location.Floor; f < -MaxFloor || f > MaxFloor {
		return Invalid("location.floor", "must be between %d and %d (got %d)", -MaxFloor, MaxFloor, f)
	}
	if b := r.Metadata.BatteryLevel; b != nil && !(*b >= 0 && *b <= 100) {
		return Invalid("metadata.battery_level", "must be between 0 and 100 (got %v)", *b)
	}
	return nil
}

// DefaultEarliest is the oldest timestamp that is accepted by default, in Unix seconds: the beginning of 2000. A device
// whose clock was never set sends 1970, or the default date of its firmware.
const DefaultEarliest = 946_684_800

// latest is the upper limit of a reading's times, exclusive, in Unix seconds: the beginning of the year 9999. Earlier times
// can be written in RFC 3339 and stored in every database.
const latest = 253_370_764_800

func normalizeTime(r *Reading, earliest int64) error {
	if r.Time.IsZero() {
		return Invalid("timestamp", "missing")
	}
	if err := checkTime("timestamp", r.Time, earliest); err != nil {
		return err
	}
	r.Time = CutTime(r.Time)
	if r.ReceivedAt.IsZero() {
		return nil
	}
	if err := checkTime("received_at", r.ReceivedAt, earliest); err != nil {
		return err
	}
	r.ReceivedAt = CutTime(r.ReceivedAt)
	return nil
}

func checkTime(field string, t time.Time, earliest int64) error {
	switch seconds := t.Unix(); {
	case seconds >= latest:
		return Invalid(field, "must be in the years up to 9998 (got %s)", t.UTC().Format(time.RFC3339))
	case seconds < earliest:
		return Invalid(field, "before %s: the clock of the device is not set, or this is not a Unix time (got %s)",
			time.Unix(earliest, 0).UTC().Format(time.DateOnly), t.UTC().Format(time.RFC3339Nano))
	}
	return nil
}

func normalizeValue(r *Reading, spec *TypeSpec, maxText int) error {
	if r.ValueText != "" {
		if err := parseValueText(r, spec, maxText); err != nil {
			return err
		}
	}
	if len(r.Unit) > maxText {
		return checkSize("unit", r.Unit, maxText)
	}
	if math.IsNaN(r.Value) || math.IsInf(r.Value, 0) {
		return Invalid("value", "not a finite number (got %v)", r.Value)
	}
	value, ok := convert(r.Value, r.Unit, spec.Unit)
	if !ok {
		return Invalid("unit", "unknown unit for %s (got %s; canonical: %q)", spec.Name, Quote(r.Unit), spec.Unit)
	}
	if value < spec.Min || value > spec.Max {
		return Invalid("value", "outside the physical range %v to %v %s of %s (got %v)", spec.Min, spec.Max, spec.Unit, spec.Name, value)
	}
	if value == 0 {
		value = 0 // Turn -0 into 0.
	}
	if len(spec.States) > 0 && value != math.Trunc(value) {
		return Invalid("value", "must be one of %d states, a whole number (got %v)", len(spec.States), value)
	}
	r.Value, r.Unit = value, spec.Unit
	return nil
}

// known lists the first types of the catalog for an error message.
func (c *Catalog) known() string {
	const most = 20
	var names []string
	sorted := c.current.Load().sorted
	for i, t := range sorted {
		if i == most {
			names = append(names, fmt.Sprintf("… %d more", len(sorted)-most))
			break
		}
		names = append(names, string(t))
	}
	return strings.Join(names, ", ")
}
