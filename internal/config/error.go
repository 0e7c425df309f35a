package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrVersion is returned by Load when the command line asks for the version, as flag.ErrHelp is when it asks for help.
var ErrVersion = errors.New("version requested")

// Error is the user's mistakes in the file, the environment or the command line. Nothing has been started, and the exit
// status is 2.
type Error struct {
	// Problems has one line for each mistake: the source, the key, what is allowed and the value.
	Problems []string
}

// Error returns the problems, one a line.
func (e *Error) Error() string { return strings.Join(e.Problems, "\n") }

// problems collects mistakes, so that all of them are reported at once.
type problems []string

func (p *problems) add(source, key, format string, args ...any) {
	*p = append(*p, fmt.Sprintf("%s: %s: %s", source, key, fmt.Sprintf(format, args...)))
}

// err returns an *Error with the sorted problems, or nil if there are none.
func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	slices.Sort(p)
	return &Error{Problems: p}
}
