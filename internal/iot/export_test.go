package iot

// What the texts of readings are held against in tests.
var (
	Canonical     = canonical
	NormalizeText = normalizeText
	NormalizeID   = normalizeID
)
