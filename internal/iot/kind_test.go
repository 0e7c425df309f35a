package iot_test

import (
	"testing"

	"iotmon/internal/iot"
)

func TestKindsHaveNames(t *testing.T) {
	for kind, want := range map[iot.Kind]string{
		iot.KindReading: "reading", iot.KindTick: "tick", iot.KindStatus: "status", iot.KindDevice: "device",
		iot.KindCommand: "command", iot.KindRule: "rule", iot.KindSettings: "settings", iot.KindLevel: "level", "vibration": "vibration",
	} {
		if got := kind.String(); got != want {
			t.Errorf("got name %q, want %q", got, want)
		}
		if got := iot.ParseKind(want); got != kind {
			t.Errorf("%s: got %q, want %q", want, string(got), string(kind))
		}
	}
}

func TestARecordDecidesByItsKindOrByItsMark(t *testing.T) {
	for _, test := range []struct {
		record iot.RecordKind
		want   bool
	}{
		{iot.RecordKind{}, false},
		{iot.RecordKind{Kind: iot.KindTick}, false},
		{iot.RecordKind{Kind: iot.KindStatus, Level: 9}, false},
		{iot.RecordKind{Kind: iot.KindStatus, Level: 9, Deciding: true}, true},
		{iot.RecordKind{Kind: iot.KindDevice}, true},
		{iot.RecordKind{Kind: iot.KindCommand}, true},
		{iot.RecordKind{Kind: iot.KindRule}, true},
		{iot.RecordKind{Kind: iot.KindSettings}, true},
		{iot.RecordKind{Kind: iot.KindLevel}, true},
		{iot.RecordKind{Kind: "vibration"}, false},
		{iot.RecordKind{Kind: "vibration", Deciding: true}, true},
	} {
		if got := test.record.Decides(); got != test.want {
			t.Errorf("%+v: got %v, want %v", test.record, got, test.want)
		}
	}
}
