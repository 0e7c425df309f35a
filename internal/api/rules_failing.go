package api

import (
	"cmp"
	"slices"
	"time"

	"iotmon/internal/iot"
)

// maxRuleFailures is how many devices are listed on which a rule fails.
const maxRuleFailures = 20

// ruleFailures are the devices on which a rule fails.
type ruleFailures struct {
	Devices int           `json:"devices" doc:"How many there are."`
	Items   []ruleFailure `json:"items" nullable:"false" doc:"The first of them, by the time since when, at most 20."`
}

// ruleFailure is a device on which a rule fails: its value could not be judged.
type ruleFailure struct {
	DeviceID  iot.DeviceID `json:"device_id"`
	Partition int32        `json:"partition" doc:"That of the log in which the device is."`
	Since     time.Time    `json:"since" doc:"The time of the first reading that could not be judged."`
	Value     float64      `json:"value" doc:"Its value."`
	Message   string       `json:"message" doc:"What went wrong, in Chinese."`
	MessageEN string       `json:"message_en"`
	Alert     string       `json:"alert" doc:"The id of the alert that says so."`
}

// failing returns the alerts that say that rules fail, of every rule or of one.
func (s *server) failing(rule string) map[string][]iot.Alert {
	found := make(map[string][]iot.Alert)
	s.o.Fleet.Scan("", false, func(d *iot.DeviceState) bool {
		for i := range d.Alerts {
			name, failed := iot.FailedRuleOf(d.Alerts[i].Rule)
			if raised := d.Alerts[i].Raised; failed && raised != nil && (rule == "" || rule == name) {
				found[name] = append(found[name], *raised)
			}
		}
		return true
	})
	return found
}

// failuresOf returns the devices on which a rule fails, nil if there is none.
func (s *server) failuresOf(rule string) *ruleFailures {
	alerts := s.failing(rule)[rule]
	if len(alerts) == 0 {
		return nil
	}
	slices.SortFunc(alerts, func(a, b iot.Alert) int { return cmp.Or(a.Onset.Compare(b.Onset), cmp.Compare(a.DeviceID, b.DeviceID)) })
	out := &ruleFailures{Devices: len(alerts)}
	for i := range alerts[:min(len(alerts), maxRuleFailures)] {
		a := &alerts[i]
		out.Items = append(out.Items, ruleFailure{a.DeviceID, a.Partition, a.Onset, a.Value, a.Message, a.MessageEN, a.ID})
	}
	return out
}
