package wire_test

import (
	"testing"

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

func TestOnlyANullValueWithAKeyForgets(t *testing.T) {
	for _, c := range []struct {
		name       string
		key, value []byte
		want       bool
	}{
		{"a null value with a key", []byte("d"), nil, true},
		{"an empty value", []byte("d"), []byte{}, false},
		{"a reading", []byte("d"), []byte("{}"), false},
		{"no key", nil, nil, false},
		{"an empty key", []byte{}, nil, false},
	} {
		if got := wire.Forgets(c.key, c.value); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}
