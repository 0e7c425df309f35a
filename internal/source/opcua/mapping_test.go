package opcua_test

import (
	"strings"
	"testing"

	"iotmon/internal/iot"
	"iotmon/internal/source/opcua"
)

func TestWhatWasFoundIsAConfiguration(t *testing.T) {
	t.Parallel()
	typeOf := func(f *opcua.Found) iot.DeviceType {
		if f.Path == "Line 1/Temp" && f.Unit == "°C" {
			return iot.Temperature
		}
		return ""
	}
	found := []opcua.Found{
		{Node: `nsu=urn:x;s="Data"."Temp"`, Path: "Line 1/Temp", DataType: "Double", Value: "20.5", Unit: "°C", Range: &opcua.Range{Low: -5, High: 90.5}},
		{Node: "ns=2;i=7", Path: "Line 1/Count", DataType: "UInt32", Status: "BadSensorFailure"},
		{Node: "ns=2;i=8", Path: "Name\n- {evil: 1}\x1b", DataType: "String", Value: "running"},
	}
	var out strings.Builder
	o := opcua.Options{Name: "plc", Endpoint: "opc.tcp://plc:4840", Security: "None", User: "operator", PasswordFile: "/run/secrets/plc"}
	if err := opcua.WriteConfiguration(&out, o, found, "there are more", typeOf); err != nil {
		t.Fatal(err)
	}
	want := `# 3 variables
# there are more
# Nodes behind "# -" may be anything: remove the # and put a type in place of TYPE.
sources:
  - name: "plc"
    opcua:
      endpoint: "opc.tcp://plc:4840"
      security: "None"
      user: "operator"
      password_file: "/run/secrets/plc"
      nodes:
        - {node: "nsu=urn:x;s=\"Data\".\"Temp\"", device: "line 1-temp", type: "temperature_sensor", unit: "°C"}  # Line 1/Temp: Double 20.5, from -5 to 90.5
        # - {node: "ns=2;i=7", device: "line 1-count", type: TYPE}  # Line 1/Count: UInt32 without a value, BadSensorFailure
        # {node: "ns=2;i=8"}  # Name - {evil: 1} : String running
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
