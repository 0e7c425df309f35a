package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"iotmon/internal/source/modbus"
)

func TestAddressesOfRegisters(t *testing.T) {
	for _, test := range []struct {
		address Word
		kind    string
		want    string
		offset  int
		field   string
	}{
		{"40001", "", "holding", 0, "holding/40001"},
		{"40001", "holding", "holding", 0, "holding/40001"},
		{"30108", "", "input", 107, "input/30108"},
		{"465536", "", "holding", 65535, "holding/465536"},
		{"10033", "", "discrete", 32, "discrete/10033"},
		{"00017", "", "coil", 16, "coil/00017"},
		{"holding/0", "", "holding", 0, "holding/0"},
		{"input/0x1F", "input", "input", 31, "input/0x1F"},
		{"40001", "input", "", 0, ""},
		{"40000", "", "", 0, ""},
		{"465537", "", "", 0, ""},
		{"20001", "", "", 0, ""},
		{"100", "holding", "", 0, ""},
		{"holding/65536", "", "", 0, ""},
		{"holding/-1", "", "", 0, ""},
		{"register/1", "", "", 0, ""},
		{"", "holding", "", 0, ""},
	} {
		r := ModbusRegister{Address: test.address, Kind: test.kind}
		kind, offset, ok := r.Place()
		if ok != (test.want != "") || ok && (kind != test.want || offset != test.offset || r.Field() != test.field) {
			t.Errorf("%s %s: got %s, %d, %v, field %s", test.address, test.kind, kind, offset, ok, r.Field())
		}
	}
}

func TestContentsThatAreNoValue(t *testing.T) {
	for _, test := range []struct {
		kind    string
		invalid Word
		want    []uint64
		ok      bool
	}{
		{"int16", "0x8000", []uint64{0x8000}, true},
		{"int16", "-32768, 32767", []uint64{0x8000, 0x7fff}, true},
		{"", "65535", []uint64{65535}, true},
		{"int64", "-1", []uint64{1<<64 - 1}, true},
		{"uint16", "0x10000", nil, false},
		{"int16", "-32769", nil, false},
		{"string(4)", "1", nil, false},
		{"int16", "none", nil, false},
		{"int16", "", nil, true},
	} {
		r := ModbusRegister{Address: "40001", Type: test.kind, Invalid: test.invalid}
		if got, ok := r.NoValues(); !slices.Equal(got, test.want) || ok != test.ok {
			t.Errorf("%s %s: got %x, %v, want %x, %v", test.kind, test.invalid, got, ok, test.want, test.ok)
		}
	}
}

// The configuration repeats the names of types and orders, because it imports no other package.
func TestTypesAndOrdersAreThoseOfModbus(t *testing.T) {
	for _, name := range []string{"bool", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "bcd", "bcd16", "bcd32", "bcd64",
		"string(1)", "string(99)", "string(250)", "bit(0)", "bit(15)", "", "int8", "string(0)", "string(251)", "bit(16)", "float16"} {
		_, err := modbus.ParseType(name)
		if got := modbusType.MatchString(name); got != (err == nil) {
			t.Errorf("type %q: allowed is %v, and the protocol says %v", name, got, err)
		}
	}
	for _, name := range modbusOrders {
		if _, err := modbus.ParseOrder(name); err != nil {
			t.Error(err)
		}
	}
}

func TestAModbusSource(t *testing.T) {
	cfg := mustLoad(t, `
sources:
  - name: meters
    modbus:
      address: tcp://10.0.0.7
      every: 5s
      max_gap: 0
      registers:
        - {address: {kind: input, offset: 12}, type: float32, order: CDAB, device: m1, device_type: current_sensor}
        - {address: 40001, invalid: 0x8000, name: speed}
      units:
        - {unit: 2, every: 10s, max_gap: 3, registers: [{address: "00001"}]}
`, nil)
	f := cfg.Sources[0].Modbus.Filled()
	one, two, zero, three := 1, 2, 0, 3
	want := []ModbusUnit{
		{Unit: &one, Every: f.Every, MaxGap: &zero, MaxBlock: 125, Registers: []ModbusRegister{
			{Address: "input/12", Type: "float32", Order: "CDAB", Device: "m1", DeviceType: "current_sensor"}, {Address: "40001", Invalid: "32768", Name: "speed"},
		}},
		{Unit: &two, Every: 2 * f.Every, MaxGap: &three, MaxBlock: 125, Registers: []ModbusRegister{{Address: "00001"}}},
	}
	if f.Address != "tcp://10.0.0.7:502" || !reflect.DeepEqual(f.Units, want) {
		t.Errorf("got %+v of %s, want %+v", f.Units, f.Address, want)
	}
}

func TestModbusSourcesThatCannotBe(t *testing.T) {
	for section, want := range map[string]string{
		`{address: "udp://a", registers: [{address: 40001}]}`:                                                           "address",
		`{address: "tls://a", registers: [{address: 40001}]}`:                                                           "tls",
		`{address: "tcp://a"}`:                                                                                          "registers",
		`{address: "tcp://a", registers: [{address: 5}]}`:                                                               "registers[0].address",
		`{address: "tcp://a", registers: [{address: 40001, type: int8}]}`:                                               "registers[0].type",
		`{address: "tcp://a", registers: [{address: 40001, order: DACB}]}`:                                              "registers[0].order",
		`{address: "tcp://a", registers: [{address: 40001, invalid: 0x10000}]}`:                                         "registers[0].invalid",
		`{address: "tcp://a", registers: [{address: 40001, device: d}]}`:                                                "registers[0].device_type",
		`{address: "tcp://a", unit: 256, registers: [{address: 40001}]}`:                                                "unit",
		`{address: "tcp://a", every: 1ms, registers: [{address: 40001}]}`:                                               "every",
		`{address: "tcp://a", units: [{unit: 2, registers: [{address: 40001}]}, {unit: 2, registers: [{address: 1}]}]}`: "units[1].unit",
	} {
		_, err := load(t, "sources: [{name: a, modbus: "+section+"}]", nil)
		if err == nil || !strings.Contains(err.Error(), "sources[0].modbus."+want) {
			t.Errorf("%s: got %v, want an error about %s", section, err, want)
		}
	}
}
