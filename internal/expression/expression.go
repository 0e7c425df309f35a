// Package expression compiles the expressions of alert rules. They are written in the language of github.com/expr-lang/expr, whose parser it uses, but
// only in the part that has numbers, texts and truth values: without loops, variables, regular expressions, dates and functions that build texts or
// lists. So an expression takes a time that is bounded by its length, allocates nothing, and depends on its Input alone.
package expression

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
)

// MaxPoints is the maximum number of points in an expression, and MaxPointName the maximum length of the name of one in bytes.
const (
	MaxPoints    = 8
	MaxPointName = 128
)

// MaxNodes is the maximum number of names, constants, operators and calls in an expression.
const MaxNodes = 200

// Input is what expressions are about: a reading, its device, and the readings before it. The names in expressions are those in the comments.
type Input struct {
	// Value is `value`, Threshold `threshold`, which is the rule's or the device's own limit.
	Value, Threshold float64
	// Previous is `previous`, the value of the reading before, and Elapsed `elapsed`, the seconds between both. See Program.NeedsPrevious.
	Previous, Elapsed float64
	// Average, Minimum, Maximum and Count are the names in small letters: statistics of the values of a time, this one included. See
	// Program.NeedsStatistics. Average is infinite if it is not known: a calculation with it then fails.
	Average, Minimum, Maximum, Count float64
	// DeviceID is `device`; the others are the names in small letters.
	DeviceID, Type, Area, Unit, Quality string
	// Labels is `labels`: labels.line, or labels["line"], is empty if there is no such label; "line" in labels says whether there is.
	Labels map[string]string
	// Model and Firmware are `metadata.model` and `metadata.firmware`. BatteryLevel is `metadata.battery_level`, not a number for a device without
	// a battery: every comparison with it is false, but for !=.
	Model, Firmware string
	BatteryLevel    float64
	// Points are those of Program.Points, in that order: point("x").value and point("x").age.
	Points [MaxPoints]Point
}

// Point is another point of the same machine. Value is not a number if it has none: what needs the value then has no result; see ErrMissing.
// Age is the seconds since its device has sent, MaxAge if nobody knows.
type Point struct{ Value, Age float64 }

// MaxAge is the maximum of Point.Age: a day.
const MaxAge = 86_400.0

// ErrMissing is returned by Run if the result depends on the value of a point that has none.
var ErrMissing = errors.New("a point of the machine has no value")

// Error is what is wrong with an expression, and where: Line and Column count from 1, in characters.
type Error struct {
	Line, Column int
	Reason       string
}

func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Reason)
}

// Program is a compiled expression. It may be used concurrently.
type Program struct {
	truth  truthFunc
	uses   uses
	states sync.Pool
}

// uses is what of an Input an expression needs.
type uses struct {
	previous, statistics, area bool
	points                     []string
}

// Points returns the names of the points that the expression needs, at most MaxPoints.
func (p *Program) Points() []string { return p.uses.points }

// NeedsPrevious reports whether the expression needs Input.Previous or Input.Elapsed.
func (p *Program) NeedsPrevious() bool { return p.uses.previous }

// NeedsStatistics reports whether the expression needs one of the statistics.
func (p *Program) NeedsStatistics() bool { return p.uses.statistics }

// NeedsArea reports whether the expression needs Input.Area.
func (p *Program) NeedsArea() bool { return p.uses.area }

// Compile compiles an expression, which must be true or false. The error is an *Error.
func Compile(text string) (program *Program, err error) {
	defer func() {
		if reason := recover(); reason != nil { // Of the parser: nothing that anybody writes may stop the program.
			program, err = nil, &Error{1, 1, fmt.Sprintf("cannot be parsed: %v", reason)}
		}
	}()
	if !utf8.ValidString(text) {
		return nil, &Error{1, 1, "not valid UTF-8"}
	}
	tree, err := parser.Parse(text)
	if err != nil {
		if parsed, ok := errors.AsType[*file.Error](err); ok {
			return nil, &Error{max(parsed.Line, 1), parsed.Column + 1, plainly(parsed.Message)}
		}
		return nil, &Error{1, 1, err.Error()}
	}
	c := compiler{text: text}
	result, err := c.compile(tree.Node)
	if err != nil {
		return nil, err
	}
	if result.truth == nil {
		return nil, c.wrong(tree.Node, "must be true or false, such as a comparison; it is %s", result.kind())
	}
	program = &Program{truth: result.truth, uses: c.uses}
	program.states.New = func() any { return new(state) }
	return program, nil
}

// ofNumber matches what the parser says of a number, with the number.
var ofNumber = regexp.MustCompile(`^invalid \w+ literal: strconv\.\w+: parsing "(.*)": (.*)$`)

// plainly returns what the parser says without the names of Go's functions.
func plainly(message string) string {
	if strings.HasSuffix(message, "literal is too large") {
		return "the number is too large"
	}
	match := ofNumber.FindStringSubmatch(message)
	switch {
	case match == nil:
		return message
	case match[2] == "value out of range":
		return fmt.Sprintf("the number %s is too large", match[1])
	}
	return match[1] + " is not a number"
}

// state is one evaluation. failed is the first calculation whose result was no finite number, missing that the value of a point is needed that has none.
type state struct {
	Input
	failed  *Error
	missing bool
}

// Run evaluates the expression. The error is ErrMissing, or an *Error that says which calculation had no finite result; it must not be changed.
func (p *Program) Run(in *Input) (bool, error) {
	s := p.states.Get().(*state) //nolint:errcheck // Only New fills the pool.
	s.Input, s.failed, s.missing = *in, nil, false
	result, failed, missing := p.truth(s), s.failed, s.missing
	p.states.Put(s)
	switch {
	case failed != nil:
		return false, failed
	case missing:
		return false, ErrMissing
	}
	return result, nil
}
