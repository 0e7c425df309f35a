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

// message returns the text of a violation as in the description: 温度超过阈值: 28.1°C > 28°C.
func (e *Engine) message(rule *iot.Rule, r *iot.Reading) string {
	if rule.Name == iot.RuleOffline {
		return "设备离线: " + string(r.ID)
	}
	verb, sign := "超过", ">"
	if rule.Below {
		verb, sign = "低于", "<"
	}
	return fmt.Sprintf("%s%s阈值: %s %s %s", e.labels[r.Type], verb, quantity(r.Value, r.Unit), sign, quantity(rule.Threshold, r.Unit))
}

func quantity(value float64, unit string) string {
	return strconv.FormatFloat(value, 'f', -1, 64) + unit
}
