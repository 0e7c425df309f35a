package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/replay/recording"
	"iotmon/internal/wire"
)

// Terms are a system's limits on readings. A zero field is unknown.
type Terms struct {
	// Retention is the greatest age of a reading on arrival; 0 for any age.
	Retention time.Duration
	// Earliest is the earliest time of a reading; zero if unknown.
	Earliest time.Time
	// Types are the device types; nil if unknown.
	Types []iot.TypeSpec
}

// Terms asks the system for its limits. They are unknown if the system is old, or cannot be reached; Send will then report
// errors.
func (c *Client) Terms(ctx context.Context) Terms {
	var terms Terms
	var limits struct {
		Retention int64     `json:"readings_retention_seconds"`
		Earliest  time.Time `json:"earliest"`
	}
	if c.get(ctx, "limits", &limits) == nil {
		terms.Retention, terms.Earliest = time.Duration(limits.Retention)*time.Second, limits.Earliest
	}
	var types struct {
		Items []wire.TypeSpec `json:"items"`
	}
	if c.get(ctx, "types", &types) == nil {
		for _, t := range types.Items {
			terms.Types = append(terms.Types, iot.TypeSpec{
				Name: t.Name, Unit: t.Unit, Decimals: t.Decimals, Min: t.Min, Max: t.Max, Labels: t.Labels, States: t.States,
			})
		}
	}
	return terms
}

// get sends one request and decodes the response into into.
func (c *Client) get(ctx context.Context, name string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, termsTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.JoinPath("api/v1", name).String(), nil)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil || response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s: %w", request.URL, response.Status, err)
	}
	return json.Unmarshal(body, into)
}

// termsTimeout limits the request for the limits.
const termsTimeout = 5 * time.Second

// states returns the types by name: those of the system, or the built-in ones if unknown.
func (t *Terms) states() map[iot.DeviceType]iot.TypeSpec {
	specs := t.Types
	if specs == nil {
		specs = iot.BuiltinTypes()
	}
	byName := make(map[iot.DeviceType]iot.TypeSpec, len(specs))
	for _, spec := range specs {
		byName[spec.Name] = spec
	}
	return byName
}

// check finds the rules of which the system would refuse every reading, by their type or unit.
func (t *Terms) check(rules []mapping.Rule) error {
	if t.Types == nil {
		return nil
	}
	catalog, err := iot.NewCatalog(t.Types...)
	if err != nil {
		return fmt.Errorf("the system's device types: %w", err)
	}
	for i := range rules {
		rule := &rules[i]
		if !constantType(rule) {
			continue
		}
		r := iot.Reading{Device: iot.Device{ID: "any", Type: rule.Type, Unit: rule.Unit}, Time: time.Unix(0, 0).AddDate(40, 0, 0)}
		if invalid, ok := errors.AsType[*iot.InvalidError](catalog.Normalize(&r)); ok && (invalid.Field == "device_type" || invalid.Field == "unit") {
			return usage("the system would refuse everything of %s: %s: %s", rule.Device, invalid.Field, invalid.Reason)
		}
	}
	return nil
}

// constantType reports whether a rule makes readings that all have one type and one unit.
func constantType(rule *mapping.Rule) bool {
	return !rule.Ignore && rule.Status == nil && !strings.Contains(string(rule.Type)+rule.Unit, "{")
}

// span is how far the times of a recording reach.
type span struct {
	// first is the time of the first reading.
	first, oldest, newest time.Time
}

// timeSpan returns how far the times of the readings of a recording reach. It reads the whole of it: records need not be in order.
func (o *Options) timeSpan(ctx context.Context, rules *mapping.Rules) (s span, err error) {
	source, err := o.open()
	if err != nil {
		return s, err
	}
	defer source.close()
	c := source.converter(rules, o.Terms.states(), func(string) {})
	var readings []iot.Reading
	for ctx.Err() == nil {
		r, err := c.next()
		if err == io.EOF {
			break
		}
		if _, ok := errors.AsType[*recording.RowError](err); ok {
			continue
		}
		if err != nil {
			return s, err
		}
		readings = c.convert(r, readings[:0], func(valueError) {})
		for i := range readings {
			s.add(readings[i].Time)
		}
	}
	return s, ctx.Err()
}

// add extends a span to a time.
func (s *span) add(at time.Time) {
	if s.first.IsZero() {
		*s = span{at, at, at}
	}
	if at.Before(s.oldest) {
		s.oldest = at
	}
	if at.After(s.newest) {
		s.newest = at
	}
}

// oldest returns the time before which the system rejects readings, the reason, and the setting that would change it.
func (t *Terms) oldest(now time.Time) (from time.Time, why, cure string) {
	from, why = t.Earliest, fmt.Sprintf("from before %s, which the system rejects", t.Earliest.Format(time.DateOnly))
	cure = "start the system with ingest.earliest_year (IOTMON_INGEST_EARLIEST_YEAR) of that year"
	if kept := now.Add(-t.Retention); t.Retention > 0 && kept.After(from) {
		from, why = kept, fmt.Sprintf("older than the %s that the system keeps readings", days(t.Retention))
		cure = "start the system with archive.retention.readings (IOTMON_ARCHIVE_RETENTION_READINGS) of 0s, which is for ever, or long enough"
	}
	return from, why, "to admit them, " + cure + "; -time now moves them to the present instead"
}

// tooOld is an error if the system would refuse every reading of a span for its age, and a warning if it would some.
func (t *Terms) tooOld(s span, now time.Time) (warning string, err error) {
	from, why, cure := t.oldest(now)
	if s.first.IsZero() || !s.oldest.Before(from) {
		return "", nil
	}
	if s.newest.Before(from) {
		return "", fmt.Errorf("nothing was sent: every reading is %s (the newest is of %s); %s", why, s.newest.Format(time.RFC3339), cure)
	}
	return fmt.Sprintf("some readings are %s and will be refused (the oldest is of %s); %s", why, s.oldest.Format(time.RFC3339), cure), nil
}

// days writes a long duration for a person.
func days(d time.Duration) string {
	if d >= 48*time.Hour && d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
	return d.String()
}
