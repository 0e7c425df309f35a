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
		"modbus":    {Name: "a", Modbus: &config.Modbus{Address: "tcp://127.0.0.1", Registers: []config.ModbusRegister{{Address: "40001", Type: "float32", Order: "CDAB"}}}},
		"mqtt":      {Name: "a", MQTT: &config.MQTT{URL: "tcp://127.0.0.1:1883", Topics: []string{"a"}, KeepAlive: time.Second}},
		"sparkplug": {Name: "a", Sparkplug: &config.Sparkplug{URL: "tcp://127.0.0.1:1883", Groups: []string{"+"}}},
		"opcua":     {Name: "a", OPCUA: &config.OPCUA{Endpoint: "opc.tcp://127.0.0.1", Nodes: []config.OPCUANode{{Node: "ns=2;s=Temp"}}}},
	} {
		if p, err := newAdapter(&configured, nil, t.TempDir(), nil); err != nil || configured.Kind() != kind || p.adapter == nil {
			t.Errorf("%s: got %+v, %v", kind, p, err)
		}
	}
}

// The device of a register is that of its value, whatever the others are called.
func TestTheDeviceOfARegister(t *testing.T) {
	two := 2
	configured := &config.Source{Modbus: &config.Modbus{
		Registers: []config.ModbusRegister{{Address: "40001", Device: "a", DeviceType: "temperature_sensor"}, {Address: "40002", Name: "x"}},
		Units:     []config.ModbusUnit{{Unit: &two, Registers: []config.ModbusRegister{{Address: "40001", Device: "b/{unit}", DeviceType: "switch_sensor"}}}},
	}}
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := newMapping("test", implicitRules(configured), catalog)
	if err != nil {
		t.Fatal(err)
	}
	for unit, want := range map[string]string{"1": "a", "2": "b/2", "3": ""} {
		d, _, err := rules.Mapper().Device(&mapping.Point{Field: "holding/40001", Tags: map[string]string{"unit": unit, "address": "40001"}})
		if err != nil || string(d.ID) != want {
			t.Errorf("unit %s: got %q, %v, want %q", unit, d.ID, err, want)
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
		points, err := decodePayload(new(config.Source))(&source.Message{Payload: []byte(payload)}, nil)
		if err != nil || len(points) != 1 || points[0].Field != want.Field || points[0].Value != want.Value || points[0].ValueText != want.ValueText {
			t.Errorf("%s: got %+v, %v, want %+v", payload, points, err, want)
		}
	}
	_, err := decodePayload(new(config.Source))(&source.Message{Payload: []byte(`{"t":`)}, nil)
	if _, ok := err.(*iot.InvalidError); !ok {
		t.Errorf("got %v, want an error about the payload", err)
	}
}
