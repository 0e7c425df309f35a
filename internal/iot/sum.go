package iot

import (
	"encoding/json"
	"fmt"
	"math"
)

// Sum adds float64 values exactly. It keeps the total as an expansion, a list of floats that do not overlap in their
// bits (J. R. Shewchuk, "Adaptive Precision Floating-Point Arithmetic", 1997), so the order in which values and partial
// sums are added cannot change a single bit of the result: any number of partitions, replays and recomputations agree.
// Values of similar size need one or two terms. The zero Sum is 0. A Sum must not be copied and then added to on both
// sides; use Clone.
type Sum struct {
	// terms grow in magnitude; no two overlap and none is zero.
	terms []float64
}

// SumOf returns the exact sum of values, which must be finite.
func SumOf(values ...float64) Sum {
	var s Sum
	for _, v := range values {
		s.Add(v)
	}
	return s
}

// Add adds the finite value x.
func (s *Sum) Add(x float64) {
	kept := s.terms[:0]
	for _, y := range s.terms {
		if math.Abs(x) < math.Abs(y) {
			x, y = y, x
		}
		high := x + y
		low := y - (high - x)
		if low != 0 {
			kept = append(kept, low)
		}
		x = high
	}
	if x != 0 {
		kept = append(kept, x)
	}
	s.terms = kept
}

// Merge adds the other sum; other is unchanged.
func (s *Sum) Merge(other Sum) {
	for _, term := range other.terms {
		s.Add(term)
	}
}

// Clone returns an independent copy.
func (s Sum) Clone() Sum { return Sum{terms: append([]float64(nil), s.terms...)} }

// Terms returns the expansion, smallest term first; the caller must not change it. The terms depend on the order of
// addition, their sum does not.
func (s Sum) Terms() []float64 { return s.terms }

// Float64 returns the sum rounded once, to the nearest float64, ties to even.
func (s Sum) Float64() float64 {
	n := len(s.terms) - 1
	if n < 0 {
		return 0
	}
	high, low := s.terms[n], 0.0
	for n > 0 {
		n--
		x, y := high, s.terms[n]
		high = x + y
		low = y - (high - x)
		if low != 0 {
			break
		}
	}
	// A remainder of exactly half a unit in the last place was rounded to even; a further term decides it otherwise.
	if n > 0 && (low < 0) == (s.terms[n-1] < 0) {
		if y := 2 * low; y == (high+y)-high {
			high += y
		}
	}
	return high
}

// MarshalJSON writes the expansion as an array of numbers: [] is 0 and [x] is the float64 x.
func (s Sum) MarshalJSON() ([]byte, error) {
	if s.terms == nil {
		return []byte("[]"), nil
	}
	return json.Marshal(s.terms)
}

// UnmarshalJSON reads an array of numbers and adds them up. A sum beyond float64 is an error: nothing could show it.
func (s *Sum) UnmarshalJSON(data []byte) error {
	var terms []float64
	if err := json.Unmarshal(data, &terms); err != nil {
		return fmt.Errorf("decode sum: %w", err)
	}
	sum := SumOf(terms...)
	if total := sum.Float64(); math.IsInf(total, 0) || math.IsNaN(total) {
		return fmt.Errorf("decode sum: not finite (got %s)", data)
	}
	*s = sum
	return nil
}
