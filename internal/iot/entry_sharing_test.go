package iot_test

import (
	"fmt"
	"maps"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
)

// Sharing changes no entry, and entries with other labels or limits do not share them.
func TestSharingChangesNoEntry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sharing iot.EntrySharing
		names := rapid.SampledFrom([]string{"a", "aa", "b", "\x01", ""})
		for range rapid.IntRange(1, 50).Draw(t, "entries") {
			e := iot.DeviceEntry{
				Version: 1, Area: iot.Area(names.Draw(t, "area")), Labels: rapid.MapOf(names, names).Draw(t, "labels"),
				Limits: rapid.MapOf(names, rapid.SampledFrom([]float64{0, 1, -1})).Draw(t, "limits"),
			}
			want := e
			want.Labels, want.Limits = maps.Clone(e.Labels), maps.Clone(e.Limits)
			if sharing.Share(&e); !reflect.DeepEqual(e, want) {
				t.Fatalf("got %+v, want %+v", e, want)
			}
		}
	})
}

func TestEqualLabelsAreInMemoryOnce(t *testing.T) {
	var sharing iot.EntrySharing
	entry := func(vendor string) iot.DeviceEntry {
		e := iot.DeviceEntry{Labels: map[string]string{"vendor": vendor, "line": "1"}, Limits: map[string]float64{"high": 3}}
		sharing.Share(&e)
		return e
	}
	a, b := entry("x"), entry("x")
	if reflect.ValueOf(a.Labels).Pointer() != reflect.ValueOf(b.Labels).Pointer() || reflect.ValueOf(a.Limits).Pointer() != reflect.ValueOf(b.Limits).Pointer() {
		t.Error("equal labels and limits are two maps")
	}
	for i := range 5000 { // More than it remembers.
		entry(fmt.Sprint(i))
	}
	if last, again := entry("4999"), entry("4999"); reflect.ValueOf(last.Labels).Pointer() == reflect.ValueOf(again.Labels).Pointer() {
		t.Error("it remembers without a bound")
	}
}
