package alert

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"iotmon/internal/iot"
)

// label returns the name of a type for messages: Chinese, as in the product's description, if there is one.
func label(spec *iot.TypeSpec) string {
	for _, language := range []string{"zh", "en"} {
		if name := spec.Labels[language]; name != "" {
			return name
		}
	}
	return string(spec.Name)
}

// maxMessage is the maximum length in bytes of a message: what placeholders stand for is longer than they are.
const maxMessage = 512

// placeholders are what stands in braces in a rule's texts for something of the reading or the rule.
var placeholders = []string{"device", "type", "area", "alert_type", "value", "threshold", "unit", "limit"}

// mark matches what looks like a placeholder. Other text in braces stays as it is.
var mark = regexp.MustCompile(`\{[A-Za-z_]+\}`)

// CheckText returns an error, an *iot.InvalidError of the field, that says where a text of a rule has a placeholder that there is not.
func CheckText(field, text string) error {
	for _, at := range mark.FindAllStringIndex(text, -1) {
		if found := text[at[0]:at[1]]; !slices.Contains(placeholders, found[1:len(found)-1]) {
			return iot.Invalid(field, "column %d: unknown placeholder %s; there are {%s}", utf8.RuneCountInString(text[:at[0]])+1, found, strings.Join(placeholders, "}, {"))
		}
	}
	return nil
}

// messages are the texts of one alert. en is empty if the rule has no English text and pages can word the violation themselves.
type messages struct{ zh, en string }

// messages returns the texts of the rule, or that of a violation as in the description: 温度超过阈值: 28.1°C > 28°C. value is what was judged.
//
// In the rule's texts the placeholders stand for what is of the reading and the rule; {value} is with its unit. A text in one language alone holds for
// both: it says more than the violation does.
func (set *Set) messages(rule *compiled, value float64, r *iot.Reading) messages {
	if rule.Text == "" && rule.TextEN == "" {
		return messages{zh: set.violation(rule, value, r), en: violationEN(rule, value, r)}
	}
	of := unit(&rule.Rule, r)
	values := [...]string{
		string(r.ID), string(r.Type), string(r.Location.Area()), rule.Name,
		quantity(value, of), quantity(threshold(&rule.Rule), of), r.Unit, quantity(rule.Limit, r.Unit),
	}
	var pairs []string
	for i, name := range placeholders {
		pairs = append(pairs, "{"+name+"}", values[i])
	}
	words := strings.NewReplacer(pairs...)
	return messages{zh: shorten(words.Replace(cmp.Or(rule.Text, rule.TextEN))), en: shorten(words.Replace(cmp.Or(rule.TextEN, rule.Text)))}
}

func shorten(text string) string {
	if len(text) > maxMessage {
		return strings.ToValidUTF8(text[:maxMessage], "")
	}
	return text
}

// unit returns the unit of what the rule judges.
func unit(rule *iot.Rule, r *iot.Reading) string {
	switch {
	case rule.Counts():
		return ""
	case rule.Kind == iot.NoData:
		return "s"
	}
	return r.Unit
}

// threshold returns what the rule compares with: for NoData, seconds.
func threshold(rule *iot.Rule) float64 {
	if rule.Kind == iot.NoData {
		return rule.Within.Seconds()
	}
	return rule.Threshold
}

// violationEN says in English how the rule is violated, if pages cannot from the fields of the alert; otherwise it is empty.
func violationEN(rule *compiled, value float64, r *iot.Reading) string {
	switch rule.Kind {
	case iot.NoData:
		return fmt.Sprintf("No data from %s for %s", r.ID, rule.Within)
	case iot.Expression:
		return fmt.Sprintf("%s is true: %s", shortened(rule.Expression), quantity(value, r.Unit))
	}
	return ""
}

// shortened returns the beginning of an expression, in one line.
func shortened(expression string) string {
	const most = 200
	expression = strings.Join(strings.Fields(expression), " ")
	if len(expression) <= most {
		return expression
	}
	return strings.ToValidUTF8(expression[:most], "") + "…"
}

// violation says in Chinese how the rule is violated.
func (set *Set) violation(rule *compiled, value float64, r *iot.Reading) string {
	of := unit(&rule.Rule, r)
	judged, threshold := quantity(value, of), quantity(threshold(&rule.Rule), of)
	beyond := "高于 "
	if rule.Below {
		beyond = "低于 "
	}
	beyond += quantity(rule.Limit, r.Unit)
	switch rule.Kind {
	case iot.Rise:
		return fmt.Sprintf("%s上升过快: %s, %s内上升超过 %s", set.label, judged, rule.Within, threshold)
	case iot.Fall:
		return fmt.Sprintf("%s下降过快: %s, %s内下降超过 %s", set.label, judged, rule.Within, threshold)
	case iot.Stuck:
		return fmt.Sprintf("%s数值不变: %s, 已持续 %s", set.label, judged, rule.Within)
	case iot.NoData:
		return fmt.Sprintf("无数据: %s 已超过 %s 没有上报", r.ID, rule.Within)
	case iot.Expression:
		return fmt.Sprintf("%s满足条件 %s: %s", set.label, shortened(rule.Expression), judged)
	case iot.Count:
		return fmt.Sprintf("%s%s内%s的次数过多: %s > %s", set.label, rule.Within, beyond, judged, threshold)
	case iot.Fraction:
		return fmt.Sprintf("%s%s内%s的比例过高: %s > %s", set.label, rule.Within, beyond, judged, threshold)
	case iot.OfLast:
		return fmt.Sprintf("%s最近 %d 个数值中%s的过多: %s > %s", set.label, rule.Last, beyond, judged, threshold)
	}
	name := map[iot.ConditionKind]string{iot.Average: "平均值", iot.Maximum: "最大值", iot.Minimum: "最小值"}[rule.Kind]
	if name != "" {
		name = rule.Within.String() + "内" + name
	}
	if rule.Below {
		return fmt.Sprintf("%s%s低于阈值: %s < %s", set.label, name, judged, threshold)
	}
	return fmt.Sprintf("%s%s超过阈值: %s > %s", set.label, name, judged, threshold)
}

func offlineMessage(r *iot.Reading) string { return "设备离线: " + string(r.ID) }

func quantity(value float64, unit string) string {
	return strconv.FormatFloat(value, 'f', -1, 64) + unit
}
