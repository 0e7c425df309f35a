package wire

import "bytes"

// SummaryVersion is the window and the version of a summary, read from its text without decoding.
type SummaryVersion struct {
	// Window identifies type, window, partition and epoch. It points into the text.
	Window []byte
	Offset int64
	Final  bool
}

// Newer reports whether a summary replaces another of the same window: the higher position wins, at equal positions the
// final one.
func (v SummaryVersion) Newer(than SummaryVersion) bool {
	if v.Offset != than.Offset {
		return v.Offset > than.Offset
	}
	return v.Final || !than.Final
}

// PeekSummary returns the version of a summary that AppendWindowSummary wrote. It returns false for late marks and
// corrections, which never replace one another, and for any other text.
func PeekSummary(data []byte) (SummaryVersion, bool) {
	at := bytes.Index(data, []byte(`,"position":`))
	if at < 0 {
		return SummaryVersion{}, false
	}
	v := SummaryVersion{Window: data[:at]}
	sc := scanner{text: data, at: at + len(`,"position":`)}
	if !integer(&sc, &v.Offset) {
		return SummaryVersion{}, false
	}
	switch {
	case sc.literal(`,"final":true,"count"`):
		v.Final = true
		return v, true
	case sc.literal(`,"final":false,"count"`):
		return v, true
	default:
		return SummaryVersion{}, false
	}
}
