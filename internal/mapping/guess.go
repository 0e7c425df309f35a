package mapping

import (
	"slices"
	"strings"
	"unicode"

	"iotmon/internal/iot"
)

// Guesser says what values seem to be, for people who then decide. It is not safe for concurrent use.
type Guesser struct {
	catalog *iot.Catalog
	known   map[guessed]Guess
}

// Guess is what a value seems to be.
type Guess struct {
	// Type is the device type; empty if nothing suggests one.
	Type iot.DeviceType
	// Unit is the unit that the words suggest; empty if they suggest none, or if the value has one that the type knows.
	Unit string
}

// guessed is by what a value is guessed.
type guessed struct{ name, unit, text string }

// maxGuesses is how many guesses are remembered: names come again and again.
const maxGuesses = 10_000

// NewGuesser returns a Guesser of the types of a catalog.
func NewGuesser(catalog *iot.Catalog) *Guesser {
	return &Guesser{catalog: catalog, known: make(map[guessed]Guess)}
}

// Guess returns what a value seems to be by its name, such as a column's, a field's or a node's path, its unit, and its text if it is no number; name and
// unit may be empty. The one type with the unit comes first, then the words of the name and of the unit. A text is of a switch or of nothing.
func (g *Guesser) Guess(name, unit, text string) Guess {
	if text != "" {
		if slices.ContainsFunc(switchWords, func(word string) bool { return strings.EqualFold(text, word) }) {
			return g.of(iot.Switch, "")
		}
		return Guess{}
	}
	key := guessed{name: name, unit: unit}
	guess, ok := g.known[key]
	if !ok {
		guess = g.guess(name, unit)
		if len(g.known) >= maxGuesses {
			clear(g.known)
		}
		g.known[key] = guess
	}
	return guess
}

func (g *Guesser) guess(name, unit string) Guess {
	if unit == unitBoolean {
		return g.of(iot.Switch, "")
	}
	names, units := foldWords(name), foldWords(unit)
	if unit == "" {
		return g.byWords(names, lastLevel(name))
	}
	var fits []iot.DeviceType
	for _, spec := range g.catalog.Specs() {
		if _, ok := iot.ShownIn(unit, spec.Unit); ok && spec.Unit != "" {
			fits = append(fits, spec.Name)
		}
	}
	switch by := g.byWords(names, lastLevel(name)); {
	case has(names, noType) || has(units, noType):
		return Guess{}
	case len(fits) == 1:
		return g.of(fits[0], "")
	case len(fits) == 0: // Some write a unit in words.
		return g.byWords(units, units)
	case slices.Contains(fits, by.Type):
		return g.of(by.Type, "")
	}
	return Guess{}
}

// byWords returns what the folded words suggest, of which last are those of the last level.
func (g *Guesser) byWords(words, last string) Guess {
	if has(words, noType) {
		return Guess{}
	}
	for _, guess := range typeWords {
		if strings.Contains(words, guess.word) {
			if guess.kind == iot.Switch && !strings.Contains(last, guess.word) && has(last, notSwitched) {
				return Guess{}
			}
			return g.of(guess.kind, guess.unit)
		}
	}
	return Guess{}
}

// of returns the guess of a type, if there is such a type.
func (g *Guesser) of(kind iot.DeviceType, unit string) Guess {
	if g.catalog.Spec(kind) == nil {
		return Guess{}
	}
	return Guess{kind, unit}
}

// unitBoolean is the unit that Sparkplug's truth values have here.
const unitBoolean = "bool"

// switchWords are the texts of a switch.
var switchWords = []string{"true", "false", "on", "off"}

// typeWords are words in a name or unit, each with the built-in type and the unit that it suggests. A blank in a word matches the beginning or end
// of a word.
var typeWords = []struct {
	word string
	kind iot.DeviceType
	unit string
}{
	{"°c", iot.Temperature, "°C"}, {"°f", iot.Temperature, "°F"}, {" deg c ", iot.Temperature, "°C"}, {" degc ", iot.Temperature, "°C"},
	{" deg f ", iot.Temperature, "°F"}, {" degf ", iot.Temperature, "°F"}, {"celsius", iot.Temperature, "°C"}, {"fahrenheit", iot.Temperature, "°F"},
	{"temp f ", iot.Temperature, "°F"}, {"tempf ", iot.Temperature, "°F"}, {"tempinf ", iot.Temperature, "°F"}, {"temperature f ", iot.Temperature, "°F"},
	{"temperature tf ", iot.Temperature, "°F"}, {"temp", iot.Temperature, "°C"}, {"thermo", iot.Temperature, "°C"}, {"温度", iot.Temperature, "°C"},
	{"humid", iot.Humidity, "%"}, {" hum ", iot.Humidity, "%"}, {" rh ", iot.Humidity, "%"}, {" rhum ", iot.Humidity, "%"}, {"湿度", iot.Humidity, "%"},
	{" kpa ", iot.Pressure, "kPa"}, {" mbar ", iot.Pressure, "mbar"}, {" psi ", iot.Pressure, "psi"}, {" mmhg ", iot.Pressure, "mmHg"},
	{" hpa ", iot.Pressure, "hPa"}, {" bar ", iot.Pressure, "bar"}, {"pressure", iot.Pressure, "hPa"}, {"baro", iot.Pressure, "hPa"}, {"压力", iot.Pressure, "hPa"},
	{" ma ", iot.Current, "mA"}, {"current", iot.Current, "A"}, {" curr ", iot.Current, "A"}, {" amp ", iot.Current, "A"}, {" amps ", iot.Current, "A"},
	{" ampere", iot.Current, "A"}, {"电流", iot.Current, "A"},
	{"switch", iot.Switch, ""}, {"relay", iot.Switch, ""}, {" contact ", iot.Switch, ""}, {"开关", iot.Switch, ""},
}

// noType are words of values that are of none of the built-in types, even if their name has a word of typeWords.
var noType = []string{
	"ratio", " factor ", " kvarh ", " kwh ", " source ", " uncert ", " flag ", " quality ", " time ", " tmx ", " tmn ", "attempt", "template",
}

// notSwitched are words of what a switch measures or is called by, such as switch:0.apower of Shelly: the name of the switch is that of the level above.
var notSwitched = []string{" id ", "power ", "energy", "voltage", "freq", " pf ", " total ", " by minute "}

// lastLevel returns the folded words of a name behind its last dot or slash.
func lastLevel(name string) string { return foldWords(name[strings.LastIndexAny(name, "./")+1:]) }

// has reports whether folded words have one of some words.
func has(words string, some []string) bool {
	return slices.ContainsFunc(some, func(word string) bool { return strings.Contains(words, word) })
}

// foldWords returns a text in lower case with one blank around each of its words.
func foldWords(text string) string {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && r != '°' && r != '%'
	})
	return " " + strings.Join(words, " ") + " "
}
