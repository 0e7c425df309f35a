package control_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"iotmon/internal/control"
	"iotmon/internal/control/controltest"
	"iotmon/internal/iot"
)

// A device cannot be put below itself, nor below too many others, by one edit or by several at once.
func TestParentsAreRefused(t *testing.T) {
	inForce := control.NewInForce()
	log := controltest.NewLog(inForce)
	r := control.NewRegistry(control.RegistryOptions{Store: controltest.NewMemory(), InForce: inForce, Now: time.Now, Decided: func(objects []control.Object) {
		if _, err := log.Append(t.Context(), objects); err != nil {
			t.Error(err)
		}
	}})
	below := func(device, parent string) control.Edit {
		return control.Edit{Device: iot.Identity{ID: iot.DeviceID(device)}, To: func(e iot.DeviceEntry) (iot.DeviceEntry, error) {
			e.Parent = iot.DeviceID(parent)
			return e, nil
		}}
	}
	change := func(edits ...control.Edit) error {
		_, err := r.Change(t.Context(), edits, control.By{Actor: "u", Action: "put"})
		return err
	}
	for i := range iot.MaxParents {
		if err := change(below(fmt.Sprint("d", i+1), fmt.Sprint("d", i))); err != nil {
			t.Fatal(err)
		}
	}
	for name, edits := range map[string][]control.Edit{
		"itself":               {below("x", "x")},
		"a device below it":    {below("d0", "d3")},
		"two above each other": {below("x", "y"), below("y", "x")},
		"too deep":             {below("x", "d8")},
	} {
		var invalid *iot.InvalidError
		if err := change(edits...); !errors.As(err, &invalid) || invalid.Field != "parent" {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := change(below("d4", ""), below("d0", "d8"), below("x", "unheard")); err != nil {
		t.Errorf("the chain is cut at the same time: got %v", err)
	}
}
