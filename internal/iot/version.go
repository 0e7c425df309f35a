package iot

// MaxVersion is the highest version of a registry entry or a rule, and the highest revision of settings: the highest whole number that
// every reader of JSON holds exactly, 2^53-1.
const MaxVersion = 1<<53 - 1

// normalizeVersion checks a version by itself.
func normalizeVersion(version int64) error {
	if version < 1 || version > MaxVersion {
		return Invalid("version", "must be at least 1 and at most %d (got %d)", int64(MaxVersion), version)
	}
	return nil
}

// CheckNextVersion returns an *InvalidError about the field if a version must not follow the one in force, which is 0 if there is none. A
// version may skip at most half of those that are left. So no program, whatever it writes again and again, leaves an object without
// a higher version for the next decision.
func CheckNextVersion(field string, next, inForce int64) error {
	left := MaxVersion - max(inForce, 0)
	if next <= inForce || next-inForce <= left-left/2 {
		return nil
	}
	return Invalid(field, "too far above the one in force, %d (got %d)", inForce, next)
}
