package view

import (
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// Held is a view that does not change: between Hold and Release no batch is applied. What its methods return belongs to the view and
// must not be changed, nor read after Release.
type Held struct{ view *View }

// Hold keeps batches from being applied until Release, which must follow soon: Apply waits for it. Between the two the same goroutine
// must not call methods of the View that lock it.
func (v *View) Hold() Held {
	v.mu.RLock()
	return Held{v}
}

// Release ends Hold.
func (h Held) Release() { h.view.mu.RUnlock() }

// Numbers returns one more than the highest number of a device.
func (h Held) Numbers() int { return len(h.view.devices) }

// Device returns the state of the device with a number below Numbers. That of one that was forgotten has no id.
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

// WindowLength returns how long the newest window is.
func (h Held) WindowLength() time.Duration {
	if last := len(h.view.windows.sorted) - 1; last >= 0 {
		return h.view.windows.sorted[last].Length
	}
	return h.view.options.WindowLength
}

// AlertsFrom returns the open alerts with at least the given number, in the order in which they opened.
func (h Held) AlertsFrom(number uint64) []*Alert { return h.view.alerts.from(number) }

// Count counts the devices that the filter lets through, in all and by type; a nil filter lets all through.
func (h Held) Count(f *Filter) (total wire.StatusCounts, byType map[iot.DeviceType]wire.StatusCounts) {
	return h.view.countMatching(f)
}

// ReadingsPerSecond returns how many readings the processors have counted per second of late.
func (h Held) ReadingsPerSecond(now time.Time) float64 { return h.view.rate.perSecond(now) }
