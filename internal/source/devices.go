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
	recent, earlier map[iot.DeviceID]struct{}
	turned          time.Time
}

func newDeviceSet(most int) *deviceSet {
	return &deviceSet{most: most, recent: make(map[iot.DeviceID]struct{})}
}

// admit reports whether a device may send. It may if it is among the devices, or becomes one of them.
func (s *deviceSet) admit(id iot.DeviceID, now time.Time) bool {
	if _, known := s.recent[id]; known && now.Sub(s.turned) < deviceMemory {
		return true
	}
	if now.Sub(s.turned) >= deviceMemory {
		s.earlier, s.recent, s.turned = s.recent, make(map[iot.DeviceID]struct{}), now
	}
	if _, known := s.earlier[id]; !known && len(s.recent)+len(s.earlier) >= s.most {
		return false
	}
	delete(s.earlier, id)
	s.recent[iot.DeviceID(strings.Clone(string(id)))] = struct{}{} // The id may be a part of a message.
	return true
}

// below calls visit for each device whose id begins with a text.
func (s *deviceSet) below(prefix string, visit func(iot.DeviceID)) {
	for _, devices := range []map[iot.DeviceID]struct{}{s.recent, s.earlier} {
		for id := range maps.Keys(devices) {
			if strings.HasPrefix(string(id), prefix) {
				visit(id)
			}
		}
	}
}
