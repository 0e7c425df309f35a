package iot_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
)

func typeSpec(name string, unit string) iot.TypeSpec {
	return iot.TypeSpec{Name: iot.DeviceType(name), Unit: unit, Max: 1}
}

// drawTypes draws a few types of five names and three units.
func drawTypes(t *rapid.T, what string, least int) []iot.TypeSpec {
	var types []iot.TypeSpec
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}), least, 5, rapid.ID[string]).Draw(t, what) {
		types = append(types, typeSpec(name, rapid.SampledFrom([]string{"L", "m", "s"}).Draw(t, "unit")))
	}
	return types
}

// However records of the configuration and of people follow one another, and wherever a reader begins with what another one has: all have
// the same limits, the configuration of the highest revision, and of each type that people decide the first, which no later record changes.
func TestLimitsFollowTheLogAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		begin := iot.Limits{Types: drawTypes(t, "first types", 1)}
		at, revision := &begin, int64(0)
		first := make(map[iot.DeviceType]string) // The unit in which people decided a type first, while the configuration did not have it.
		for range rapid.IntRange(1, 20).Draw(t, "records") {
			var s iot.Settings
			if rapid.Bool().Draw(t, "decided") {
				s.Types = drawTypes(t, "decided types", 1)
			} else {
				s.Revision = rapid.Int64Range(0, 5).Draw(t, "revision")
				s.Limits = &iot.Limits{Types: drawTypes(t, "configured types", 1), Decided: drawTypes(t, "not the configuration's to say", 0)}
			}
			before := reflect.ValueOf(*at).Interface().(iot.Limits)
			known := at.All()
			next, nextRevision, err := at.Follow(&s, revision)
			if err != nil || !reflect.DeepEqual(*at, before) {
				t.Fatalf("got %v, and before became %+v", err, *at)
			}
			if again, _, err := next.Follow(&s, nextRevision); err != nil || !reflect.DeepEqual(again, next) {
				t.Fatalf("the same record again: got %+v, %v, want %+v", again, err, next)
			}
			for _, spec := range s.Types {
				if !slices.ContainsFunc(known, func(t iot.TypeSpec) bool { return t.Name == spec.Name }) && first[spec.Name] == "" {
					first[spec.Name] = spec.Unit
				}
			}
			at, revision = next, nextRevision
			if err := at.Normalize(); err != nil {
				t.Fatal(err)
			}
			if _, err := iot.NewCatalog(at.All()...); err != nil {
				t.Fatal(err)
			}
			for name, unit := range first {
				configured := slices.ContainsFunc(at.Types, func(t iot.TypeSpec) bool { return t.Name == name })
				if spec := at.Type(name); spec == nil || !configured && spec.Unit != unit {
					t.Fatalf("type %s: got %+v, want the unit %s that was decided first", name, spec, unit)
				}
			}
		}
	})
}

// What people decide without end is bounded, and so is what it is called; what fits is admitted all the same.
func TestDecidedTypesAreBounded(t *testing.T) {
	limits := &iot.Limits{Types: []iot.TypeSpec{typeSpec("known", "")}}
	var many []iot.TypeSpec
	for i := range iot.MaxDecidedTypes + 1 {
		many = append(many, typeSpec(fmt.Sprint("t", i), "m"))
	}
	next, _, err := limits.Follow(&iot.Settings{Types: many}, 0)
	if err == nil || !strings.Contains(err.Error(), "at most 256") || len(next.Decided) != iot.MaxDecidedTypes {
		t.Errorf("got %d types, %v", len(next.Decided), err)
	}
	long := iot.TypeSpec{Name: "x", Max: 1, States: slices.Repeat([]string{strings.Repeat("s", 120)}, 250)}
	for i := range 4 {
		long.Name = iot.DeviceType(fmt.Sprint("x", i))
		limits, _, err = limits.Follow(&iot.Settings{Types: []iot.TypeSpec{long, typeSpec(fmt.Sprint("short", i), "m")}}, 0)
	}
	if err == nil || !strings.Contains(err.Error(), "longer than") || len(limits.Decided) != 6 || limits.Type("short3") == nil {
		t.Errorf("got %d types, %v", len(limits.Decided), err)
	}
}

func TestACatalogGrows(t *testing.T) {
	c := builtin(t)
	before := c.Specs()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for c.Spec("t99") == nil { // While types are added.
			_, _ = c.Types(), c.Spec(iot.Temperature)
		}
	}()
	for i := range 100 {
		if added, err := c.Add(typeSpec(fmt.Sprint("t", i), "m")); !added || err != nil {
			t.Fatal(added, err)
		}
	}
	<-done
	if added, err := c.Add(typeSpec("t7", "m")); added || err != nil {
		t.Errorf("again: got %v, %v", added, err)
	}
	if _, err := c.Add(typeSpec("t7", "s")); err == nil || c.Spec("t7").Unit != "m" {
		t.Errorf("another of the same name: got %v, %+v", err, c.Spec("t7"))
	}
	if _, err := c.Add(iot.TypeSpec{Name: "empty"}); err == nil {
		t.Error("an empty range: got no error")
	}
	if got := c.Types(); len(got) != len(before)+100 || got[0] != before[0].Name || got[len(got)-1] != "t99" {
		t.Errorf("got %v", got)
	}
}
