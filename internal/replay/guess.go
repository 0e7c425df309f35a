package replay

import (
	"cmp"
	"strings"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
)

// What stands where only people know the type or the unit.
const anyType, anyUnit = "TYPE", "UNIT"

// guessType returns the built-in type and the unit that a column's name and unit suggest, or placeholders; of a switch, no unit.
func guessType(name, unit string) (kind, in string) {
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		return anyType, anyUnit // Unreachable: the built-in types are valid.
	}
	guess := mapping.NewGuesser(catalog).Guess(name, unit, "")
	if guess.Type == "" {
		return anyType, anyUnit
	}
	return string(guess.Type), cmp.Or(guess.Unit, unit)
}

// guessed returns what guessType does as a flag has it.
func guessed(name, unit string) string {
	kind, in := guessType(name, unit)
	return strings.TrimSuffix(kind+","+in, ",")
}
