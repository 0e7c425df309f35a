package process_test

import (
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

// Every kind of what is in force is decoded under its own key, and under no other.
func TestWhatIsInForceIsDecodedUnderItsKey(t *testing.T) {
	position := iot.Position{Partition: 3, Epoch: 1, Offset: 17}
	device := iot.Identity{Tenant: "acme", ID: "oven-1"}
	cleared := iot.Alert{ID: "0123", DeviceID: "oven-1", Transition: iot.Cleared, Onset: at(0), Time: at(5), Position: position}
	records := map[string][]byte{
		string(wire.AppendReturnedKey(nil, "0123")): wire.AppendAlert(nil, &cleared),
		string(wire.AppendRuleKey(nil, "too_hot")): wire.AppendRuleInForce(nil, &iot.RuleInForce{
			RuleEntry: iot.RuleEntry{Version: 2, Deleted: true, Rule: iot.Rule{Name: "too_hot"}}, Position: position,
		}),
		string(wire.AppendSettingsKey(nil, 9)): wire.AppendSettingsInForce(nil, &iot.SettingsInForce{
			Settings: iot.Settings{Revision: 4, Window: time.Minute, From: at(60)}, Since: 9, Position: position,
		}),
		string(wire.AppendInForceKey(nil, wire.EntryInForce, device)): wire.AppendEntryInForce(nil, &iot.EntryInForce{
			DeviceEntry: iot.DeviceEntry{Version: 1, Name: "Oven"}, Position: position,
		}),
		string(wire.AppendInForceKey(nil, wire.ShelvedInForce, device)):  wire.AppendShelvedInForce(nil, &iot.ShelvedInForce{Position: position}),
		string(wire.AppendInForceKey(nil, wire.CommentsInForce, device)): wire.AppendCommentsInForce(nil, &iot.CommentsInForce{Position: position}),
		string(wire.AppendLevelKey(nil)):                                 wire.AppendLevelInForce(nil, &iot.LevelInForce{Level: 8, Position: position}),
	}
	for key, value := range records {
		got, err := process.DecodeInForce([]byte(key), value)
		if err != nil || got.Position != position {
			t.Errorf("%q: got position %+v, %v, want %+v", key, got.Position, err, position)
		}
	}
	rule, settings := string(wire.AppendRuleKey(nil, "too_hot")), string(wire.AppendSettingsKey(nil, 9))
	for key, value := range map[string][]byte{
		"":              records[rule],
		"calendar\x1fx": records[rule],
		string(wire.AppendRuleKey(nil, "too_cold")): records[rule],
		string(wire.AppendSettingsKey(nil, 8)):      records[settings],
		"settings\x1f09":                            records[settings],
		rule:                                        []byte("{"),
		string(wire.AppendLevelKey(nil)):            []byte(`{"level":0}`),
		"device\x1fa\x1fb\x1fc":                     records[string(wire.AppendInForceKey(nil, wire.EntryInForce, device))],
	} {
		if got, err := process.DecodeInForce([]byte(key), value); err == nil {
			t.Errorf("%q: got %+v, want an error", key, got)
		}
	}
}
