package wire_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

func TestAPositionIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := iot.Position{
			Partition: rapid.Int32().Draw(t, "partition"), Epoch: rapid.Int32().Draw(t, "epoch"), Offset: rapid.Int64().Draw(t, "offset"),
		}
		got, err := wire.DecodePosition(wire.AppendPosition(nil, want))
		if err != nil || got != want {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	})
}

// An older version may have admitted longer texts, and its states must still be decoded.
func TestAStateIsReadHoweverLongItsTextsAre(t *testing.T) {
	long := strings.Repeat("<\u2028", wire.MaxMessage)
	at := time.UnixMicro(1_700_000_000_000_000).UTC()
	want := iot.DeviceState{Status: iot.Online, Since: at, LastSeen: at, Position: iot.Position{Offset: 7}}
	want.Latest = iot.Reading{Device: iot.Device{ID: "d", Type: iot.Temperature, Location: iot.Location{Building: long}}, Time: at, Status: iot.Online}
	raised := iot.Alert{ID: "a", DeviceID: "d", Transition: iot.Raised, Message: long, Onset: at, Time: at}
	for _, alerts := range [][]iot.AlertState{nil, {{Rule: "r", Onset: at, Raised: &raised}}} {
		want.Alerts = alerts
		got, err := wire.DecodeDeviceState(wire.AppendDeviceState(nil, &want))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("with %d alerts: got %v and a building of %d bytes, want one of %d", len(alerts), err, len(got.Latest.Location.Building), len(long))
		}
	}
}
