package replay

import (
	"slices"
	"strings"
	"unicode"

	"iotmon/internal/iot"
)

// typeWords are what a column's name or unit has in it that suggests a built-in type. A whole word is marked by blanks.
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

// noType are words that say that a column is none of the built-in types, whatever else its name has in it.
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
