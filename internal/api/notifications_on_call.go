package api

import (
	"time"

	"iotmon/internal/notify"
)

// onCallShown is for how long it is shown who is on call.
const onCallShown = 7 * 24 * time.Hour

// showCalendar returns a calendar with who is on call.
func (s *server) showCalendar(c *notify.CalendarSpec) (shownCalendar, error) {
	shown := shownCalendar{CalendarSpec: *c, OnCall: []onCall{}}
	calendar, err := c.Calendar("")
	if err != nil {
		return shown, err
	}
	now := s.o.Now()
	for _, turn := range calendar.Turns(now, now.Add(onCallShown)) {
		shown.OnCall = append(shown.OnCall, onCall{turn.From.UTC(), turn.Until.UTC(), turn.Channels})
	}
	return shown, nil
}
