package expression

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/expr-lang/expr/ast"
)

type (
	numberFunc func(*state) float64
	textFunc   func(*state) string
	truthFunc  func(*state) bool
)

// typed is a compiled part of an expression: one of its fields is set.
type typed struct {
	number numberFunc
	text   textFunc
	truth  truthFunc
}

func (t typed) kind() string {
	switch {
	case t.number != nil:
		return "a number"
	case t.text != nil:
		return "a text"
	default:
		return "true or false"
	}
}

// compiler compiles the nodes of one expression.
type compiler struct {
	text  string
	nodes int
	uses  uses
}

// wrong returns the error of a node.
func (c *compiler) wrong(n ast.Node, format string, args ...any) *Error {
	e := &Error{1, 1, fmt.Sprintf(format, args...)}
	left := n.Location().From
	for _, r := range c.text {
		if left <= 0 {
			break
		}
		left--
		e.Column++
		if r == '\n' {
			e.Line, e.Column = e.Line+1, 1
		}
	}
	return e
}

func (c *compiler) compile(n ast.Node) (typed, error) {
	// The parser uses nodes twice for 1 < value < 5, so they are counted here.
	if c.nodes++; c.nodes > MaxNodes {
		return typed{}, c.wrong(n, "more than %d names, constants, operators and calls", MaxNodes)
	}
	switch n := n.(type) {
	case *ast.IntegerNode:
		return constant(float64(n.Value)), nil
	case *ast.FloatNode:
		return constant(n.Value), nil
	case *ast.StringNode:
		return typed{text: func(*state) string { return n.Value }}, nil
	case *ast.BoolNode:
		return typed{truth: func(*state) bool { return n.Value }}, nil
	case *ast.IdentifierNode:
		return c.name(n)
	case *ast.MemberNode:
		return c.member(n)
	case *ast.UnaryNode:
		return c.unary(n)
	case *ast.BinaryNode:
		return c.binary(n)
	case *ast.ConditionalNode:
		return c.conditional(n)
	case *ast.BuiltinNode:
		return c.call(n, n.Name, n.Arguments)
	case *ast.CallNode:
		if callee, ok := n.Callee.(*ast.IdentifierNode); ok {
			return c.call(n, callee.Value, n.Arguments)
		}
	}
	return typed{}, c.wrong(n, "not possible in a rule")
}

func constant(value float64) typed { return typed{number: func(*state) float64 { return value }} }

// number compiles a node that must be a number.
func (c *compiler) number(n ast.Node) (numberFunc, error) {
	t, err := c.compile(n)
	if err == nil && t.number == nil {
		err = c.wrong(n, "must be a number; it is %s", t.kind())
	}
	if err != nil {
		return nil, err
	}
	return t.number, nil
}

// textOf compiles a node that must be a text.
func (c *compiler) textOf(n ast.Node) (textFunc, error) {
	t, err := c.compile(n)
	if err == nil && t.text == nil {
		err = c.wrong(n, "must be a text; it is %s", t.kind())
	}
	if err != nil {
		return nil, err
	}
	return t.text, nil
}

// truth compiles a node that must be true or false.
func (c *compiler) truth(n ast.Node) (truthFunc, error) {
	t, err := c.compile(n)
	if err == nil && t.truth == nil {
		err = c.wrong(n, "must be true or false; it is %s", t.kind())
	}
	if err != nil {
		return nil, err
	}
	return t.truth, nil
}

var numbers = map[string]numberFunc{
	"value":     func(s *state) float64 { return s.Value },
	"threshold": func(s *state) float64 { return s.Threshold },
	"previous":  func(s *state) float64 { return s.Previous },
	"elapsed":   func(s *state) float64 { return s.Elapsed },
	"minimum":   func(s *state) float64 { return s.Minimum },
	"maximum":   func(s *state) float64 { return s.Maximum },
	"count":     func(s *state) float64 { return s.Count },
}

var textsByName = map[string]textFunc{
	"device":  func(s *state) string { return s.DeviceID },
	"type":    func(s *state) string { return s.Type },
	"area":    func(s *state) string { return s.Area },
	"unit":    func(s *state) string { return s.Unit },
	"quality": func(s *state) string { return s.Quality },
}

// names are all of both, and the objects, for errors.
const names = "value, threshold, previous, elapsed, average, minimum, maximum, count, device, type, area, unit, quality, labels, metadata and point"

func (c *compiler) name(n *ast.IdentifierNode) (typed, error) {
	switch n.Value {
	case "previous", "elapsed":
		c.uses.previous = true
	case "average":
		c.uses.statistics = true
		failure := c.wrong(n, "the average is not known: the sum of the values is too great for a number")
		return typed{number: func(s *state) float64 {
			if math.IsInf(s.Average, 0) && s.failed == nil && !s.missing {
				s.failed = failure
			}
			return s.Average
		}}, nil
	case "minimum", "maximum", "count":
		c.uses.statistics = true
	case "area":
		c.uses.area = true
	case "point":
		return typed{}, c.wrong(n, "point needs a name, such as point(\"pressure\").value")
	case "labels", "metadata":
		return typed{}, c.wrong(n, "%s needs a name, such as %s.model", n.Value, n.Value)
	}
	if number := numbers[n.Value]; number != nil {
		return typed{number: number}, nil
	}
	if text := textsByName[n.Value]; text != nil {
		return typed{text: text}, nil
	}
	return typed{}, c.wrong(n, "unknown name %q; there are %s", n.Value, names)
}

// member compiles labels.x, labels["x"] and metadata.x.
func (c *compiler) member(n *ast.MemberNode) (typed, error) {
	property, constant := n.Property.(*ast.StringNode)
	if call, ok := n.Node.(*ast.CallNode); ok && isPoint(call) && !n.Optional {
		return c.point(n, call)
	}
	object, ok := n.Node.(*ast.IdentifierNode)
	if !ok || !constant || n.Optional || object.Value != "labels" && object.Value != "metadata" {
		return typed{}, c.wrong(n, "only labels, metadata and points have parts, such as labels.line, labels[\"line\"] or point(\"pressure\").value")
	}
	key := property.Value
	if object.Value == "labels" {
		return typed{text: func(s *state) string { return s.Labels[key] }}, nil
	}
	switch key {
	case "model":
		return typed{text: func(s *state) string { return s.Model }}, nil
	case "firmware":
		return typed{text: func(s *state) string { return s.Firmware }}, nil
	case "battery_level":
		return typed{number: func(s *state) float64 { return s.BatteryLevel }}, nil
	}
	return typed{}, c.wrong(n.Property, "unknown name %q; metadata has model, firmware and battery_level", key)
}

func isPoint(call *ast.CallNode) bool {
	callee, ok := call.Callee.(*ast.IdentifierNode)
	return ok && callee.Value == "point"
}

// point compiles point("x").value and point("x").age.
func (c *compiler) point(n *ast.MemberNode, call *ast.CallNode) (typed, error) {
	// The nodes of the call.
	if c.nodes += 2; c.nodes > MaxNodes {
		return typed{}, c.wrong(n, "more than %d names, constants, operators and calls", MaxNodes)
	}
	if len(call.Arguments) != 1 {
		return typed{}, c.wrong(call, "point takes the name of one point (got %d)", len(call.Arguments))
	}
	text, ok := call.Arguments[0].(*ast.StringNode)
	if !ok {
		return typed{}, c.wrong(call.Arguments[0], "must be the name of a point in quotation marks, so that its value can be there when it is needed")
	}
	name := text.Value
	if wrong := checkPointName(name); wrong != "" {
		return typed{}, c.wrong(text, "the name of the point: %s", wrong)
	}
	at := slices.Index(c.uses.points, name)
	if at < 0 {
		if at = len(c.uses.points); at == MaxPoints {
			return typed{}, c.wrong(text, "more than %d points", MaxPoints)
		}
		c.uses.points = append(c.uses.points, name)
	}
	property, _ := n.Property.(*ast.StringNode)
	switch {
	case property != nil && property.Value == "value":
		return typed{number: func(s *state) float64 {
			value := s.Points[at].Value
			s.missing = s.missing || math.IsNaN(value)
			return value
		}}, nil
	case property != nil && property.Value == "age":
		return typed{number: func(s *state) float64 { return s.Points[at].Age }}, nil
	}
	return typed{}, c.wrong(n.Property, "a point has value and age")
}

// checkPointName returns what is wrong with a name, as far as it can be seen, "" for nothing.
func checkPointName(name string) string {
	switch {
	case name == "":
		return "missing"
	case len(name) > MaxPointName:
		return fmt.Sprintf("longer than %d bytes (got %d)", MaxPointName, len(name))
	case strings.TrimSpace(name) != name:
		return "has white space around it"
	case strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "has a character that is not visible"
	}
	return ""
}

func (c *compiler) unary(n *ast.UnaryNode) (typed, error) {
	switch n.Operator {
	case "!", "not":
		of, err := c.truth(n.Node)
		return typed{truth: func(s *state) bool { return !of(s) }}, err
	case "-":
		of, err := c.number(n.Node)
		return typed{number: func(s *state) float64 { return -of(s) }}, err
	case "+":
		of, err := c.number(n.Node)
		return typed{number: of}, err
	}
	return typed{}, c.wrong(n, "unknown operator %q", n.Operator)
}

func (c *compiler) conditional(n *ast.ConditionalNode) (typed, error) {
	condition, err := c.truth(n.Cond)
	if err != nil {
		return typed{}, err
	}
	a, err := c.compile(n.Exp1)
	if err != nil {
		return typed{}, err
	}
	b, err := c.compile(n.Exp2)
	if err != nil {
		return typed{}, err
	}
	switch {
	case a.number != nil && b.number != nil:
		return typed{number: func(s *state) float64 {
			if condition(s) {
				return a.number(s)
			}
			return b.number(s)
		}}, nil
	case a.text != nil && b.text != nil:
		return typed{text: func(s *state) string {
			if condition(s) {
				return a.text(s)
			}
			return b.text(s)
		}}, nil
	case a.truth != nil && b.truth != nil:
		return typed{truth: func(s *state) bool {
			if condition(s) {
				return a.truth(s)
			}
			return b.truth(s)
		}}, nil
	}
	return typed{}, c.wrong(n.Exp2, "must be %s, as the other case; it is %s", a.kind(), b.kind())
}

// call compiles a function of numbers.
func (c *compiler) call(n ast.Node, name string, arguments []ast.Node) (typed, error) {
	single := map[string]func(float64) float64{"abs": math.Abs, "ceil": math.Ceil, "floor": math.Floor, "round": math.Round}[name]
	several := map[string]func(a, b float64) float64{"min": least, "max": greatest}[name]
	switch {
	case name == "point":
		return typed{}, c.wrong(n, "a point has value and age, such as point(\"pressure\").value")
	case single == nil && several == nil:
		return typed{}, c.wrong(n, "unknown function %q; there are abs, ceil, floor, round, min, max and point", name)
	case single != nil && len(arguments) != 1:
		return typed{}, c.wrong(n, "%s takes one number (got %d)", name, len(arguments))
	case len(arguments) == 0:
		return typed{}, c.wrong(n, "%s takes numbers (got none)", name)
	}
	var of []numberFunc
	for _, argument := range arguments {
		number, err := c.number(argument)
		if err != nil {
			return typed{}, err
		}
		of = append(of, number)
	}
	if single != nil {
		return typed{number: func(s *state) float64 { return single(of[0](s)) }}, nil
	}
	return typed{number: func(s *state) float64 {
		result := of[0](s)
		for _, number := range of[1:] {
			result = several(result, number(s))
		}
		return result
	}}, nil
}

// least and greatest are not a number if one of the numbers is not.
func least(a, b float64) float64    { return min(a, b) }
func greatest(a, b float64) float64 { return max(a, b) }

func (c *compiler) binary(n *ast.BinaryNode) (typed, error) {
	switch n.Operator {
	case "&&", "and", "||", "or":
		return c.logic(n)
	case "==", "!=":
		return c.equality(n)
	case "<", "<=", ">", ">=":
		return c.comparison(n)
	case "+", "-", "*", "/", "**", "^":
		return c.arithmetic(n)
	case "contains", "startsWith", "endsWith":
		return c.comparisonOfTexts(n)
	case "in":
		return c.membership(n)
	}
	return typed{}, c.wrong(n, "unknown operator %q", n.Operator)
}

func (c *compiler) logic(n *ast.BinaryNode) (typed, error) {
	a, err := c.truth(n.Left)
	if err != nil {
		return typed{}, err
	}
	b, err := c.truth(n.Right)
	if err != nil {
		return typed{}, err
	}
	if n.Operator == "&&" || n.Operator == "and" {
		return typed{truth: func(s *state) bool { return a(s) && b(s) }}, nil
	}
	return typed{truth: func(s *state) bool { return a(s) || b(s) }}, nil
}

func (c *compiler) equality(n *ast.BinaryNode) (typed, error) {
	a, err := c.compile(n.Left)
	if err != nil {
		return typed{}, err
	}
	b, err := c.compile(n.Right)
	if err != nil {
		return typed{}, err
	}
	equal := n.Operator == "=="
	switch {
	case a.number != nil && b.number != nil:
		return typed{truth: func(s *state) bool { return (a.number(s) == b.number(s)) == equal }}, nil
	case a.text != nil && b.text != nil:
		return typed{truth: func(s *state) bool { return (a.text(s) == b.text(s)) == equal }}, nil
	case a.truth != nil && b.truth != nil:
		return typed{truth: func(s *state) bool { return (a.truth(s) == b.truth(s)) == equal }}, nil
	}
	return typed{}, c.wrong(n, "%s is never %s", a.kind(), b.kind())
}

func (c *compiler) numbers(n *ast.BinaryNode) (a, b numberFunc, err error) {
	if a, err = c.number(n.Left); err == nil {
		b, err = c.number(n.Right)
	}
	return a, b, err
}

func (c *compiler) comparison(n *ast.BinaryNode) (typed, error) {
	a, b, err := c.numbers(n)
	if err != nil {
		return typed{}, err
	}
	switch n.Operator {
	case "<":
		return typed{truth: func(s *state) bool { return a(s) < b(s) }}, nil
	case "<=":
		return typed{truth: func(s *state) bool { return a(s) <= b(s) }}, nil
	case ">":
		return typed{truth: func(s *state) bool { return a(s) > b(s) }}, nil
	default:
		return typed{truth: func(s *state) bool { return a(s) >= b(s) }}, nil
	}
}

func (c *compiler) arithmetic(n *ast.BinaryNode) (typed, error) {
	a, b, err := c.numbers(n)
	if err != nil {
		return typed{}, err
	}
	failure := c.wrong(n, "the result of %s is not a finite number", n.Operator)
	finite := func(s *state, result float64) float64 {
		if result-result != 0 && s.failed == nil && !s.missing { // Not a number, or infinite.
			s.failed = failure
		}
		return result
	}
	switch n.Operator {
	case "+":
		return typed{number: func(s *state) float64 { return finite(s, a(s)+b(s)) }}, nil
	case "-":
		return typed{number: func(s *state) float64 { return finite(s, a(s)-b(s)) }}, nil
	case "*":
		return typed{number: func(s *state) float64 { return finite(s, a(s)*b(s)) }}, nil
	case "/":
		return typed{number: func(s *state) float64 { return finite(s, a(s)/b(s)) }}, nil
	default:
		return typed{number: func(s *state) float64 { return finite(s, math.Pow(a(s), b(s))) }}, nil
	}
}

func (c *compiler) comparisonOfTexts(n *ast.BinaryNode) (typed, error) {
	a, err := c.textOf(n.Left)
	if err != nil {
		return typed{}, err
	}
	b, err := c.textOf(n.Right)
	if err != nil {
		return typed{}, err
	}
	compare := map[string]func(a, b string) bool{
		"contains": strings.Contains, "startsWith": strings.HasPrefix, "endsWith": strings.HasSuffix,
	}[n.Operator]
	return typed{truth: func(s *state) bool { return compare(a(s), b(s)) }}, nil
}

// membership compiles x in [1, 2], x in ["a", "b"] and "line" in labels.
func (c *compiler) membership(n *ast.BinaryNode) (typed, error) {
	if object, ok := n.Right.(*ast.IdentifierNode); ok && object.Value == "labels" {
		key, err := c.textOf(n.Left)
		return typed{truth: func(s *state) bool { _, any := s.Labels[key(s)]; return any }}, err
	}
	list, ok := n.Right.(*ast.ArrayNode)
	if !ok {
		return typed{}, c.wrong(n.Right, "in needs labels, or a list such as [1, 2] or [\"a\", \"b\"]")
	}
	of, err := c.compile(n.Left)
	if err != nil {
		return typed{}, err
	}
	var numbers []numberFunc
	var texts []textFunc
	for _, element := range list.Nodes {
		switch {
		case of.number != nil:
			var number numberFunc
			number, err = c.number(element)
			numbers = append(numbers, number)
		case of.text != nil:
			var text textFunc
			text, err = c.textOf(element)
			texts = append(texts, text)
		default:
			err = c.wrong(n.Left, "must be a number or a text; it is %s", of.kind())
		}
		if err != nil {
			return typed{}, err
		}
	}
	if of.number != nil {
		return typed{truth: func(s *state) bool {
			value := of.number(s)
			return slices.ContainsFunc(numbers, func(number numberFunc) bool { return number(s) == value })
		}}, nil
	}
	if of.text == nil {
		return typed{}, c.wrong(n.Left, "must be a number or a text; it is %s", of.kind())
	}
	return typed{truth: func(s *state) bool {
		value := of.text(s)
		return slices.ContainsFunc(texts, func(text textFunc) bool { return text(s) == value })
	}}, nil
}
