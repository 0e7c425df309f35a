// Package expression compiles the expressions of alert rules. They are written in the language of github.com/expr-lang/expr, whose parser it uses, but
// only in the part that has numbers, texts and truth values: without loops, variables, regular expressions, dates and functions that build texts or
// lists. So an expression takes a time that is bounded by its length, allocates nothing, and depends on its Input alone.
package expression

import (
	"errors"
	"fmt"
	"sync"
	"unicode/utf8"

	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
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
	// Program.NeedsStatistics.
	Average, Minimum, Maximum, Count float64
	// DeviceID is `device`; the others are the names in small letters.
	DeviceID, Type, Area, Unit, Quality string
	// Labels is `labels`: labels.line, or labels["line"], is empty if there is no such label; "line" in labels says whether there is.
	Labels map[string]string
	// Model and Firmware are `metadata.model` and `metadata.firmware`. BatteryLevel is `metadata.battery_level`, not a number for a device without
	// a battery: every comparison with it is false, but for !=.
	Model, Firmware string
	BatteryLevel    float64
}

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
type uses struct{ previous, statistics, area bool }

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
			return nil, &Error{max(parsed.Line, 1), parsed.Column + 1, parsed.Message}
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

// state is one evaluation. failed is the first calculation whose result was no finite number.
type state struct {
	Input
	failed *Error
}

// Run evaluates the expression. The error is an *Error that says which calculation had no finite result; it must not be changed.
func (p *Program) Run(in *Input) (bool, error) {
	s := p.states.Get().(*state) //nolint:errcheck // Only New fills the pool.
	s.Input, s.failed = *in, nil
	result, failed := p.truth(s), s.failed
	p.states.Put(s)
	if failed != nil {
		return false, failed
	}
	return result, nil
}
