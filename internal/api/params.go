package api

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/iot"
)

// moment is a point in time in a query: RFC 3339, "now", or a duration before now such as -90m or -7d. The zero moment
// means that the parameter is absent.
type moment struct {
	at       time.Time
	ago      time.Duration
	relative bool
}

// UnmarshalText parses a moment.
func (m *moment) UnmarshalText(text []byte) error {
	s := string(text)
	if s == "now" {
		*m = moment{relative: true}
		return nil
	}
	if ago, ok := strings.CutPrefix(s, "-"); ok {
		length, err := parseSpan(ago)
		*m = moment{ago: length, relative: true}
		return err
	}
	// A "+" of a time zone that was not escaped arrives as a space.
	at, err := time.Parse(time.RFC3339Nano, strings.ReplaceAll(s, " ", "+"))
	if err != nil {
		return errors.New("must be RFC 3339 such as 2024-01-30T10:30:00Z, now, or a time before now such as -90m or -7d")
	}
	// No reading is older than the epoch. Programs send the year 1 for "from the beginning", but that is the zero time,
	// which means absent.
	if epoch := time.Unix(0, 0); at.Before(epoch) {
		at = epoch
	}
	*m = moment{at: iot.CutTime(at)}
	return nil
}

// resolve returns the moment as a time, or otherwise if it is absent.
func (m moment) resolve(now, otherwise time.Time) time.Time {
	switch {
	case m.relative:
		return iot.CutTime(now.Add(-m.ago))
	case m.at.IsZero():
		return otherwise
	}
	return m.at
}

// span is a positive duration in a query, such as 30s, 5m, 1h30m or 7d.
type span struct{ length time.Duration }

// UnmarshalText parses a span.
func (s *span) UnmarshalText(text []byte) error {
	length, err := parseSpan(string(text))
	*s = span{length}
	return err
}

// A span shorter than shortestSpan is useless; longestSpan prevents overflow in time arithmetic.
const (
	shortestSpan = time.Millisecond
	longestSpan  = 100 * 365 * 24 * time.Hour
)

func parseSpan(s string) (time.Duration, error) {
	var length time.Duration
	var err error
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16)
		length = time.Duration(n) * 24 * time.Hour
	} else {
		length, err = time.ParseDuration(s)
	}
	if err != nil || length < shortestSpan || length > longestSpan {
		return 0, fmt.Errorf("must be a length of time such as 30s, 5m, 1h30m or 7d (got %q)", s)
	}
	return length, nil
}

// period returns the half-open range from from to to. An absent to is now; an absent from is length before the end.
func (s *server) period(from, to moment, length time.Duration) (start, end time.Time, err error) {
	// Whole seconds, so that all requests within a second use the same cache key; rounded up, so that the newest readings
	// are included.
	now := iot.CutTime(s.o.Now()).Add(time.Second - time.Microsecond).Truncate(time.Second)
	end = to.resolve(now, now)
	start = from.resolve(now, end.Add(-length))
	return start, end, checkPeriod(start, end)
}

func checkPeriod(start, end time.Time) error {
	if start.Before(end) {
		return nil
	}
	return badParameter("from", "must be before to", start.Format(time.RFC3339Nano))
}

// checkType refuses an unknown device type, so that a typing error does not return an empty list.
func (s *server) checkType(t iot.DeviceType) error {
	if t == "" || s.o.Catalog.Spec(t) != nil {
		return nil
	}
	known := make([]string, 0, 8)
	for _, name := range s.o.Catalog.Types() {
		known = append(known, string(name))
	}
	return badParameter("type", "unknown device type (known: "+strings.Join(known, ", ")+")", t)
}

// optional is a query parameter for which zero and absent differ.
type optional[T any] struct {
	Value T
	Given bool
}

// Schema describes the value alone.
func (optional[T]) Schema(r huma.Registry) *huma.Schema {
	return huma.SchemaFromType(r, reflect.TypeFor[T]())
}

// Receiver returns where huma stores the parsed value.
func (o *optional[T]) Receiver() reflect.Value { return reflect.ValueOf(o).Elem().Field(0) }

// OnParamSet records whether the parameter was given.
func (o *optional[T]) OnParamSet(given bool, _ any) { o.Given = given }

// rejects reports whether the parameter was given and is not the value.
func rejects[T comparable](o optional[T], value T) bool { return o.Given && o.Value != value }
