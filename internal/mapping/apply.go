package mapping

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// apply converts a point that matches.
func (f *fit) apply(p *Point, m *Mapper, r *Result) (err error) {
	if f.Ignore {
		r.Outcome = Ignored
		return nil
	}
	if f.Status != nil {
		*r = Result{Outcome: Reported}
		return f.report(p, m, r)
	}
	*r = Result{Outcome: Read, Interval: cmp.Or(f.interval, p.Interval)}
	if f.err != nil {
		return f.err
	}
	reading := &r.Reading
	if f.fixed {
		reading.Device = f.device
	} else if err := f.fill(p, m, &reading.Device); err != nil {
		return err
	}
	r.Arrival = f.Time != nil && f.Time.Arrival
	if reading.Unit, err = f.unit.fill("unit", p, m); err != nil {
		return err
	}
	reading.Unit = cmp.Or(reading.Unit, p.Unit)
	reading.Historical = p.Historical
	if reading.Time, err = f.time(p, m); err != nil {
		return err
	}
	if reading.Quality, err = f.quality(p, m); err != nil {
		return err
	}
	reading.Metadata.BatteryLevel = f.level(p, m)
	return f.value(p, reading)
}

// fill fills in the device.
func (f *fit) fill(p *Point, m *Mapper, d *iot.Device) error {
	id, err := f.id.fill("device_id", p, m)
	if err != nil {
		return err
	}
	kind, err := f.kind.fill("device_type", p, m)
	if err != nil {
		return err
	}
	d.ID, d.Type = iot.DeviceID(id), iot.DeviceType(kind)
	if d.Location.Building, err = f.building.fill("location.building", p, m); err != nil {
		return err
	}
	if d.Location.Room, err = f.room.fill("location.room", p, m); err != nil {
		return err
	}
	floor, err := f.floor.fill("location.floor", p, m)
	if err != nil {
		return err
	}
	if floor != "" {
		if d.Location.Floor, err = strconv.Atoi(floor); err != nil {
			return iot.Invalid("location.floor", "not a whole number (got %s)", iot.Quote(floor))
		}
	}
	// What a payload says of the hardware may come in some payloads only.
	d.Metadata.Model, _ = f.model.fill("metadata.model", p, m)
	d.Metadata.Firmware, _ = f.firmware.fill("metadata.firmware", p, m)
	return nil
}

// time returns the time of a point; zero if that is its arrival.
func (f *fit) time(p *Point, m *Mapper) (time.Time, error) {
	at, written := p.Time, p.TimeText
	if f.Time != nil {
		if f.Time.Arrival {
			return time.Time{}, nil
		}
		if f.timeField != "" {
			other := m.other(p, f.timeField)
			if other == nil {
				return time.Time{}, iot.Invalid("timestamp", "the payload has no value %s, which is the time by the rule", iot.Quote(f.timeField))
			}
			// All digits of a number: %g would cut those of a Unix time.
			at, written = time.Time{}, other.ValueText
			if written == "" {
				written = strconv.FormatFloat(other.Value, 'f', -1, 64)
			}
		}
	}
	if written == "" {
		return at, nil
	}
	return f.parseTime(written)
}

func (f *fit) parseTime(written string) (time.Time, error) {
	if f.Time == nil || f.Time.Format == "" {
		at, problem := wire.ParseTime(written)
		if problem == "" {
			return at, nil
		}
		if f.zone == nil {
			return time.Time{}, iot.Invalid("timestamp", "%s (got %s); or give the rule a time with a zone, a format or arrival", problem, iot.Quote(written))
		}
	}
	at, err := f.timeFormat.Read(written, f.zone)
	if err != nil {
		return time.Time{}, iot.Invalid("timestamp", "not in the format of the rule: %s", err)
	}
	return at, nil
}

func (f *fit) quality(p *Point, m *Mapper) (iot.Quality, error) {
	if f.Quality == nil {
		return p.Quality, nil
	}
	other := m.other(p, f.qualityField)
	if other == nil {
		return "", iot.Invalid("quality", "the payload has no value %s, which is the quality by the rule", iot.Quote(f.qualityField))
	}
	text := other.text()
	if quality, ok := f.qualities[foldWord(text)]; ok {
		return quality, nil
	}
	return iot.Quality(text), nil
}

// maxLevels is how many battery levels a Mapper keeps for all readings that have them.
const maxLevels = 1024

// level returns the battery level; nil if the group has none, or something else in its place. Readings share it, so nothing may change it.
func (f *fit) level(p *Point, m *Mapper) *float64 {
	if f.battery == "" {
		return nil
	}
	other := m.other(p, f.battery)
	if other == nil {
		return nil
	}
	percent := other.Value
	if other.ValueText != "" {
		number, ok := iot.ParseNumber(strings.TrimSpace(strings.TrimSuffix(other.ValueText, "%")))
		if !ok {
			return nil
		}
		percent = number
	}
	if !(percent >= 0 && percent <= 100) {
		return nil
	}
	if level := m.levels[percent]; level != nil {
		return level
	}
	level := new(float64)
	if *level = percent; len(m.levels) < maxLevels {
		m.levels[percent] = level
	}
	return level
}

// value fills in the value: that of a word, or a number, which is scaled, or any other text, which is a value of some types.
func (f *fit) value(p *Point, r *iot.Reading) error {
	value, text := p.Value, p.ValueText
	if len(f.words) > 0 {
		if number, ok := f.words[foldWord(p.text())]; ok {
			r.Value = number
			return nil
		}
	}
	if f.scale == 1 && f.Offset == 0 {
		r.Value, r.ValueText = value, text
		return nil
	}
	if text != "" {
		number, ok := iot.ParseNumber(strings.TrimSpace(text))
		if !ok {
			return iot.Invalid("value", "must be a number, because the rule has a scale or an offset (got %s)", iot.Quote(text))
		}
		value = number
	}
	// float64() forbids a fused multiply-add, which would round differently on some CPUs.
	r.Value = float64(value*f.scale) + f.Offset
	return nil
}

// report fills in what a point reports.
func (f *fit) report(p *Point, m *Mapper, r *Result) (err error) {
	if f.err != nil {
		return f.err
	}
	status, ok := f.reports[foldWord(p.text())]
	if !ok {
		return iot.Invalid("status", "no word of the rule for online, offline or bad (got %s)", iot.Quote(p.text()))
	}
	at, err := f.time(p, m)
	if err != nil {
		return err
	}
	r.Status = iot.StatusReport{Status: status, Reason: f.field + " is " + iot.Quote(p.text()), Time: at, Historical: p.Historical}
	id, err := f.id.fill("device_id", p, m)
	if err != nil {
		return err
	}
	r.Device = iot.DeviceID(id)
	r.Below, err = f.below.fill("status", p, m)
	if err == nil && r.Device == "" && r.Below == "" {
		err = iot.Invalid("status", "is about no device: the beginning of their ids is empty")
	}
	return err
}
