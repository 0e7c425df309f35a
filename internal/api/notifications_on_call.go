package api

import (
	"time"

	"iotmon/internal/notify"
)

// onCallShown is for how long it is shown who is on call.
const onCallShown = 14 * 24 * time.Hour

// turns returns who is on call by a calendar from a time on.
func turns(c *notify.CalendarSpec, from time.Time) ([]onCall, error) {
	calendar, err := c.Calendar("")
	if err != nil {
		return nil, err
	}
	all := []onCall{}
	for _, turn := range calendar.Turns(from, from.Add(onCallShown)) {
		all = append(all, onCall{turn.From.UTC(), turn.Until.UTC(), turn.Channels})
	}
	return all, nil
}
