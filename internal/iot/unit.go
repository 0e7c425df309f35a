package iot

import (
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// linear converts a value by value*scale + offset.
type linear struct{ scale, offset float64 }

// Shown is how values are converted to the unit in which they are shown: by value*Scale + Offset.
type Shown struct{ Scale, Offset float64 }

// ShownIn returns how values of a type's unit are shown in another unit; false if they cannot be converted to it.
func ShownIn(unit, canonical string) (Shown, bool) {
	folded := foldUnit(unit)
	if folded == foldUnit(canonical) {
		return Shown{Scale: 1}, true
	}
	c, ok := conversions[canonical][folded]
	if !ok {
		return Shown{}, false
	}
	return Shown{Scale: round12(1 / c.scale), Offset: round12(-c.offset / c.scale)}, true
}

// round12 rounds to twelve significant digits, so that °F are 1.8 times °C and not 1.7999999999999998 times. -0 becomes 0.
func round12(v float64) float64 {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 12, 64), 64)
	if err != nil || rounded == 0 {
		return 0
	}
	return rounded
}

// conversions maps a canonical unit to the units that are converted to it on entry; the inner keys are folded by foldUnit.
// Factors are exact by definition (SI; 1 psi = 6894.757293168 Pa, 1 mmHg = 133.322387415 Pa).
var conversions = map[string]map[string]linear{
	"°C": {
		"°c": {1, 0}, "c": {1, 0}, "degc": {1, 0}, "celsius": {1, 0}, "cel": {1, 0},
		"degreescelsius": {1, 0}, "degreecelsius": {1, 0}, "deg.c": {1, 0}, "deg_c": {1, 0}, "oc": {1, 0}, "'c": {1, 0}, "摄氏度": {1, 0},
		"°f": {5.0 / 9, -160.0 / 9}, "f": {5.0 / 9, -160.0 / 9}, "degf": {5.0 / 9, -160.0 / 9},
		"fahrenheit": {5.0 / 9, -160.0 / 9}, "degreesfahrenheit": {5.0 / 9, -160.0 / 9}, "deg_f": {5.0 / 9, -160.0 / 9},
		"k": {1, -273.15}, "kelvin": {1, -273.15},
		"°r": {5.0 / 9, -273.15}, "r": {5.0 / 9, -273.15}, "rankine": {5.0 / 9, -273.15},
	},
	"%": {
		"%": {1, 0}, "%rh": {1, 0}, "rh": {1, 0}, "percent": {1, 0}, "pct": {1, 0}, "ratio": {100, 0},
	},
	"hPa": {
		"hpa": {1, 0}, "mbar": {1, 0}, "pa": {0.01, 0}, "kpa": {10, 0}, "mpa": {10_000, 0}, "bar": {1000, 0},
		"psi": {68.94757293168, 0}, "atm": {1013.25, 0}, "mmhg": {1.33322387415, 0}, "torr": {1013.25 / 760, 0},
	},
	"A": {
		"a": {1, 0}, "amp": {1, 0}, "ampere": {1, 0}, "ma": {0.001, 0}, "µa": {1e-6, 0}, "ua": {1e-6, 0}, "ka": {1000, 0},
	},
	"": {
		"": {1, 0}, "bool": {1, 0}, "on/off": {1, 0},
	},
}

// lookAlikes maps characters that people and devices write in place of others. For the degree sign these are the ordinal º,
// the ring ˚, the ring operator ∘, raised letters and zeros, and ° in UTF-8 that was read as Latin-1. Cyrillic keyboards
// have letters that look like the Latin letters of a unit.
var lookAlikes = strings.NewReplacer(
	"º", "°", "˚", "°", "∘", "°", "◦", "°", "ᵒ", "°", "⁰", "°", "\u030a", "°", "Â°", "°",
	"А", "A", "а", "a", "К", "K", "к", "k", "М", "M", "м", "m", "Р", "P", "р", "p", "С", "C", "с", "c",
	"′", "'", "’", "'",
)

// foldUnit removes differences that never distinguish two units: case, spaces, look-alikes, and Unicode compatibility
// forms, such as ℃ for °C, ㎪ for kPa and m³ for m3. "mPa" and "MPa" become equal and count as megapascal: a plant does not
// measure millipascals.
func foldUnit(unit string) string {
	unit = norm.NFKC.String(lookAlikes.Replace(unit))
	unit = strings.ReplaceAll(unit, "μ", "µ") // The two code points of micro.
	return strings.ToLower(strings.Join(strings.Fields(unit), ""))
}

// convert returns value in the canonical unit, and false if the unit cannot be converted to it.
func convert(value float64, unit, canonical string) (float64, bool) {
	if unit == canonical || unit == "" {
		return value, true
	}
	folded := foldUnit(unit)
	if folded == foldUnit(canonical) {
		return value, true
	}
	c, ok := conversions[canonical][folded]
	if !ok {
		return 0, false
	}
	if c.scale == 1 && c.offset == 0 {
		return value, true
	}
	// float64() forbids a fused multiply-add, which would round differently on some CPUs.
	return float64(value*c.scale) + c.offset, true
}
