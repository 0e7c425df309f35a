package alert

import "iotmon/internal/iot"

// Messages returns the texts, in Chinese and in English, of the alert of the only rule of an engine, for a device that is not registered. A
// median is half of the value.
func Messages(e *Engine, r *iot.Reading, value float64) (zh, en string) {
	set := e.Select(new(Selection), nil, r)
	for _, rules := range [...][]compiled{set.rules, set.silence} {
		for i := range rules {
			m := set.messages(&rules[i], judgement{value: value, median: value / 2}, r)
			return m.zh, m.en
		}
	}
	return "", ""
}
