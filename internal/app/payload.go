package app

import (
	"encoding/json"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
)

// decodeJSON decodes a payload that is a number, true, false or a text, whose field is value, or an object of those.
func decodeJSON(m *source.Message, points []mapping.Point) ([]mapping.Point, error) {
	var decoded any
	if err := json.Unmarshal(m.Payload, &decoded); err != nil {
		return points, iot.Invalid("", "not JSON: %v", err)
	}
	object, ok := decoded.(map[string]any)
	if !ok {
		object = map[string]any{"value": decoded}
	}
	for field, value := range object {
		point := mapping.Point{Field: field}
		switch value := value.(type) {
		case float64:
			point.Value = value
		case bool:
			point.ValueText = map[bool]string{true: "true", false: "false"}[value]
		case string:
			point.ValueText = value
		default:
			continue
		}
		points = append(points, point)
	}
	return points, nil
}
