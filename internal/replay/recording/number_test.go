package recording

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestValuesAreRead(t *testing.T) {
	plain, comma := Numbers{}, Numbers{DecimalComma: true}
	thousands, both := Numbers{Thousands: true}, Numbers{DecimalComma: true, Thousands: true}
	marked := Numbers{DecimalComma: true, Missing: []string{"-200", "ERR"}}
	for _, test := range []struct {
		numbers    Numbers
		cell, want string
	}{
		{plain, "13.6", "13.6"},
		{plain, " +1.5e3 ", "1500"},
		{plain, "\u22125", "-5"},
		{plain, "-0", "0"},
		{plain, "13.6 °C", "13.6 °C"},
		{plain, "13.6°C", "13.6 °C"},
		{plain, "13.6C", "13.6 C"},
		{plain, "44 %", "44 %"},
		{plain, "5 kW", "5 kW"},
		{plain, "5 m3/h", "5 m3/h"},
		{plain, "1F", "not a number"},
		{plain, "3A", "not a number"},
		{plain, "0x1A", "hexadecimal"},
		{plain, "0x1p-2", "hexadecimal"},
		{plain, "1_000", "not a number without -thousands"},
		{plain, "0b11", "not a number"},
		{plain, "Infinity", "not a finite number"},
		{plain, "-inf", "not a finite number"},
		{plain, "1e999", "not a finite number"},
		{plain, "1,5", "-decimal-comma or -thousands"},
		{plain, "01/02/2018", "not a number"},
		{plain, "12:30", "not a number"},
		{plain, "2018-01-01", "not a number"},
		{plain, "1.2.3", "not a number"},
		{plain, "ON", "word ON"},
		{plain, "FF", "word FF"},
		{comma, "13,6", "13.6"},
		{comma, "13.6", "13.6"},
		{comma, "1.234,5", "not a number"},
		{comma, "-2,5e-1 °C", "-0.25 °C"},
		{thousands, "1,234,567.5", "1.2345675e+06"},
		{thousands, "12,34,567", "1.234567e+06"},
		{thousands, "1 234.5", "1234.5"},
		{thousands, "1\u202f234", "1234"},
		{thousands, "1'234", "1234"},
		{thousands, "1,5", "not a number"},
		{thousands, "1,23,4567", "not a number"},
		{thousands, "1,234 567", "not a number"},
		{thousands, "1.5", "1.5"},
		{both, "1.234,5", "1234.5"},
		{both, "1.234", "1234"},
		{both, "1.5", "not a number"},
		{marked, "-200", "missing"},
		{marked, "-200,0", "missing"},
		{marked, "-200,1", "-200.1"},
		{marked, "err", "missing"},
		{plain, "", "missing"},
		{plain, "NaN", "missing"},
		{plain, "-nan", "missing"},
		{plain, "#N/A", "missing"},
		{plain, "unavailable", "missing"},
		{plain, "?", "missing"},
		{plain, "#DIV/0!", "missing"},
		{plain, "-", "missing"},
	} {
		value, err := test.numbers.Read(test.cell)
		got := strconv.FormatFloat(value.Number+0, 'g', -1, 64)
		switch {
		case err == ErrMissing:
			got = "missing"
		case err != nil:
			got = err.Error()
		case value.Word != "":
			got = "word " + value.Word
		case value.Unit != "":
			got += " " + value.Unit
		}
		if got != test.want && !(err != nil && err != ErrMissing && strings.Contains(got, test.want)) {
			t.Errorf("%+v: %q: got %s, want %s", test.numbers, test.cell, got, test.want)
		}
	}
}

// grouped writes a number with the given separators of thousands and decimals.
func grouped(v float64, group, decimal string) string {
	whole, behind, _ := strings.Cut(strconv.FormatFloat(math.Abs(v), 'f', 3, 64), ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + group + whole[i:]
	}
	if v < 0 {
		whole = "-" + whole
	}
	return whole + decimal + behind
}

func TestEveryNumberIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := float64(rapid.Int64Range(-1e12, 1e12).Draw(t, "thousandths")) / 1000
		for _, test := range []struct {
			numbers Numbers
			text    string
		}{
			{Numbers{}, strconv.FormatFloat(v, 'g', -1, 64)},
			{Numbers{}, fmt.Sprintf("%.3f kW", v)},
			{Numbers{DecimalComma: true}, strings.Replace(strconv.FormatFloat(v, 'f', -1, 64), ".", ",", 1)},
			{Numbers{Thousands: true}, grouped(v, ",", ".")},
			{Numbers{Thousands: true}, grouped(v, " ", ".")},
			{Numbers{Thousands: true, DecimalComma: true}, grouped(v, ".", ",")},
		} {
			got, err := test.numbers.Read(test.text)
			if err != nil || got.Number != v || got.Word != "" {
				t.Fatalf("%+v: %q: got %+v, %v, want %v", test.numbers, test.text, got, err, v)
			}
		}
	})
}

func FuzzNumbers(f *testing.F) {
	for _, cell := range []string{"1,234.5", "13.6 °C", "0x1p-2", "1e5", "−5", "1 234,5", "１２"} {
		f.Add(cell, true, true)
	}
	f.Fuzz(func(t *testing.T, cell string, comma, thousands bool) {
		numbers := Numbers{DecimalComma: comma, Thousands: thousands, Missing: []string{cell[:len(cell)/2]}}
		value, err := numbers.Read(cell)
		if err == nil && value.Word == "" && (math.IsNaN(value.Number) || math.IsInf(value.Number, 0)) {
			t.Fatalf("%q: got %v, want a finite number", cell, value.Number)
		}
		if err == nil && strings.ContainsAny(cell, "xX") && strings.HasPrefix(cell, "0x") && value.Word == "" {
			t.Fatalf("%q: got %v, want no number of a hexadecimal one", cell, value.Number)
		}
	})
}
