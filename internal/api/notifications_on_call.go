package api

import (
	"time"

	"iotmon/internal/notify"
)

// onCallShown is for how long it is shown who is on call.
const onCallShown = 7 * 24 * time.Hour

// turns returns who is on call by a calendar from now on.
func (s *server) turns(c *notify.CalendarSpec) ([]onCall, error) {
	calendar, err := c.Calendar("")
	if err != nil {
		return nil, err
	}
	now, all := s.o.Now(), []onCall{}
	for _, turn := range calendar.Turns(now, now.Add(onCallShown)) {
		all = append(all, onCall{turn.From.UTC(), turn.Until.UTC(), turn.Channels})
	}
	return all, nil
}
