package performance

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/bytedance/sonic"
	gojson "github.com/goccy/go-json"
	jsoniter "github.com/json-iterator/go"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// canonical is a reading with all its fields, as the description has it.
const canonical = `{"device_id":"temperature_sensor_001","device_type":"temperature_sensor","timestamp":"2024-01-30T10:30:00.123456Z",` +
	`"value":25.6,"unit":"°C","location":{"building":"A栋","floor":1,"room":"101"},"status":"online",` +
	`"metadata":{"model":"DHT22","firmware":"1.2.3","battery_level":95}}`

// reading is the struct for general decoders, with the names of the message.
type reading struct {
	DeviceID   string    `json:"device_id"`
	DeviceType string    `json:"device_type"`
	Timestamp  time.Time `json:"timestamp"`
	Value      float64   `json:"value"`
	Unit       string    `json:"unit"`
	Location   struct {
		Building string `json:"building"`
		Floor    int    `json:"floor"`
		Room     string `json:"room"`
	} `json:"location"`
	Status   string `json:"status"`
	Metadata struct {
		Model    string  `json:"model"`
		Firmware string  `json:"firmware"`
		Battery  float64 `json:"battery_level"`
	} `json:"metadata"`
}

// BenchmarkDecode decodes one reading. Only the product's own decoder also checks and interns the fields.
func BenchmarkDecode(b *testing.B) {
	text := []byte(canonical)
	into := func(decode func([]byte, any) error) func() error {
		return func() error {
			var r reading
			return decode(text, &r)
		}
	}
	decoder := wire.NewDecoder()
	var own iot.Reading
	for _, with := range []struct {
		name   string
		decode func() error
	}{
		{"iotmon", func() error { return decoder.Decode(text, &own) }},
		{"encoding-json", into(json.Unmarshal)},
		{"go-json", into(gojson.Unmarshal)},
		{"jsoniter", into(jsoniter.ConfigCompatibleWithStandardLibrary.Unmarshal)},
		{"sonic", into(sonic.ConfigStd.Unmarshal)},
	} {
		b.Run(with.name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if err := with.decode(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
