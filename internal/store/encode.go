// Package store is what the stores have in common: the encoding of a reading's flags, an exact sum and a list of alerts in
// a row, and the thinning of a long history.
package store

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"

	"iotmon/internal/archive"
	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// The bits of a reading's flags.
const (
	flagUncertain = 1 << iota
	flagBad
	flagOffline
	flagHistorical
	// areaShift is how many bits are below the id of the area.
	areaShift = iota
)

// QualityBits are the bits of a reading's flags that Quality needs: the lowest two.
const QualityBits = flagUncertain | flagBad

// The ids of areas fit, with the other flags, into a column of 16 bits.
const (
	// LastArea is the highest id of a row of areas; id 0 means an unknown area.
	LastArea = OtherArea - 1
	// OtherArea means an area without a row, because there are LastArea of them already.
	OtherArea = 1<<(15-areaShift) - 1
)

// Flags packs the quality, the status and the mark Historical of a reading, and the id of its area.
func Flags(r *archive.Reading, area int64) int64 {
	bits := area << areaShift
	switch r.Quality {
	case iot.Uncertain:
		bits |= flagUncertain
	case iot.Bad:
		bits |= flagBad
	}
	if r.Status == iot.Offline {
		bits |= flagOffline
	}
	if r.Historical {
		bits |= flagHistorical
	}
	return bits
}

// Quality returns the quality in the flags.
func Quality(bits int64) iot.Quality {
	switch {
	case bits&flagBad != 0:
		return iot.Bad
	case bits&flagUncertain != 0:
		return iot.Uncertain
	default:
		return iot.Good
	}
}

// EncodeAlerts returns a JSON array of alerts, each as on the topic of alerts.
func EncodeAlerts(alerts []iot.Alert) string {
	text := []byte{'['}
	for i := range alerts {
		if i > 0 {
			text = append(text, ',')
		}
		text = wire.AppendAlert(text, &alerts[i])
	}
	return string(append(text, ']'))
}

// DecodeAlerts decodes what EncodeAlerts has encoded.
func DecodeAlerts(text string) ([]iot.Alert, error) {
	var messages []json.RawMessage
	if err := json.Unmarshal([]byte(text), &messages); err != nil {
		return nil, err
	}
	alerts := make([]iot.Alert, len(messages))
	for i, message := range messages {
		var err error
		if alerts[i], err = wire.DecodeAlert(message); err != nil {
			return nil, err
		}
	}
	return alerts, nil
}

// hugeFollows separates the terms of a sum from its scaled huge terms. No term is infinite.
var hugeFollows = math.Inf(1)

// EncodeSum encodes the terms of an exact sum as little-endian float64s; no term is 0.
func EncodeSum(s iot.Sum) []byte {
	terms, huge := s.Terms()
	blob := make([]byte, 0, 8*(len(terms)+len(huge)+1))
	blob = appendTerms(blob, terms)
	if len(huge) > 0 {
		blob = appendTerms(appendTerms(blob, []float64{hugeFollows}), huge)
	}
	return blob
}

func appendTerms(blob []byte, terms []float64) []byte {
	for _, term := range terms {
		blob = binary.LittleEndian.AppendUint64(blob, math.Float64bits(term))
	}
	return blob
}

// DecodeSum decodes what EncodeSum has encoded.
func DecodeSum(blob []byte) iot.Sum {
	terms := make([]float64, 0, len(blob)/8)
	for ; len(blob) >= 8; blob = blob[8:] {
		terms = append(terms, math.Float64frombits(binary.LittleEndian.Uint64(blob)))
	}
	if i := slices.Index(terms, hugeFollows); i >= 0 {
		return iot.SumOfTerms(terms[:i], terms[i+1:])
	}
	return iot.SumOfTerms(terms, nil)
}
