package wire

import (
	"bytes"
	"time"

	"iotmon/internal/iot"
)

// AppendPeersKey appends the Kafka key of peers: tenant, type and area, with a separator between them.
func AppendPeersKey(dst []byte, peers iot.Peers) []byte {
	dst = append(append(dst, peers.Tenant...), separator)
	dst = append(append(dst, peers.Type...), separator)
	return append(dst, peers.Area...)
}

// DecodePeersKey decodes what AppendPeersKey wrote. The error is an *iot.InvalidError.
func DecodePeersKey(key []byte) (iot.Peers, error) {
	parts := bytes.Split(key, []byte{separator})
	if len(parts) != 3 {
		return iot.Peers{}, iot.Invalid("peers", "must be a tenant, a type and an area (got %s)", iot.Quote(string(key)))
	}
	peers := iot.Peers{Tenant: iot.Tenant(parts[0]), Type: iot.DeviceType(parts[1]), Area: iot.Area(parts[2])}
	if err := peers.Normalize(); err != nil {
		return iot.Peers{}, err
	}
	return peers, nil
}

// AppendReferenceKey appends the key under which the reference of peers is kept in partition-state.
func AppendReferenceKey(dst []byte, peers iot.Peers) []byte {
	return AppendPeersKey(appendKeyOf(dst, ReferenceInForce), peers)
}

// reference is the JSON of a reference record.
type reference struct {
	Median  float64   `json:"median"`
	Devices int       `json:"devices"`
	Newest  time.Time `json:"newest"`
	// For is in microseconds.
	For int64 `json:"for_us"`
}

func toReference(r *iot.Reference) reference {
	return reference{r.Median, r.Devices, r.Newest, r.For.Microseconds()}
}

func (m *reference) reference() (iot.Reference, error) {
	if err := checkTimes(m.Newest); err != nil {
		return iot.Reference{}, iot.Invalid("newest", "%v", err)
	}
	lasts, err := microseconds("for", m.For)
	if err != nil {
		return iot.Reference{}, err
	}
	r := iot.Reference{Median: m.Median, Devices: m.Devices, Newest: m.Newest, For: lasts}
	if err := r.Normalize(); err != nil {
		return iot.Reference{}, err
	}
	return r, nil
}

// AppendReference appends the JSON of a reference.
func AppendReference(dst []byte, r *iot.Reference) []byte { return appendJSON(dst, toReference(r)) }

// DecodeReference decodes what AppendReference wrote. The error is an *iot.InvalidError.
func DecodeReference(data []byte) (iot.Reference, error) {
	var m reference
	if err := decodeObject(data, MaxMessage, &m); err != nil {
		return iot.Reference{}, err
	}
	return m.reference()
}

type referenceInForce struct {
	reference
	iot.Position
}

// AppendReferenceInForce appends the JSON of a reference that is in force.
func AppendReferenceInForce(dst []byte, r *iot.ReferenceInForce) []byte {
	return appendJSON(dst, referenceInForce{toReference(&r.Reference), r.Position})
}

// DecodeReferenceInForce decodes what AppendReferenceInForce wrote. The error is an *iot.InvalidError.
func DecodeReferenceInForce(data []byte) (iot.ReferenceInForce, error) {
	var m referenceInForce
	if err := decodeObject(data, MaxRecord, &m); err != nil {
		return iot.ReferenceInForce{}, err
	}
	r, err := m.reference.reference()
	if err != nil {
		return iot.ReferenceInForce{}, err
	}
	return iot.ReferenceInForce{Reference: r, Position: m.Position}, nil
}
