package view

import (
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// Held reads a view that does not change: no batch is applied between Hold and Release. What the methods return belongs to the
// view. The caller must not change it, and must not read it after Release.
type Held struct{ view *View }

// Hold locks the view against batches until Release. Call Release soon: Apply waits for it. Between the two, the same goroutine
// must not call other methods of the View, which lock it, too.
func (v *View) Hold() Held {
	v.mu.RLock()
	return Held{v}
}

// Release ends Hold.
func (h Held) Release() { h.view.mu.RUnlock() }

// Numbers returns the highest number of a device plus one.
func (h Held) Numbers() int { return len(h.view.devices) }

// Device returns the state of the device with that number, which must be below Numbers. If the number is free because the device
// was forgotten, the state has no id.
func (h Held) Device(number int32) *iot.DeviceState { return h.view.devices[number] }

// Number returns the number of a device; false if it is not known.
func (h Held) Number(id iot.DeviceID) (int32, bool) {
	number, known := h.view.numbers[id]
	return number, known
}

// Window returns the window that starts at start, nil if it is not kept.
func (h Held) Window(start time.Time) *Window { return h.view.windows.get(start) }

// Windows returns the windows that are kept, oldest first.
func (h Held) Windows() []*Window { return h.view.windows.sorted }

// WindowLength returns the length of the newest window or, if there is none, the configured length.
func (h Held) WindowLength() time.Duration {
	if last := len(h.view.windows.sorted) - 1; last >= 0 {
		return h.view.windows.sorted[last].Length
	}
	return h.view.options.WindowLength
}

// AlertsFrom returns the open alerts with at least the given number, in the order in which they opened.
func (h Held) AlertsFrom(number uint64) []*Alert { return h.view.alerts.from(number) }

// Count counts the devices that the filter selects, in all and by type. A nil filter selects all devices.
func (h Held) Count(f *Filter) (total wire.StatusCounts, byType map[iot.DeviceType]wire.StatusCounts) {
	return h.view.countMatching(f)
}

// ReadingsPerSecond is View.ReadingsPerSecond.
func (h Held) ReadingsPerSecond(now time.Time) float64 { return h.view.rate.perSecond(now) }
