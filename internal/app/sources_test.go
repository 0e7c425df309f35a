package app

import (
	"testing"
	"time"

	"iotmon/internal/config"
	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
)

func TestEachProtocolHasAnAdapter(t *testing.T) {
	for kind, configured := range map[string]config.Source{
		"mqtt": {Name: "a", MQTT: &config.MQTT{URL: "tcp://127.0.0.1:1883", Topics: []string{"a"}, KeepAlive: time.Second}},
	} {
		if p, err := newAdapter(&configured); err != nil || p.kind != kind || p.adapter == nil {
			t.Errorf("%s: got %+v, %v", kind, p, err)
		}
	}
}

func TestAPayloadOfJSONIsItsValues(t *testing.T) {
	for payload, want := range map[string]mapping.Point{
		`21.5`:        {Field: "value", Value: 21.5},
		`"ON"`:        {Field: "value", ValueText: "ON"},
		`{"t": 3}`:    {Field: "t", Value: 3},
		`{"on":true}`: {Field: "on", ValueText: "true"},
	} {
		points, err := decodeJSON(&source.Message{Payload: []byte(payload)}, nil)
		if err != nil || len(points) != 1 || points[0].Field != want.Field || points[0].Value != want.Value || points[0].ValueText != want.ValueText {
			t.Errorf("%s: got %+v, %v, want %+v", payload, points, err, want)
		}
	}
	_, err := decodeJSON(&source.Message{Payload: []byte("21 °C")}, nil)
	if _, ok := err.(*iot.InvalidError); !ok {
		t.Errorf("got %v, want an error about the payload", err)
	}
}
