package iot

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
)

// Sum adds float64 values exactly. It keeps the total as an expansion, a list of floats that do not overlap in their bits
// (J. R. Shewchuk, "Adaptive Precision Floating-Point Arithmetic", 1997), so the result does not depend on the order in
// which values and partial sums are added: partitions, replays and recomputations agree to the last bit. Values of similar
// size need one or two terms. Values near the limit of float64's range are stored scaled down, so that their sum may exceed
// it. The zero Sum is 0. Do not add to two copies of a Sum; use Clone.
type Sum struct {
	// terms grow in magnitude; no two overlap and none is zero.
	terms []float64
	// huge is an expansion of the values from hugeFrom on, each times 2^-hugeShift.
	huge []float64
}

// A sum of fewer than 2^63 values below hugeFrom, or of as many scaled ones, does not overflow. hugeLimit is the binary
// exponent of 2^63 times the largest value: no huge term has a larger one.
const (
	hugeFrom  = 0x1p895
	hugeShift = 128
	hugeLimit = 1024 + 63
)

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
	if math.Abs(x) >= hugeFrom {
		s.huge = addTo(s.huge, math.Ldexp(x, -hugeShift))
		return
	}
	s.terms = addTo(s.terms, x)
}

// addTo adds x to an expansion and returns the new expansion, which reuses the storage of terms.
func addTo(terms []float64, x float64) []float64 {
	kept := terms[:0]
	for _, y := range terms {
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
	return kept
}

// Merge adds the other sum; other is unchanged.
func (s *Sum) Merge(other Sum) {
	for _, term := range other.terms {
		s.terms = addTo(s.terms, term)
	}
	for _, term := range other.huge {
		s.huge = addTo(s.huge, term)
	}
}

// Clone returns an independent copy.
func (s Sum) Clone() Sum {
	return Sum{terms: append([]float64(nil), s.terms...), huge: append([]float64(nil), s.huge...)}
}

// Terms returns the expansion, smallest term first, and that of the huge values, times 2^-128, which is nil unless values
// are near the limit of float64's range. The caller must not change them. The terms depend on the order of addition, their
// sum does not.
func (s Sum) Terms() (terms, huge []float64) { return s.terms, s.huge }

// SumOfTerms returns the sum whose Terms are given.
func SumOfTerms(terms, huge []float64) Sum {
	var s Sum
	s.Merge(Sum{terms: terms, huge: huge})
	return s
}

// Float64 returns the sum rounded once, to the nearest float64, ties to even. A sum beyond the range of float64 becomes
// ±math.MaxFloat64.
func (s Sum) Float64() float64 {
	if len(s.huge) > 0 {
		return finite(s.exact())
	}
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
	// A remainder of exactly half a unit in the last place was rounded to even, but a further term may break the tie
	// differently.
	if n > 0 && (low < 0) == (s.terms[n-1] < 0) {
		if y := 2 * low; y == (high+y)-high {
			high += y
		}
	}
	return high
}

// Over returns the sum divided by a count that is not 0.
func (s Sum) Over(count int64) float64 {
	if len(s.huge) > 0 {
		total := s.exact()
		return finite(total.Quo(total, new(big.Float).SetInt64(count)))
	}
	return s.Float64() / float64(count)
}

// exactBits is a precision that holds every bit between the largest sum and the smallest float64.
const exactBits = 2400

// exact returns the sum without rounding.
func (s Sum) exact() *big.Float {
	total := new(big.Float).SetPrec(exactBits)
	for _, term := range s.huge {
		total.Add(total, unscaled(term))
	}
	for _, term := range s.terms {
		total.Add(total, big.NewFloat(term))
	}
	return total
}

// unscaled returns the value of a huge term.
func unscaled(term float64) *big.Float {
	f := big.NewFloat(term)
	return f.SetMantExp(f, hugeShift)
}

// finite rounds to the nearest float64 that is not infinite.
func finite(f *big.Float) float64 {
	value, _ := f.Float64()
	return max(-math.MaxFloat64, min(value, math.MaxFloat64))
}

// roundTrip is how many digits after the first one a float64 needs to be parsed back unchanged.
const roundTrip = 16

// MarshalJSON writes the expansion as an array of numbers: [] is 0 and [x] is the float64 x. The numbers of a huge sum may
// lie beyond float64's range.
func (s Sum) MarshalJSON() ([]byte, error) {
	text := []byte{'['}
	for _, term := range s.terms {
		text = append(appendNumber(text, term), ',')
	}
	for _, term := range s.huge {
		text = append(unscaled(term).Append(text, 'e', roundTrip), ',')
	}
	if len(text) > 1 {
		text = text[:len(text)-1]
	}
	return append(text, ']'), nil
}

// appendNumber formats a number as encoding/json does.
func appendNumber(dst []byte, x float64) []byte {
	format := byte('f')
	if abs := math.Abs(x); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, x, format, -1, 64)
}

// UnmarshalJSON adds up an array of numbers. A number larger than any possible sum of readings is an error.
func (s *Sum) UnmarshalJSON(data []byte) error {
	var numbers []json.RawMessage
	if err := json.Unmarshal(data, &numbers); err != nil {
		return fmt.Errorf("decode sum: %w", err)
	}
	var sum Sum
	for _, number := range numbers {
		if x, err := strconv.ParseFloat(string(number), 64); err == nil {
			sum.Add(x)
			continue
		}
		x, _, err := big.ParseFloat(string(number), 10, 53, big.ToNearestEven)
		if err != nil || x.IsInf() || x.MantExp(nil) > hugeLimit {
			return fmt.Errorf("decode sum: not a number, or too large for a sum of readings (got %.40s)", number)
		}
		scaled, _ := x.SetMantExp(x, -hugeShift).Float64()
		sum.huge = addTo(sum.huge, scaled)
	}
	*s = sum
	return nil
}
