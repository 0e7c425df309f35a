package wire

import (
	"bytes"

	"iotmon/internal/iot"
)

// deviceAreas is the JSON of an iot.DeviceAreas on topic aggregates.
type deviceAreas struct {
	Areas    []areaFrom   `json:"device_areas"`
	Tenant   iot.Tenant   `json:"tenant,omitempty"`
	DeviceID iot.DeviceID `json:"device_id"`
	iot.Position
}

// areasBegin is how the JSON of the areas of a device begins, and no summary does.
var areasBegin = []byte(`{"device_areas":`)

// AppendDeviceAreas appends the JSON of the areas of a device.
func AppendDeviceAreas(dst []byte, d *iot.DeviceAreas) []byte {
	return appendJSON(dst, deviceAreas{Areas: toAreas(d.Areas), Tenant: d.Tenant, DeviceID: d.ID, Position: d.Position})
}

// IsDeviceAreas reports whether a record of topic aggregates is what AppendDeviceAreas wrote, and not a summary.
func IsDeviceAreas(data []byte) bool { return bytes.HasPrefix(data, areasBegin) }

// DecodeDeviceAreas decodes what AppendDeviceAreas wrote. The error is an *iot.InvalidError.
func DecodeDeviceAreas(data []byte) (iot.DeviceAreas, error) {
	var m deviceAreas
	if err := decodeObject(data, MaxRecord, &m); err != nil {
		return iot.DeviceAreas{}, err
	}
	d := iot.DeviceAreas{Identity: iot.Identity{Tenant: m.Tenant, ID: m.DeviceID}, Areas: fromAreas(m.Areas), Position: m.Position}
	return d, d.Normalize()
}

func toAreas(areas iot.Areas) []areaFrom {
	messages := make([]areaFrom, len(areas))
	for i, a := range areas {
		messages[i] = areaFrom(a)
	}
	return messages
}

func fromAreas(messages []areaFrom) iot.Areas {
	var areas iot.Areas
	for _, a := range messages {
		areas = append(areas, iot.AreaFrom(a))
	}
	return areas
}
