package wire

import (
	"time"

	"iotmon/internal/iot"
)

// parentStatus is the JSON of iot.Outage.Silent.
type parentStatus string

const (
	parentSilent   parentStatus = "silent"
	parentReturned parentStatus = "returned"
)

func toParentStatus(silent bool) parentStatus {
	if silent {
		return parentSilent
	}
	return parentReturned
}

func (s parentStatus) silent() (bool, error) {
	if s != parentSilent && s != parentReturned {
		return false, iot.Invalid("status", "must be silent or returned (got %s)", iot.Quote(string(s)))
	}
	return s == parentSilent, nil
}

// outage is the JSON of an outage record.
type outage struct {
	Status parentStatus `json:"status"`
	// For is in microseconds.
	For      int64        `json:"for_us,omitempty"`
	Evidence iot.Position `json:"evidence"`
}

// AppendOutage appends the JSON of an outage.
func AppendOutage(dst []byte, o *iot.Outage) []byte {
	return appendJSON(dst, outage{toParentStatus(o.Silent), o.For.Microseconds(), o.Evidence})
}

// DecodeOutage decodes what AppendOutage wrote. The error is an *iot.InvalidError.
func DecodeOutage(data []byte) (iot.Outage, error) {
	var m outage
	if err := decodeObject(data, MaxMessage, &m); err != nil {
		return iot.Outage{}, err
	}
	lasts, err := microseconds("for", m.For)
	if err != nil {
		return iot.Outage{}, err
	}
	silent, err := m.Status.silent()
	if err != nil {
		return iot.Outage{}, err
	}
	o := iot.Outage{Silent: silent, For: lasts, Evidence: m.Evidence}
	if err := o.Normalize(); err != nil {
		return iot.Outage{}, err
	}
	return o, nil
}

type outageInForce struct {
	Status   parentStatus `json:"status"`
	Evidence iot.Position `json:"evidence"`
	Since    time.Time    `json:"since"`
	Until    time.Time    `json:"until"`
	iot.Position
}

// AppendOutageInForce appends the JSON of an outage that is in force.
func AppendOutageInForce(dst []byte, o *iot.OutageInForce) []byte {
	return appendJSON(dst, outageInForce{toParentStatus(o.Silent), o.Evidence, o.Since, o.Until, o.Position})
}

// DecodeOutageInForce decodes what AppendOutageInForce wrote. The error is an *iot.InvalidError.
func DecodeOutageInForce(data []byte) (iot.OutageInForce, error) {
	var m outageInForce
	if err := decodeObject(data, MaxRecord, &m); err != nil {
		return iot.OutageInForce{}, err
	}
	if err := checkTimes(m.Since, m.Until); err != nil {
		return iot.OutageInForce{}, iot.Invalid("until", "%v", err)
	}
	silent, err := m.Status.silent()
	if err != nil {
		return iot.OutageInForce{}, err
	}
	o := iot.OutageInForce{Silent: silent, Evidence: m.Evidence, Since: m.Since.UTC(), Until: m.Until.UTC(), Position: m.Position}
	if err := o.Normalize(); err != nil {
		return iot.OutageInForce{}, err
	}
	return o, nil
}
