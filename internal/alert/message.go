package alert

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"iotmon/internal/iot"
)

// names are those of a type in messages.
type names messages

// namesOf returns the names of a type; in a language in which it has none, that on the wire or, in Chinese, the English one.
func namesOf(spec *iot.TypeSpec) names {
	en := cmp.Or(spec.Labels["en"], string(spec.Name))
	return names{zh: cmp.Or(spec.Labels["zh"], en), en: en}
}

// maxMessage is the maximum length in bytes of a message: what placeholders stand for is longer than they are.
const maxMessage = 512

// placeholders are what stands in braces in a rule's texts for something of the reading or the rule.
var placeholders = []string{"device", "type", "area", "alert_type", "value", "threshold", "unit", "limit", "median"}

// placeholdersOf returns those that apply to a condition. For the others there would be a zero in the text that nobody has given: they stay as they are in the
// texts of a rule that an older version has accepted.
func placeholdersOf(c *iot.Condition) []string {
	var names []string
	for _, name := range placeholders {
		if applies(c, name) {
			names = append(names, name)
		}
	}
	return names
}

func applies(c *iot.Condition, placeholder string) bool {
	switch placeholder {
	case "limit":
		return c.Counts()
	case "median":
		return c.Kind == iot.Deviation
	case "threshold":
		return c.Kind != iot.Expression || strings.Contains(c.Expression, "threshold")
	default:
		return true
	}
}

// mark matches what looks like a placeholder. Other text in braces stays as it is.
var mark = regexp.MustCompile(`\{[A-Za-z_]+\}`)

// CheckTexts returns an error, an *iot.InvalidError, that says where a text of the rule has a placeholder that does not apply to its condition, or a brace without
// the other one, which a placeholder was probably to have.
func CheckTexts(rule *iot.Rule) error {
	if err := checkText("text", rule.Text, &rule.Condition); err != nil {
		return err
	}
	return checkText("text_en", rule.TextEN, &rule.Condition)
}

func checkText(field, text string, c *iot.Condition) error {
	names := placeholdersOf(c)
	for _, at := range mark.FindAllStringIndex(text, -1) {
		if found := text[at[0]:at[1]]; !slices.Contains(names, found[1:len(found)-1]) {
			return iot.Invalid(field, "column %d: unknown placeholder %s; there are {%s}", column(text, at[0]), found, strings.Join(names, "}, {"))
		}
	}
	var open []int
	for at, r := range text {
		switch {
		case r == '{':
			open = append(open, at)
		case r == '}' && len(open) > 0:
			open = open[:len(open)-1]
		case r == '}':
			return iot.Invalid(field, "column %d: } without a { before it", column(text, at))
		}
	}
	if len(open) > 0 {
		return iot.Invalid(field, "column %d: { without a } behind it", column(text, open[len(open)-1]))
	}
	return nil
}

// column returns the column of the character at a place in a text, from 1.
func column(text string, at int) int { return utf8.RuneCountInString(text[:at]) + 1 }

// messages are the texts of one alert, in Chinese and in English.
type messages struct{ zh, en string }

// messages returns the texts of the rule, or those of a violation, in Chinese as in the description: 温度超过阈值: 28.1°C > 28°C.
//
// In the rule's texts the placeholders stand for what is of the device, the reading and the rule; {value} is with its unit. {area} is that by which rules
// select the device: the registry's or, without one, the reading's location. A text in one language alone holds for both: it says more than the violation
// does.
func (set *Set) messages(rule *compiled, judged judgement, r *iot.Reading) messages {
	if rule.Text == "" && rule.TextEN == "" {
		return set.violation(rule, judged, r).shorten()
	}
	fill := func(text string, quantity func(float64, string) string) string {
		of := unit(&rule.Rule, r)
		values := [...]string{
			string(r.ID), string(r.Type), string(cmp.Or(set.area, r.Location.Area())), rule.Name,
			quantity(judged.value, of), quantity(threshold(&rule.Rule), of), r.Unit, quantity(rule.Limit, r.Unit), quantity(rounded(judged.median), of),
		}
		var pairs []string
		for i, name := range placeholders {
			if applies(&rule.Condition, name) {
				pairs = append(pairs, "{"+name+"}", values[i])
			}
		}
		return strings.NewReplacer(pairs...).Replace(text)
	}
	zh, en := fill(rule.Text, iot.Quantity), fill(rule.TextEN, iot.QuantityEN)
	return messages{zh: cmp.Or(zh, en), en: cmp.Or(en, zh)}.shorten()
}

// namesArea reports whether the rule's texts depend on the device's area.
func namesArea(rule *iot.Rule) bool {
	return strings.Contains(rule.Text, "{area}") || strings.Contains(rule.TextEN, "{area}")
}

func (m messages) shorten() messages { return messages{zh: shorten(m.zh), en: shorten(m.en)} }

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

// shortened returns the beginning of an expression, in one line.
func shortened(expression string) string {
	const most = 200
	expression = strings.Join(strings.Fields(expression), " ")
	if len(expression) <= most {
		return expression
	}
	return strings.ToValidUTF8(expression[:most], "") + "…"
}

// violation says how the rule is violated, in both languages with the same facts.
func (set *Set) violation(rule *compiled, judgement judgement, r *iot.Reading) messages {
	of := unit(&rule.Rule, r)
	judged, threshold := quantities(judgement.value, of), quantities(threshold(&rule.Rule), of)
	limit, within := quantities(rule.Limit, r.Unit), spans(rule.Within)
	label, comparison := set.label, messages{judged.zh + " > " + threshold.zh, judged.en + " > " + threshold.en}
	beyond := messages{"高于 " + limit.zh, "above " + limit.en}
	if rule.Below {
		beyond = messages{"低于 " + limit.zh, "below " + limit.en}
	}
	switch rule.Kind {
	case iot.Rise:
		return messages{
			label.zh + "上升过快: " + judged.zh + ", " + within.zh + "内上升超过 " + threshold.zh,
			label.en + " rising too fast: " + judged.en + ", a rise by more than " + threshold.en + " within " + within.en,
		}
	case iot.Fall:
		return messages{
			label.zh + "下降过快: " + judged.zh + ", " + within.zh + "内下降超过 " + threshold.zh,
			label.en + " falling too fast: " + judged.en + ", a fall by more than " + threshold.en + " within " + within.en,
		}
	case iot.Stuck:
		return messages{label.zh + "数值不变: " + judged.zh + ", 已持续 " + within.zh, label.en + " unchanged: " + judged.en + " for " + within.en}
	case iot.Deviation:
		median := quantities(rounded(judgement.median), of)
		return messages{
			label.zh + "偏离同类设备: " + judged.zh + ", 同区域中位数 " + median.zh + ", 相差超过 " + threshold.zh,
			label.en + " unlike the others: " + judged.en + ", median of its area and type " + median.en + ", a difference by more than " + threshold.en,
		}
	case iot.NoData:
		return messages{"无数据: " + string(r.ID) + " 已超过 " + within.zh + "没有上报", "No data from " + string(r.ID) + " for more than " + within.en}
	case iot.Expression:
		expression := shortened(rule.Expression)
		return messages{label.zh + "满足条件 " + expression + ": " + judged.zh, label.en + " meets the condition " + expression + ": " + judged.en}
	case iot.Count:
		return messages{
			label.zh + within.zh + "内" + beyond.zh + " 的次数过多: " + comparison.zh, label.en + " too often " + beyond.en + " within " + within.en + ": " + comparison.en,
		}
	case iot.Fraction:
		return messages{
			label.zh + within.zh + "内" + beyond.zh + " 的比例过高: " + comparison.zh,
			label.en + " " + beyond.en + " in too large a part of " + within.en + ": " + comparison.en,
		}
	case iot.OfLast:
		last := iot.Number(float64(rule.Last))
		return messages{
			label.zh + "最近 " + last + " 个数值中" + beyond.zh + " 的过多: " + comparison.zh,
			label.en + " " + beyond.en + " in too many of the last " + last + " values: " + comparison.en,
		}
	}
	return set.beyond(rule, judged, threshold)
}

// beyond says that a value, or a statistic, is beyond the threshold.
func (set *Set) beyond(rule *compiled, judged, threshold messages) messages {
	what := messages(set.label)
	if name, any := statistics[rule.Kind]; any {
		within := spans(rule.Within)
		what = messages{what.zh + within.zh + "内" + name.zh, what.en + ", " + name.en + " of " + within.en + ","}
	}
	if rule.Below {
		return messages{what.zh + "低于阈值: " + judged.zh + " < " + threshold.zh, what.en + " below threshold: " + judged.en + " < " + threshold.en}
	}
	return messages{what.zh + "超过阈值: " + judged.zh + " > " + threshold.zh, what.en + " above threshold: " + judged.en + " > " + threshold.en}
}

var statistics = map[iot.ConditionKind]messages{iot.Average: {"平均值", "average"}, iot.Maximum: {"最大值", "maximum"}, iot.Minimum: {"最小值", "minimum"}}

// rounded returns a median with six digits: the mean of two values may have many more than they.
func rounded(median float64) float64 {
	short, err := strconv.ParseFloat(strconv.FormatFloat(median, 'g', 6, 64), 64)
	if err != nil {
		return median
	}
	return short
}

func quantities(value float64, unit string) messages {
	return messages{iot.Quantity(value, unit), iot.QuantityEN(value, unit)}
}

// spans says how long something takes: 1小时30分钟, 1 h 30 min.
func spans(d time.Duration) messages {
	var text messages
	for _, unit := range []struct {
		length time.Duration
		zh, en string
	}{{24 * time.Hour, "天", "d"}, {time.Hour, "小时", "h"}, {time.Minute, "分钟", "min"}} {
		if count := d / unit.length; count > 0 {
			text.zh += iot.Number(float64(count)) + unit.zh
			text.en += iot.Number(float64(count)) + " " + unit.en + " "
			d -= count * unit.length
		}
	}
	if d > 0 || text.zh == "" {
		text.zh += iot.Number(d.Seconds()) + "秒"
		text.en += iot.Number(d.Seconds()) + " s"
	}
	text.en = strings.TrimSuffix(text.en, " ")
	return text
}

func offlineMessage(r *iot.Reading) messages {
	return messages{"设备离线: " + string(r.ID), "Device offline: " + string(r.ID)}
}
