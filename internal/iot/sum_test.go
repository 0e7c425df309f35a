package iot_test

import (
	"encoding/json"
	"math"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
)

// addends draws finite values of every size, with many that cancel each other or fall on the half of a last place.
func addends() *rapid.Generator[[]float64] {
	hard := rapid.SampledFrom([]float64{
		1e300, -1e300, 1e-300, -1e-300, 0.1, -0.1, 1, -1, 1 << 53, -(1 << 53), math.MaxFloat64, -math.MaxFloat64, 1e308, math.SmallestNonzeroFloat64, 0, math.Copysign(0, -1),
	})
	powers := rapid.Custom(func(t *rapid.T) float64 {
		return math.Ldexp(float64(rapid.IntRange(-3, 3).Draw(t, "mantissa")), rapid.IntRange(-1074, 1021).Draw(t, "exponent"))
	})
	return rapid.SliceOfN(rapid.OneOf(hard, powers, rapid.Float64(), rapid.Float64Range(-100, 100)), 0, 40)
}

// exactSum adds with more bits than the range of float64 has, so nothing is rounded but the result.
func exactSum(values []float64) float64 {
	total := new(big.Float).SetPrec(2300)
	for _, v := range values {
		total.Add(total, new(big.Float).SetFloat64(v))
	}
	sum, _ := total.Float64()
	return max(-math.MaxFloat64, min(sum, math.MaxFloat64)) // A sum beyond float64 is shown as the largest.
}

// sameBits distinguishes -0 from 0, unlike ==.
func sameBits(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }

func TestSumIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := addends().Draw(t, "values")
		got, want := iot.SumOf(values...).Float64(), exactSum(values)
		if got != want {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestSumDoesNotDependOnOrderOrGrouping(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := addends().Draw(t, "values")
		want := iot.SumOf(values...).Float64()
		shuffled := rapid.Permutation(values).Draw(t, "order")
		groups := make([]iot.Sum, rapid.IntRange(1, 5).Draw(t, "groups"))
		for _, v := range shuffled {
			groups[rapid.IntRange(0, len(groups)-1).Draw(t, "group")].Add(v)
		}
		var merged iot.Sum
		for _, group := range groups {
			before := group.Clone()
			merged.Merge(group)
			if !equalTerms(group, before) {
				t.Fatalf("merging changed the other sum: got %v, want %v", group, before)
			}
		}
		if got := merged.Float64(); !sameBits(got, want) {
			t.Fatalf("got %v, want %v bit for bit", got, want)
		}
	})
}

func TestSumCloneIsIndependent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first, second := addends().Draw(t, "first"), addends().Draw(t, "second")
		original := iot.SumOf(first...)
		clone := original.Clone()
		for _, v := range second {
			clone.Add(v)
		}
		if got, want := original.Float64(), exactSum(first); got != want {
			t.Fatalf("adding to the clone changed the original: got %v, want %v", got, want)
		}
		original.Add(1)
		if got, want := clone.Float64(), exactSum(append(first, second...)); got != want {
			t.Fatalf("clone: got %v, want %v", got, want)
		}
	})
}

func TestSumSurvivesJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values, more := addends().Draw(t, "values"), addends().Draw(t, "more")
		text, err := json.Marshal(iot.SumOf(values...))
		if err != nil {
			t.Fatal(err)
		}
		var got iot.Sum
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		// These sums show whether the bits below the rounded result are still there.
		for _, v := range more {
			got.Add(v)
		}
		if want := exactSum(append(values, more...)); got.Float64() != want {
			t.Fatalf("%s: got %v, want %v", text, got.Float64(), want)
		}
	})
}

func TestSumRefusesWhatIsNoListOfNumbers(t *testing.T) {
	for _, text := range []string{`1`, `"1"`, `[1,"2"]`, `{}`, `[1e400]`, `[-1e400,1]`, `[null]`} {
		var s iot.Sum
		if err := json.Unmarshal([]byte(text), &s); err == nil {
			t.Errorf("%s: got %v, want an error", text, s)
		}
	}
}

func equalTerms(a, b iot.Sum) bool {
	terms, huge := a.Terms()
	others, othersHuge := b.Terms()
	return slices.Equal(terms, others) && slices.Equal(huge, othersHuge)
}

// A device type may allow every float64. The average is between the values, even if their sum overflows.
func TestAverageOfTheLargestValues(t *testing.T) {
	var s iot.Summary
	for range 1000 {
		s.Add(math.MaxFloat64)
	}
	if got := s.Average(); got != math.MaxFloat64 {
		t.Errorf("got average %v, want %v", got, math.MaxFloat64)
	}
	text, err := json.Marshal(s.Sum)
	if err != nil {
		t.Fatal(err)
	}
	var back iot.Sum
	if err := json.Unmarshal(text, &back); err != nil || back.Over(1000) != math.MaxFloat64 {
		t.Errorf("%s: got %v, %v, want the same sum", text, back, err)
	}
}

func TestBadReadingsAreCountedBeside(t *testing.T) {
	var s, other iot.Summary
	s.AddReading(20, iot.Good)
	s.AddReading(85, iot.Bad)
	other.AddReading(22, iot.Uncertain)
	s.Merge(other)
	if s.Count != 2 || s.Bad != 1 || s.Uncertain != 1 || s.Max != 22 || s.Average() != 21 {
		t.Errorf("got %+v, want two readings, one of them uncertain, and a bad one beside them", s)
	}
}
