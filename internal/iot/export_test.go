package iot

// The checks of texts, for tests of each alone.
var (
	Canonical     = canonical
	NormalizeText = normalizeText
	NormalizeID   = normalizeID
)
