package iot

import "math"

// MaxSummaryAlerts bounds the alerts listed with one summary, so that a plant-wide fault cannot make a message too large
// for the log; AlertCount always tells the whole number.
const MaxSummaryAlerts = 50

// Summary is what is kept of many readings: enough to show count, average, maximum and minimum, and to merge with the
// summary of other readings. Merging is associative and commutative, so any split over partitions gives the same numbers.
type Summary struct {
	// Count is the number of readings.
	Count int64
	Sum   Sum
	// Min and Max are meaningless while Count is 0.
	Min, Max float64
	// Uncertain counts the readings among Count of quality uncertain. Bad counts those of quality bad: they are beside Count,
	// and in no other number.
	Uncertain, Bad int64
	// Devices counts the distinct devices among the readings. Online and Offline count the known devices of the type at
	// the window's close. A device always lives in one partition, so these merge by adding.
	Devices, Online, Offline int64
	// AlertCount is the number of alerts open at the window's close; Alerts lists at most MaxSummaryAlerts of them.
	AlertCount int64
	Alerts     []Alert
}

// Add counts one finite value. It leaves the device counts alone.
func (s *Summary) Add(value float64) {
	if s.Count == 0 {
		s.Min, s.Max = value, value
	} else {
		s.Min, s.Max = math.Min(s.Min, value), math.Max(s.Max, value)
	}
	s.Count++
	s.Sum.Add(value)
}

// AddReading counts one reading by its quality. It leaves the device counts alone.
func (s *Summary) AddReading(value float64, quality Quality) {
	switch quality {
	case Bad:
		s.Bad++
		return
	case Uncertain:
		s.Uncertain++
	}
	s.Add(value)
}

// Merge adds a summary of other readings, of other devices; other is unchanged.
func (s *Summary) Merge(other Summary) {
	if other.Count > 0 {
		if s.Count == 0 {
			s.Min, s.Max = other.Min, other.Max
		} else {
			s.Min, s.Max = math.Min(s.Min, other.Min), math.Max(s.Max, other.Max)
		}
	}
	s.Count += other.Count
	s.Uncertain += other.Uncertain
	s.Bad += other.Bad
	s.Sum.Merge(other.Sum)
	s.Devices += other.Devices
	s.Online += other.Online
	s.Offline += other.Offline
	s.AlertCount += other.AlertCount
	s.Alerts = mergeAlerts(s.Alerts, other.Alerts)
}

// Average returns the exact sum divided by the count, or 0 for no readings.
func (s *Summary) Average() float64 {
	if s.Count == 0 {
		return 0
	}
	return s.Sum.Over(s.Count)
}

// Clone returns a copy that shares nothing that Add or Merge would change.
func (s Summary) Clone() Summary {
	s.Sum = s.Sum.Clone()
	s.Alerts = append([]Alert(nil), s.Alerts...)
	return s
}

// WindowSummary is one partition's summary of one device type in one window: the value of topic aggregates.
type WindowSummary struct {
	Type   DeviceType
	Window Window
	Position
	// Final is false while the window is open and more may follow.
	Final bool
	// Late means that a reading came after the window had closed: the Summary is empty, and whoever keeps the readings
	// recomputes the window once it has read the partition past Position.
	Late bool
	// Corrected means that the archive has recomputed a closed window from all its readings: it is Final, and replaces what was
	// said of the window at the same position.
	Corrected bool
	Summary
}
