package alert

import "iotmon/internal/iot"

// CheckClears returns an error, an *iot.InvalidError, if the hysteresis of a rule keeps its alerts open for ever: no value of its type lies so far on the safe
// side. It is for a rule that somebody decides now. One that has been decided before stays in force.
func CheckClears(rule *iot.Rule, catalog *iot.Catalog) error {
	spec := catalog.Spec(rule.Type)
	if spec == nil {
		return nil
	}
	switch c := &rule.Condition; c.Kind {
	case iot.Threshold, iot.Average, iot.Maximum, iot.Minimum:
		return checkClears(spec, c.Threshold, c.Hysteresis, c.Below)
	case iot.LevelLimits:
		parts := rule.Parts()
		for i := range parts {
			if err := checkClears(spec, parts[i].Threshold, parts[i].Hysteresis, parts[i].Below); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkClears(spec *iot.TypeSpec, threshold, hysteresis float64, below bool) error {
	switch {
	case threshold < spec.Min || threshold > spec.Max:
		return nil // It is not the hysteresis that is wrong.
	case below && threshold+hysteresis > spec.Max:
		return iot.Invalid("hysteresis", "an alert could never clear: %s ends at %v, and %v more than %v would be %v", spec.Name, spec.Max, hysteresis, threshold, threshold+hysteresis)
	case !below && threshold-hysteresis < spec.Min:
		return iot.Invalid("hysteresis", "an alert could never clear: %s begins at %v, and %v less than %v would be %v", spec.Name, spec.Min, hysteresis, threshold, threshold-hysteresis)
	}
	return nil
}
