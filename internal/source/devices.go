package source

import (
	"maps"
	"strings"
	"time"

	"iotmon/internal/iot"
)

const (
	// defaultMaxDevices is the default of PipelineOptions.MaxDevices.
	defaultMaxDevices = 100_000
	// deviceMemory is for how long at least a device counts that no longer sends; after twice that time it does not.
	deviceMemory = 7 * 24 * time.Hour
)

// deviceSet has the devices of a source of which readings have come lately, at most a number of them: where a rule makes the id of a device of what
// a message says, somebody who sends whatever he likes could make as many as he likes. It belongs to one goroutine.
type deviceSet struct {
	most int
	// recent are those that have sent since turned, earlier the others that had sent in the deviceMemory before.
	recent, earlier map[iot.DeviceID]*device
	turned          time.Time
}

// device is what a source knows of a device.
type device struct {
	// interval is how often it sends at least, as was said last, at the time said; 0 if nothing was.
	interval time.Duration
	said     time.Time
}

const (
	// sayAgain is after how long the interval of a device is said again: the device may have been forgotten, or its state lost.
	sayAgain = 24 * time.Hour
	// sayShorter is after how long a shorter interval replaces a longer one: two values of a device may come at different intervals.
	sayShorter = 10 * time.Minute
	// anyInterval is what is said of a device whose interval is not known any more: a short one changes nothing.
	anyInterval = time.Second
)

// says reports whether it is to be said that the device sends so often, and remembers that it was. 0 means that nothing is known.
func (d *device) says(interval time.Duration, now time.Time) bool {
	if interval == 0 {
		if d.interval == 0 {
			return false
		}
		interval = anyInterval
	}
	age := now.Sub(d.said)
	if interval == d.interval && age < sayAgain || interval < d.interval && age < sayShorter {
		return false
	}
	d.interval, d.said = interval, now
	return true
}

func newDeviceSet(most int) *deviceSet {
	return &deviceSet{most: most, recent: make(map[iot.DeviceID]*device)}
}

// admit returns a device that may send, and nil if it may not. It may if it is among the devices, or becomes one of them.
func (s *deviceSet) admit(id iot.DeviceID, now time.Time) *device {
	if d := s.recent[id]; d != nil && now.Sub(s.turned) < deviceMemory {
		return d
	}
	if now.Sub(s.turned) >= deviceMemory {
		s.earlier, s.recent, s.turned = s.recent, make(map[iot.DeviceID]*device), now
	}
	d := s.earlier[id]
	if d == nil {
		if len(s.recent)+len(s.earlier) >= s.most {
			return nil
		}
		d = new(device)
	}
	delete(s.earlier, id)
	s.recent[iot.DeviceID(strings.Clone(string(id)))] = d // The id may be a part of a message.
	return d
}

// below calls visit for each device whose id begins with a text.
func (s *deviceSet) below(prefix string, visit func(iot.DeviceID)) {
	for _, devices := range []map[iot.DeviceID]*device{s.recent, s.earlier} {
		for id := range maps.Keys(devices) {
			if strings.HasPrefix(string(id), prefix) {
				visit(id)
			}
		}
	}
}
