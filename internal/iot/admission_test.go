package iot_test

import (
	"testing"
	"time"

	"iotmon/internal/iot"
)

func TestAdmissionAtItsBorders(t *testing.T) {
	appended := time.Date(2024, 1, 30, 10, 30, 0, 0, time.UTC)
	const skew, retention = 10 * time.Second, 24 * time.Hour
	for name, test := range map[string]struct {
		at        time.Time
		retention time.Duration
		reason    string
	}{
		"as it was appended":              {appended, retention, ""},
		"exactly as far ahead as allowed": {appended.Add(skew), retention, ""},
		"a nanosecond further is cut":     {appended.Add(skew + 1), retention, ""},
		"a microsecond further":           {appended.Add(skew + time.Microsecond), retention, "ahead"},
		"exactly as old as kept":          {appended.Add(-retention), retention, ""},
		"a microsecond older":             {appended.Add(-retention - time.Microsecond), retention, "old"},
		"any age":                         {time.Unix(iot.DefaultEarliest, 0), 0, ""},
		"before any clock was set":        {time.Unix(iot.DefaultEarliest, -1), 0, "not set"},
		"three seconds after power-on":    {time.Unix(3, 0), 0, "1970-01-01T00:00:03Z"},
		"ahead by centuries":              {time.Date(9998, 1, 1, 0, 0, 0, 0, time.UTC), 0, "ahead"},
	} {
		admission := iot.Admission{Catalog: builtin(t), Skew: skew, Retention: test.retention}
		r := validReading()
		r.Time = test.at
		err := admission.Admit(&r, appended)
		if test.reason != "" {
			mustRefuse(t, name, err, "timestamp", test.reason)
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAdmissionChecksTheContentFirst(t *testing.T) {
	admission := iot.Admission{Catalog: builtin(t)}
	r := validReading()
	r.Value = 1e9
	mustRefuse(t, "a value out of range", admission.Admit(&r, r.Time.Add(-time.Hour)), "value", "range")
}

// What limits do not have is that of the program: records of before have neither the length of texts nor the earliest time.
func TestLimitsOverruleWhatTheyHave(t *testing.T) {
	own := iot.Admission{Catalog: builtin(t), MaxText: 200, Earliest: time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)}
	for name, test := range map[string]struct {
		limits iot.Limits
		text   int
		year   int
	}{
		"neither": {iot.Limits{}, 200, 1990},
		"both":    {iot.Limits{MaxText: 32, Earliest: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}, 32, 1980},
	} {
		test.limits.Types = iot.BuiltinTypes()
		got, err := own.Under(&test.limits)
		if err != nil || got.MaxText != test.text || got.EarliestTime().UTC().Year() != test.year {
			t.Errorf("%s: got %+v, %v, want texts of %d bytes from %d on", name, got, err, test.text, test.year)
		}
	}
	defaults := iot.Admission{Catalog: builtin(t)}
	if got, err := defaults.Limits(0); err != nil || got.MaxText != iot.DefaultMaxText || got.Earliest.Unix() != iot.DefaultEarliest {
		t.Errorf("got %+v, %v, want the defaults in the limits", got, err)
	}
}

func TestTheEarliestTimeIsASetting(t *testing.T) {
	admission := iot.Admission{Catalog: builtin(t), Earliest: time.Unix(0, 0)}
	r := validReading()
	r.Time = time.Unix(0, 0)
	if err := admission.Admit(&r, r.Time); err != nil {
		t.Errorf("1970 from 1970 on: %v", err)
	}
	r.Time = time.Unix(0, -1)
	mustRefuse(t, "1969 from 1970 on", admission.Admit(&r, r.Time), "timestamp", "before 1970-01-01")
}
