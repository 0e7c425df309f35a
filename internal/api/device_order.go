package api

import (
	"cmp"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/iot"
)

// sortBy is what devices are ordered by: one of sorts, or a label.
type sortBy string

// sorts returns what devices can be ordered by, besides labels.
func sorts() []string {
	return []string{
		"id", "name", "area", "type", "status", "value", "unit", "last_seen", "since", "building", "floor", "room", "open_alerts", "interval",
		"retired", "model", "firmware", "battery_level",
	}
}

// Schema describes the order; it is also what checks it.
func (sortBy) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{
		Type: huma.TypeString, Pattern: "^(" + strings.Join(sorts(), "|") + `|label\..{1,64})$`,
		PatternDescription: prefixLabel + "NAME or one of " + strings.Join(sorts(), ", "),
	}
	s.PrecomputeMessages()
	return s
}

// deviceKey is a device's sort key: the field of the order, then the id. Only the field that the order needs is set.
type deviceKey struct {
	// Absent means that the device does not have what is ordered by. Such devices are last in either direction.
	Absent bool         `json:"a,omitempty"`
	Text   string       `json:"t,omitempty"`
	Number float64      `json:"n,omitempty"`
	ID     iot.DeviceID `json:"id"`
}

// comparing returns the function that compares keys in a direction.
func comparing(descending bool) func(a, b deviceKey) int {
	direction := 1
	if descending {
		direction = -1
	}
	return func(a, b deviceKey) int {
		if a.Absent != b.Absent {
			if a.Absent {
				return 1
			}
			return -1
		}
		return direction * cmp.Or(cmp.Compare(a.Text, b.Text), cmp.Compare(a.Number, b.Number), cmp.Compare(a.ID, b.ID))
	}
}

// key returns the sort key of a device.
func (by sortBy) key(d *listed) deviceKey {
	key := deviceKey{ID: d.id}
	switch by {
	case "id":
	case "status":
		key.Text = string(d.status())
	case "area":
		key.setText(string(d.area()))
	case "unit":
		key.setText(d.unit())
	case "name", "interval", "retired":
		key.setEntered(by, d)
	default:
		if label, ok := strings.CutPrefix(string(by), prefixLabel); ok {
			key.setLabel(d.entry, label)
		} else {
			key.setSent(by, d.state)
		}
	}
	return key
}

// unit returns the unit of the device's entry, or else that of its type.
func (d *listed) unit() string {
	switch {
	case d.entry != nil && d.entry.Unit != "":
		return d.entry.Unit
	case d.state != nil:
		return d.state.Latest.Unit
	}
	return ""
}

func (k *deviceKey) setText(text string) { k.Text, k.Absent = text, text == "" }

func (k *deviceKey) setLabel(entry *iot.DeviceEntry, name string) {
	if entry == nil {
		k.Absent = true
		return
	}
	value, has := entry.Labels[name]
	k.Text, k.Absent = value, !has
}

// setEntered sets what the registry entry says.
func (k *deviceKey) setEntered(by sortBy, d *listed) {
	switch {
	case d.entry == nil:
		k.Absent = by != "retired" // A device without an entry is not retired.
	case by == "name":
		k.setText(strings.ToLower(d.entry.Name))
	case by == "interval":
		k.Number, k.Absent = d.entry.Interval.Seconds(), d.entry.Interval == 0
	case d.entry.Retired:
		k.Number = 1
	}
}

// setSent sets what readings say.
func (k *deviceKey) setSent(by sortBy, state *iot.DeviceState) {
	if state == nil {
		k.Absent = true
		return
	}
	latest := &state.Latest
	switch by {
	case "type":
		k.setText(string(latest.Type))
	case "value":
		k.Number = latest.Value
	case "last_seen":
		k.Number = float64(latest.Time.UnixMicro()) // Exact until the year 2255.
	case "since":
		k.Number = float64(state.Since.UnixMicro())
	case "building":
		k.setText(latest.Location.Building)
	case "floor":
		k.Number, k.Absent = float64(latest.Location.Floor), latest.Location.Floor == 0
	case "room":
		k.setText(latest.Location.Room)
	case "model":
		k.setText(latest.Metadata.Model)
	case "firmware":
		k.setText(latest.Metadata.Firmware)
	case "battery_level":
		if k.Absent = latest.Metadata.BatteryLevel == nil; !k.Absent {
			k.Number = *latest.Metadata.BatteryLevel
		}
	case "open_alerts":
		for i := range state.Alerts {
			if state.Alerts[i].Raised != nil {
				k.Number++
			}
		}
	}
}
