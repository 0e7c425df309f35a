package wire

import "bytes"

// SummaryVersion says which window a summary is of, and how new it is, as far as the text tells without being decoded.
type SummaryVersion struct {
	// Window names the window, with the partition and the epoch of its log. It points into the text.
	Window []byte
	Offset int64
	Final  bool
}

// Newer reports whether a summary of the same window tells more than another: the higher position does, at equal position
// the final one.
func (v SummaryVersion) Newer(than SummaryVersion) bool {
	if v.Offset != than.Offset {
		return v.Offset > than.Offset
	}
	return v.Final || !than.Final
}

// PeekSummary returns the version of what AppendWindowSummary wrote. It is false for late marks and corrections, of which each counts, and
// for whatever does not look like that.
func PeekSummary(data []byte) (SummaryVersion, bool) {
	at := bytes.Index(data, []byte(`,"position":`))
	if at < 0 {
		return SummaryVersion{}, false
	}
	v := SummaryVersion{Window: data[:at]}
	c := cursor{text: data, at: at + len(`,"position":`)}
	if !integer(&c, &v.Offset) {
		return SummaryVersion{}, false
	}
	switch {
	case c.literal(`,"final":true,"count"`):
		v.Final = true
		return v, true
	case c.literal(`,"final":false,"count"`):
		return v, true
	default:
		return SummaryVersion{}, false
	}
}
