package notify

import "time"

const (
	minutesOfDay  = 24 * 60
	minutesOfWeek = 7 * minutesOfDay
)

// WholeWeek reports whether spans leave no minute of a week out by the clock on the wall, and which of them is the first that does so together with those
// before it.
func WholeWeek(spans []Span) (last int, whole bool) {
	var in [minutesOfWeek]bool
	left := minutesOfWeek
	for i := range spans {
		s := &spans[i]
		from, to := int(s.From/time.Minute), int(s.To/time.Minute)
		if to <= from {
			to += minutesOfDay
		}
		days := s.Days
		if len(days) == 0 {
			days = []time.Weekday{0, 1, 2, 3, 4, 5, 6}
		}
		for _, day := range days {
			for minute := from; minute < to; minute++ {
				if at := &in[(int(day)*minutesOfDay+minute)%minutesOfWeek]; !*at {
					*at = true
					left--
				}
			}
		}
		if left == 0 {
			return i, true
		}
	}
	return 0, false
}
