package expression_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/expr-lang/expr"
	"pgregory.net/rapid"

	"iotmon/internal/expression"
)

var input = expression.Input{
	Value: 28.5, Threshold: 28, Previous: 20, Elapsed: 5, Average: 25, Minimum: 20, Maximum: 30, Count: 12,
	DeviceID: "oven-4", Type: "temperature_sensor", Area: "A栋/2/line 1", Unit: "°C", Quality: "good",
	Labels: map[string]string{"line": "test", "maker": "ACME"}, Model: "T-1000", Firmware: "1.2", BatteryLevel: math.NaN(),
	Points: [expression.MaxPoints]expression.Point{{3, 2}, {-4, 100}},
}

func TestExpressions(t *testing.T) {
	for text, want := range map[string]bool{
		`value > 28`:                               true,
		`value > threshold + 1`:                    false,
		`20 < value < 28`:                          false,
		`20 < value <= 28.5`:                       true,
		`value - previous > 8 and elapsed < 6`:     true,
		`(value - previous) / elapsed * 60 >= 102`: true,
		`abs(value - average) > 0.1 * average`:     true,
		`max(minimum, 22, previous) == 22 && min(maximum, count) == count`:  true,
		`round(value) == 29 and floor(value) == 28 and ceil(-value) == -28`: true,
		`2 ** 3 ^ 1 == 8`:       true,
		`-value < +value`:       true,
		`not (value > 28)`:      false,
		`!(value > 28) || true`: true,
		`type == "temperature_sensor" and unit != "K" and quality == 'good'`:        true,
		`device startsWith "oven" and area contains "line" and device endsWith "5"`: false,
		`area not contains "B栋"`:                                      true,
		`labels.line == "test" ? value > 50 : value > 20`:             false,
		`labels["maker"] in ["ACME", "Emca"]`:                         true,
		`"line" in labels and "other" not in labels`:                  true,
		`labels.other == ""`:                                          true,
		`value in [1, 28.5]`:                                          true,
		`metadata.model == "T-1000" and metadata.firmware == "1.2"`:   true,
		`metadata.battery_level < 20 or metadata.battery_level >= 20`: false, // It has none.
		`(value > 1) == (value > 2)`:                                  true,
		"if value > 28 {\n  previous < 21\n} else {\n false }":        true,
		`value > 0x10 and 1_000 > 1e2`:                                true,
		`point("压力").value > 2 and point("压力").age < 10`:              true,
		`value - point("a").value * point("b").value == 40.5`:         true, // The first is a, the second b.
		`point('a')["value"] == 3`:                                    true,
	} {
		program, err := expression.Compile(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := program.Run(&input); got != want || err != nil {
			t.Errorf("%s: got %v, %v, want %v", text, got, err, want)
		}
	}
}

func TestWhatIsWrongWithAnExpressionIsSaidWithItsPlace(t *testing.T) {
	for text, want := range map[string]string{
		``:                                "line 1, column 1: unexpected token EOF",
		`value`:                           "line 1, column 1: must be true or false, such as a comparison; it is a number",
		`value > `:                        "line 1, column 8: unexpected token EOF",
		"value > 3 and\n  valeu < 4":      `line 2, column 3: unknown name "valeu"; there are value,`,
		`"温度" == type and foo`:            `line 1, column 18: unknown name "foo"`,
		`value > "3"`:                     "line 1, column 9: must be a number; it is a text",
		`value == "3"`:                    "line 1, column 7: a number is never a text",
		`type > "a"`:                      "line 1, column 1: must be a number; it is a text",
		`labels`:                          "column 1: labels needs a name",
		`labels.a.b == ""`:                "only labels, metadata and points have parts",
		`labels[type] == ""`:              "only labels, metadata and points have parts",
		`labels?.a == ""`:                 "not possible in a rule",
		`metadata.maker == ""`:            `column 10: unknown name "maker"; metadata has`,
		`device.name == ""`:               "only labels, metadata and points have parts",
		`now() > 3`:                       `column 1: unknown function "now"`,
		`all([1, 2], # > 1)`:              `unknown function "all"`,
		`len(labels) > 1`:                 `unknown function "len"`,
		`value | abs() > 1 and 1..3 == 1`: `unknown operator ".."`,
		`type matches "^(a+)+$"`:          `column 6: unknown operator "matches"`,
		`let x = 1; x > 0`:                "not possible in a rule",
		`value > 1; value > 2`:            "not possible in a rule",
		`[1, 2] == [1]`:                   "not possible in a rule",
		`{"a": 1}.a == 1`:                 "only labels, metadata and points have parts",
		`type[0:2] == ""`:                 "not possible in a rule",
		`nil == nil`:                      "not possible in a rule",
		`value ?? 3 > 1`:                  `Operator (>) and coalesce expressions`,
		`value % 2 == 0`:                  `unknown operator "%"`,
		`abs(1, 2) > 0`:                   "abs takes one number (got 2)",
		`max() > 0`:                       "max takes numbers (got none)",
		`value > 1 ? 1 : "a"`:             "must be a number, as the other case; it is a text",
		`true in [true]`:                  "column 1: must be a number or a text; it is true or false",
		`true in []`:                      "column 1: must be a number or a text; it is true or false",
		`value in type`:                   "in needs labels, or a list",
		`value in [1, "a"]`:               "column 14: must be a number; it is a text",
		`value.abs() > 1`:                 "not possible in a rule",
		`$env.value > 1`:                  "only labels, metadata and points have parts",
		"value > 1\xff":                   "line 1, column 1: not valid UTF-8",
		"value > 1 and\n point":           `line 2, column 2: point needs a name, such as point("pressure").value`,
		`point("a") > 1`:                  `column 1: a point has value and age, such as point("pressure").value`,
		`point("a").unit == ""`:           `column 12: a point has value and age`,
		`point("a")[type] > 1`:            `column 12: a point has value and age`,
		`point("a")?.value > 1`:           "not possible in a rule",
		`point().value > 1`:               `column 1: point takes the name of one point (got 0)`,
		`point("a", "b").value > 1`:       `column 1: point takes the name of one point (got 2)`,
		`point(type).value > 1`:           `column 7: must be the name of a point in quotation marks`,
		`point("").value > 1`:             `column 7: the name of the point: missing`,
		`point("a\x1fb").value > 1`:       `column 7: the name of the point: `,
		`point("` + strings.Repeat("x", 257) + `").age > 1`: `column 7: the name of the point: `,
		`[point("1").age, point("2").age] == 0`:             "not possible in a rule",
		`max(point("1").age, point("2").age, point("3").age, point("4").age, point("5").age, point("6").age, point("7").age, point("8").age, point("8").age, point("9").age) > 1`: "column 155: more than 8 points",
		`value > 99999999999999999999`: "the number 99999999999999999999 is too large",
		`value > 1e999`:                "the number 1e999 is too large",
		`value > 1E`:                   "1E is not a number",
		`value > 0x`:                   "0x is not a number",
		`value > 1` + strings.Repeat(" and value > 1", 67): "more than 200 names, constants, operators and calls",
	} {
		_, err := expression.Compile(text)
		if placed := (*expression.Error)(nil); !errors.As(err, &placed) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

// The parser uses a part of a chain of comparisons twice, so that one in another would double the work with each.
func TestTheWorkOfAnExpressionIsBounded(t *testing.T) {
	text := "value"
	for range 60 {
		text = "(1<" + text + "<2?1:2)"
	}
	if _, err := expression.Compile(text + ">1"); err == nil || !strings.Contains(err.Error(), "more than 200") {
		t.Errorf("got %v, want it refused", err)
	}
	if _, err := expression.Compile(strings.Repeat("(", 500) + "true" + strings.Repeat(")", 500)); err != nil {
		t.Errorf("got %v, want none", err)
	}
}

func TestACalculationWithoutAFiniteResultFails(t *testing.T) {
	for text, want := range map[string]string{
		`value / (previous - 20) > 1`:                    "line 1, column 7: the result of / is not a finite number",
		`1e308 * value > 1`:                              "the result of * is not",
		"true and\n metadata.battery_level + 1 > 2":      "line 2, column 25: the result of + is not",
		`(-1) ** 0.5 > 0`:                                "the result of ** is not",
		`1 / 0 > 1 and 2 / 0 > 1`:                        "column 3: ", // The first.
		`previous == 20 or value / (previous - 20) > 1`:  "",
		`previous != 20 and value / (previous - 20) > 1`: "",
	} {
		program, err := expression.Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		_, err = program.Run(&input)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

// library is the Input as the library's own machine takes it.
type library struct {
	Value     float64           `expr:"value"`
	Threshold float64           `expr:"threshold"`
	Previous  float64           `expr:"previous"`
	Elapsed   float64           `expr:"elapsed"`
	Average   float64           `expr:"average"`
	Minimum   float64           `expr:"minimum"`
	Maximum   float64           `expr:"maximum"`
	Count     float64           `expr:"count"`
	DeviceID  string            `expr:"device"`
	Type      string            `expr:"type"`
	Area      string            `expr:"area"`
	Unit      string            `expr:"unit"`
	Quality   string            `expr:"quality"`
	Labels    map[string]string `expr:"labels"`
	Metadata  struct {
		Model        string  `expr:"model"`
		Firmware     string  `expr:"firmware"`
		BatteryLevel float64 `expr:"battery_level"`
	} `expr:"metadata"`
	// Point has the points in the order of their names, a and b.
	Point func(string) libraryPoint `expr:"point"`
}

type libraryPoint struct {
	Value float64 `expr:"value"`
	Age   float64 `expr:"age"`
}

func toLibrary(in *expression.Input, points []string) *library {
	l := &library{
		Value: in.Value, Threshold: in.Threshold, Previous: in.Previous, Elapsed: in.Elapsed, Average: in.Average, Minimum: in.Minimum,
		Maximum: in.Maximum, Count: in.Count, DeviceID: in.DeviceID, Type: in.Type, Area: in.Area, Unit: in.Unit, Quality: in.Quality, Labels: in.Labels,
	}
	l.Point = func(name string) libraryPoint { return libraryPoint(in.Points[slices.Index(points, name)]) }
	l.Metadata.Model, l.Metadata.Firmware, l.Metadata.BatteryLevel = in.Model, in.Firmware, in.BatteryLevel
	return l
}

// drawExpression draws an expression of a kind: n for a number, t for a text, b for true or false.
func drawExpression(t *rapid.T, kind string, depth int) string {
	draw := func(kind string) string { return drawExpression(t, kind, depth-1) }
	leaves := map[string][]string{
		"n": {"value", "threshold", "previous", "elapsed", "average", "minimum", "maximum", "count", "metadata.battery_level", `point("a").value`, `point("b").value`, `point("a").age`, "0.0", "1.5", "20.0", "1e3"},
		"t": {"device", "type", "area", "unit", "quality", "labels.line", `labels["none"]`, "metadata.model", "metadata.firmware", `"good"`, `"test"`, `"t"`, `""`},
		"b": {"true", "false"},
	}[kind]
	if depth == 0 || rapid.IntRange(0, 3).Draw(t, "leaf") == 0 && kind != "b" {
		return rapid.SampledFrom(leaves).Draw(t, "name")
	}
	forms := map[string][]string{
		"n": {"(n + n)", "(n - n)", "(n * n)", "(n / n)", "n ** 2.0", "-n", "abs(n)", "round(n)", "floor(n)", "ceil(n)", "min(n, n)", "max(n, n, n)", "(b ? n : n)"},
		"t": {"(b ? t : t)"},
		"b": {"n < n", "n <= n", "n > n", "n >= n", "n == n", "n != n", "t == t", "t != t", "t contains t", "t startsWith t", "t not endsWith t", "(b && b)", "(b or b)", "!(b)",
			"(b ? b : b)", "n in [n, n]", "t in [t, t]", `"line" in labels`, `"none" not in labels`, "(b) == (b)", "n < n < n"},
	}[kind]
	var out strings.Builder
	for _, r := range rapid.SampledFrom(forms).Draw(t, "form") {
		out.WriteRune(r)
	}
	return substitute(out.String(), draw)
}

// substitute replaces n, t and b that stand alone in a form.
func substitute(form string, draw func(string) string) string {
	words := strings.FieldsFunc(form, func(r rune) bool { return strings.ContainsRune(" ()[],-!:?", r) })
	var out strings.Builder
	rest := form
	for _, word := range words {
		at := strings.Index(rest, word)
		out.WriteString(rest[:at])
		if word == "n" || word == "t" || word == "b" {
			out.WriteString("(" + draw(word) + ")")
		} else {
			out.WriteString(word)
		}
		rest = rest[at+len(word):]
	}
	return out.String() + rest
}

// Whatever the expression and the values, the result is that of the library's own machine, or a calculation had no finite result.
func TestExpressionsMeanWhatTheyMeanInTheLibrary(t *testing.T) {
	compared := 0
	rapid.Check(t, func(t *rapid.T) {
		text := drawExpression(t, "b", 3)
		program, err := expression.Compile(text)
		if err != nil {
			if !strings.Contains(err.Error(), "more than 200") {
				t.Fatalf("%s: %v", text, err)
			}
			return
		}
		theirs, err := expr.Compile(text, expr.Env(&library{}), expr.AsBool())
		if err != nil {
			t.Fatalf("%s: the library: %v", text, err)
		}
		in := input
		in.BatteryLevel = 80 // The library's min and max may ignore what is not a number.
		for _, number := range []*float64{&in.Value, &in.Previous, &in.Average, &in.Points[0].Value, &in.Points[1].Age} {
			*number = rapid.SampledFrom([]float64{0, 1.5, 20, -3, 28.5}).Draw(t, "number")
		}
		got, err := program.Run(&in)
		want, theirErr := expr.Run(theirs, toLibrary(&in, program.Points()))
		if err != nil {
			return
		}
		if theirErr != nil || got != want {
			t.Fatalf("%s of %+v: got %v, the library %v, %v", text, in, got, want, theirErr)
		}
		compared++
	})
	if compared == 0 {
		t.Error("nothing was compared")
	}
}

// FuzzExpression: nothing that anybody writes stops the program; what compiles runs, twice with the same result.
func FuzzExpression(f *testing.F) {
	for _, seed := range []string{
		`value > 28`, `labels.line == "test" ? value > 50 : abs(value - average) > 5`, "if value > 1 { true } else { false }", `1 < value < 5 and "a" in labels`,
		`let x = 1; x > 0`, `all(1..1000000, # > 1)`, `b"\xff" == type`, `"\u00e9" contains type`, `value | abs() > 1`, `not not not true`, `((((`, `type not in ["a"]`,
	} {
		f.Add(seed, 28.5)
	}
	f.Fuzz(func(t *testing.T, text string, value float64) {
		if len(text) > 1000 {
			return
		}
		program, err := expression.Compile(text)
		if err != nil {
			if placed := (*expression.Error)(nil); !errors.As(err, &placed) || placed.Line < 1 || placed.Column < 1 || placed.Reason == "" {
				t.Fatalf("got %#v, want a place and a reason", err)
			}
			return
		}
		in := input
		in.Value = value
		first, failed := program.Run(&in)
		again, failedAgain := program.Run(&in)
		if first != again || fmt.Sprint(failed) != fmt.Sprint(failedAgain) {
			t.Fatalf("got %v, %v and then %v, %v", first, failed, again, failedAgain)
		}
	})
}

// What depends on the value of a point that has none has no result. What does not need it has one, such as what asks for its age before.
func TestAPointWithoutAValue(t *testing.T) {
	in := input
	in.Points[0] = expression.Point{Value: math.NaN(), Age: expression.MaxAge}
	for text, want := range map[string]error{
		`point("a").value > 2`:                                  expression.ErrMissing,
		`point("a").value <= 2`:                                 expression.ErrMissing,
		`not (point("a").value > 2)`:                            expression.ErrMissing,
		`point("a").value / 2 + 1 > 0`:                          expression.ErrMissing, // And not that the result of / is no number.
		`max(point("a").value, 3) > 2`:                          expression.ErrMissing,
		`value in [1, point("a").value]`:                        expression.ErrMissing,
		`point("a").age < 60 and point("a").value > 2`:          nil,
		`(point("a").age < 60 ? point("a").value : 7) == 7`:     nil,
		`point("a").age / 3600 == 24 or point("a").value > 2`:   nil,
		`value > 2 or point("a").value > 2`:                     nil,
		`point("a").value > 2 or value > 2`:                     expression.ErrMissing,
		`metadata.battery_level < 2 and point("a").value > 2`:   nil,
		`point("a").age > 0 ? value < 2 : point("a").value > 2`: nil,
		`point("a").age >= 86400 and point("b").age == 100`:     nil,
	} {
		program, err := expression.Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := program.Run(&in); err != want {
			t.Errorf("%s: got %v, want %v", text, err, want)
		}
	}
	program, err := expression.Compile(`point("a").value + value / 0 > 1`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = program.Run(&in); err != expression.ErrMissing {
		t.Errorf("got %v, want that the point is missing", err)
	}
}

func TestRunningAllocatesNothing(t *testing.T) {
	program, err := expression.Compile(`labels.line in ["a", "test"] and area startsWith "A" and (value - average) / max(elapsed, 1) > 2`)
	if err != nil {
		t.Fatal(err)
	}
	in := input
	if n := testing.AllocsPerRun(1000, func() { program.Run(&in) }); n >= 1 { //nolint:errcheck // It has no calculation that fails.
		t.Errorf("got %v allocations, want none", n)
	}
}

func BenchmarkRun(b *testing.B) {
	for _, text := range []string{
		`value > 28`,
		`value > threshold && previous <= threshold`,
		`labels.line == "test" ? value > 50 : (value - previous) / elapsed > 5 && area startsWith "A"`,
		`value - point("a").value > 5 && point("a").age < 10`,
	} {
		b.Run(text, func(b *testing.B) {
			program, err := expression.Compile(text)
			if err != nil {
				b.Fatal(err)
			}
			in := input
			b.ReportAllocs()
			for b.Loop() {
				program.Run(&in) //nolint:errcheck // As above.
			}
		})
		b.Run("library/"+text, func(b *testing.B) {
			program, err := expr.Compile(text, expr.Env(&library{}), expr.AsBool())
			if err != nil {
				b.Fatal(err)
			}
			in := toLibrary(&input, []string{"a"})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := expr.Run(program, in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
