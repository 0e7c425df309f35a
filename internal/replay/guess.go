package replay

import (
	"slices"
	"strings"
	"unicode"

	"iotmon/internal/iot"
)

// typeWords are words in a column's name or unit, each with the built-in type and unit that it suggests. A blank in a word
// matches the beginning or end of a word.
var typeWords = []struct {
	word string
	kind iot.DeviceType
	unit string
}{
	{"°c", iot.Temperature, "°C"}, {"°f", iot.Temperature, "°F"}, {" deg c ", iot.Temperature, "°C"}, {" degc ", iot.Temperature, "°C"},
	{" deg f ", iot.Temperature, "°F"}, {" degf ", iot.Temperature, "°F"}, {"celsius", iot.Temperature, "°C"}, {"fahrenheit", iot.Temperature, "°F"},
	{"temp", iot.Temperature, "°C"}, {"thermo", iot.Temperature, "°C"}, {"温度", iot.Temperature, "°C"},
	{"humid", iot.Humidity, "%"}, {" rh ", iot.Humidity, "%"}, {" rhum ", iot.Humidity, "%"}, {"湿度", iot.Humidity, "%"},
	{" kpa ", iot.Pressure, "kPa"}, {" mbar ", iot.Pressure, "mbar"}, {" psi ", iot.Pressure, "psi"}, {" mmhg ", iot.Pressure, "mmHg"},
	{" hpa ", iot.Pressure, "hPa"}, {" bar ", iot.Pressure, "bar"}, {"pressure", iot.Pressure, "hPa"}, {"baro", iot.Pressure, "hPa"}, {"压力", iot.Pressure, "hPa"},
	{" ma ", iot.Current, "mA"}, {"current", iot.Current, "A"}, {"电流", iot.Current, "A"},
	{"switch", iot.Switch, ""},
}

// noType are words of columns whose values are of none of the built-in types, even if their name has a word of typeWords.
var noType = []string{"ratio", " factor ", " kvarh ", " kwh ", " source ", " uncert ", " flag ", " quality ", " time ", " tmx ", " tmn "}

// guessType returns the type and unit that a column's name and unit suggest, or placeholders.
func guessType(column string) string {
	folded := foldWords(column)
	has := func(word string) bool { return strings.Contains(folded, word) }
	if slices.ContainsFunc(noType, has) {
		return "TYPE,UNIT"
	}
	for _, guess := range typeWords {
		if has(guess.word) {
			return strings.TrimSuffix(string(guess.kind)+","+guess.unit, ",")
		}
	}
	return "TYPE,UNIT"
}

// foldWords returns a text in lower case with one blank around each of its words.
func foldWords(text string) string {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && r != '°' && r != '%'
	})
	return " " + strings.Join(words, " ") + " "
}
