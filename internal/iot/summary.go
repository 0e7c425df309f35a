package iot

import "math"

// MaxSummaryAlerts is the maximum number of alerts listed in one summary, so that a fault of the whole plant does not make
// a record too large for Kafka; AlertCount is always the full number.
const MaxSummaryAlerts = 50

// Summary aggregates many readings: count, exact sum, maximum and minimum. Merging is associative and commutative, so the
// result does not depend on how the readings are split over partitions.
type Summary struct {
	// Count is the number of readings.
	Count int64
	Sum   Sum
	// Min and Max are meaningless while Count is 0.
	Min, Max float64
	// Uncertain counts those readings within Count whose quality is uncertain. Bad counts readings of quality bad, which no
	// other number includes.
	Uncertain, Bad int64
	// Devices counts the distinct devices among the readings. Online and Offline count the known devices of the type at the
	// window's close. A device is always in one partition, so these merge by adding.
	Devices, Online, Offline int64
	// AlertCount is the number of alerts open at the window's close; Alerts lists at most MaxSummaryAlerts of them.
	AlertCount int64
	Alerts     []Alert
}

// Add counts one finite value. It does not change the device counts.
func (s *Summary) Add(value float64) {
	if s.Count == 0 {
		s.Min, s.Max = value, value
	} else {
		s.Min, s.Max = math.Min(s.Min, value), math.Max(s.Max, value)
	}
	s.Count++
	s.Sum.Add(value)
}

// AddReading counts one reading by its quality. It does not change the device counts.
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
	// Final is false while the window is open and its summary may still change.
	Final bool
	// Late means that a reading came after the window had closed: the Summary is empty, and the archive recomputes the
	// window once it has read the partition past Position. Without a Type it concerns every type of the window: readings of
	// whichever type were lost.
	Late bool
	// Corrected means that the archive has recomputed a closed window from all its readings: the summary is Final, and
	// replaces any other of the window at the same position.
	Corrected bool
	Summary
	// Groups divides the Summary by tenant and area, and is sorted by these; empty if everything belongs to the group that has
	// neither. The parts add up to the Summary, the sums exactly. Only Devices may add up to more: a device whose area changes
	// within the window is counted in both. The parts list no alerts, see InArea.
	Groups []GroupSummary
}
