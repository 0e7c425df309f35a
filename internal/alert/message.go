package alert

import (
	"fmt"
	"strconv"

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

// message returns the rule's text, or that of a violation as in the description: 温度超过阈值: 28.1°C > 28°C.
func (set *Set) message(rule *compiled, r *iot.Reading) string {
	if rule.Text != "" {
		return rule.Text
	}
	value, limit := quantity(r.Value, r.Unit), quantity(rule.Threshold, r.Unit)
	switch {
	case rule.Kind == iot.Rise:
		return fmt.Sprintf("%s上升过快: %s, %s内上升超过 %s", set.label, value, rule.Within, limit)
	case rule.Kind == iot.Fall:
		return fmt.Sprintf("%s下降过快: %s, %s内下降超过 %s", set.label, value, rule.Within, limit)
	case rule.Kind == iot.Stuck:
		return fmt.Sprintf("%s数值不变: %s, 已持续 %s", set.label, value, rule.Within)
	case rule.Below:
		return fmt.Sprintf("%s低于阈值: %s < %s", set.label, value, limit)
	default:
		return fmt.Sprintf("%s超过阈值: %s > %s", set.label, value, limit)
	}
}

func offlineMessage(r *iot.Reading) string { return "设备离线: " + string(r.ID) }

func quantity(value float64, unit string) string {
	return strconv.FormatFloat(value, 'f', -1, 64) + unit
}
