package alert

import (
	"math"

	"iotmon/internal/iot"
)

// References knows the medians that rules of the kind Deviation compare values with.
type References interface {
	// Reference returns the median of peers that a reading of one of them is compared with; false if there is none: the reading is not judged.
	Reference(peers iot.Peers, r *iot.Reading) (median float64, ok bool)
}

// JudgeBy sets what rules of the kind Deviation compare values with. Without it they judge nothing. Call it before anything is evaluated.
func (e *Engine) JudgeBy(references References) { e.references = references }

// Deviates reports whether a rule of the kind Deviation is not disabled.
func (e *Engine) Deviates() bool { return e.deviates }

// reference returns the median that a reading of a device with the set is compared with; false if there is none.
func (e *Engine) reference(set *Set, r *iot.Reading) (median float64, ok bool) {
	if e.references == nil {
		return 0, false
	}
	return e.references.Reference(set.peers, r)
}

// byPeers reports whether what the rule judges depends on other devices of the same area.
func (rule *compiled) byPeers() bool {
	return rule.Kind == iot.Deviation || rule.program != nil && len(rule.program.Points()) > 0
}

// moved reports whether the device is in another area than when an alert was raised by the other devices there. By those of now nobody can say whether that
// alert is over: there may be no median, or none of the points, for ever.
func (set *Set) moved(raised *iot.Alert) bool {
	area := raised.Area
	if area == "" {
		area = raised.Location.Area()
	}
	return area != set.peers.Area
}

// deviation judges how far a value is from the median, on either side.
func deviation(c *iot.Condition, value, median float64) judgement {
	judged := judgement{Between, value, median}
	switch distance := math.Abs(value - median); {
	case distance > c.Threshold:
		judged.Verdict = Violated
	case distance <= c.Threshold-c.Hysteresis:
		judged.Verdict = Safe
	}
	return judged
}
