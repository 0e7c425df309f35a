package wire

import (
	"time"

	"iotmon/internal/iot"
)

// DecodeGeneral is the general decoder alone, to hold the fast one against.
func DecodeGeneral(data []byte, r *iot.Reading) error {
	if len(data) > MaxMessage {
		return iot.Invalid("", "longer than %d bytes (got %d)", MaxMessage, len(data))
	}
	return new(Decoder).decodeGeneral(data, r)
}

// StateGeneral is the general decoder of a device state alone.
func StateGeneral(data []byte) (iot.DeviceState, error) { return new(Decoder).stateGeneral(data) }

// AlertGeneral is the general decoder of an alert alone.
func AlertGeneral(data []byte) (iot.Alert, error) { return alertGeneral(data) }

// The texts of times and numbers, to hold against the standard library's.
var (
	AppendTime   = appendTime
	AppendFloat  = appendFloat
	AppendString = appendString
)

func ParseRFC3339(text []byte, dst *time.Time) bool {
	return parseUTC(text, dst) || parseTime(text, dst)
}

func ParseFloat(text []byte, dst *float64) bool {
	sc := scanner{text: text}
	return sc.float(dst) && sc.at == len(text)
}
