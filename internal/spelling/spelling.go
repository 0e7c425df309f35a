// Package spelling finds the name that a misspelt one was probably meant to be.
package spelling

import (
	"strings"

	"github.com/agnivade/levenshtein"
)

// longest is the length in bytes of a written name from which on none is near: comparing takes time with the product of both lengths.
const longest = 256

// Suggest returns "; did you mean NAME?" with the nearest known name, or nothing if none is near.
func Suggest(written string, known []string) string {
	if len(written) > longest {
		return ""
	}
	best, distance := "", 1+max(2, len(written)/3)
	for _, name := range known {
		if d := levenshtein.ComputeDistance(strings.ToLower(written), strings.ToLower(name)); d < distance {
			best, distance = name, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}
