package sourcetest

import (
	"cmp"
	"os"
)

// Way is one way of connecting to a source that goes through the suite.
type Way struct {
	// Section is the protocol's section in the configuration.
	Section string
	// Name is the protocol, and how it is transported.
	Name string
	// Interruptions is how often the connection is cut to see that nothing is left of it; 0 means 1,000, and so does TEST_CHAOS=long for all.
	Interruptions int64
	// Itself is whether the protocol's client connects anew without a word when it is cut, so that the source stays connected.
	Itself bool
	// Without are the faults that cannot be, and why.
	Without map[string]string
}

// The reasons.
const (
	noLogin      = "no login"
	noEncryption = "not encrypted"
)

// Ways are all ways that go through the suite, some for each protocol of the configuration. Some are interrupted less often, unless there is
// time for all (make test-chaos): Mosquitto takes a quarter of a second to accept a websocket, a connection with RTU frames is made anew after the time
// of a late answer, and what connects anew by itself is back when a number has arrived.
var Ways = []Way{
	{Section: "mqtt", Name: "MQTT 5", Without: map[string]string{"certificates rotated": noEncryption}},
	{Section: "mqtt", Name: "MQTT 5 by encrypted websockets", Interruptions: 40},
	{Section: "mqtt", Name: "MQTT 3.1.1 encrypted"},
	{Section: "mqtt_broker", Name: "The MQTT broker inside, encrypted", Interruptions: 400, Itself: true},
	{Section: "sparkplug", Name: "Sparkplug B encrypted"},
	{Section: "modbus", Name: "Modbus TCP", Without: map[string]string{"credentials revoked": noLogin, "certificates rotated": noEncryption}},
	{Section: "modbus", Name: "Modbus RTU over TCP", Interruptions: 20, Without: map[string]string{"credentials revoked": noLogin, "certificates rotated": noEncryption}},
	{Section: "modbus", Name: "Modbus TLS"},
	{Section: "opcua", Name: "OPC UA of asyncua"},
	{Section: "opcua", Name: "OPC UA of node-opcua"},
	{Section: "kafka", Name: "Kafka encrypted, with SASL", Interruptions: 40, Itself: true},
}

// interruptions is how often the connection is cut in this run.
func (w Way) interruptions() int64 {
	if os.Getenv("TEST_CHAOS") == "long" {
		return last
	}
	return cmp.Or(w.Interruptions, last)
}

// find returns the way with a name.
func find(name string) (Way, bool) {
	for _, w := range Ways {
		if w.Name == name {
			return w, true
		}
	}
	return Way{}, false
}

// Faults are the names of all faults, without the interruptions.
func Faults() []string {
	var names []string
	for _, f := range faults() {
		names = append(names, f.name)
	}
	return names
}
