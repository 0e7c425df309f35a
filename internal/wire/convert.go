package wire

import (
	"cmp"
	"slices"

	"iotmon/internal/iot"
)

// FromReading returns the documented form of r.
func FromReading(r *iot.Reading) Reading {
	message := Reading{
		DeviceID:   r.ID,
		DeviceType: r.Type,
		Timestamp:  r.Time,
		Value:      r.Value,
		Unit:       r.Unit,
		Location:   r.Location,
		Status:     r.Status,
		Metadata:   r.Metadata,
		Quality:    r.Quality,
		Historical: r.Historical,
	}
	if !r.ReceivedAt.IsZero() {
		received := r.ReceivedAt
		message.ReceivedAt = &received
	}
	return message
}

// FromState returns the device as clients see it: its latest reading, with the status that the system has determined.
func FromState(s *iot.DeviceState) Device {
	device := Device{Reading: FromReading(&s.Latest), Since: s.Since}
	device.Status = s.Status
	if s.Report != nil && s.Report.Status == iot.ReportedBad {
		device.Quality = iot.Bad
	}
	for i := range s.Alerts {
		if s.Alerts[i].Raised != nil {
			device.OpenAlerts++
		}
	}
	return device
}

// FromAlert returns an alert event as clients receive it.
func FromAlert(a *iot.Alert) Alert {
	return Alert{
		ID:           a.ID,
		DeviceID:     a.DeviceID,
		DeviceType:   a.DeviceType,
		AlertType:    a.Rule,
		Severity:     a.Severity,
		State:        a.Transition,
		Message:      a.Message,
		CurrentValue: a.Value,
		Threshold:    a.Threshold,
		Below:        a.Below,
		Unit:         a.Unit,
		Location:     a.Location,
		Area:         a.Area,
		Onset:        a.Onset,
		Timestamp:    a.Time,
		Historical:   a.Historical,
		Reason:       a.Reason,
		MessageEN:    a.MessageEN,
		Procedure:    a.Procedure,
		AlarmState:   a.LifeState(),
		LatchedAt:    a.Latched,

		AcknowledgedAt:  a.AckedAt,
		AcknowledgedBy:  a.AckedBy,
		Suppressed:      a.Suppressed,
		SuppressedUntil: a.SuppressedUntil,
		SuppressedBy:    a.SuppressedBy,
		SuppressedAt:    a.SuppressedAt,

		SuppressedReason: a.SuppressedReason,
		SuppressedActor:  a.SuppressedActor,
		Actor:            a.Actor,
		Comment:          a.Comment,
	}
}

// FromAlerts converts a list; the result is never nil, so its JSON is [] and not null.
func FromAlerts(alerts []iot.Alert) []Alert {
	messages := make([]Alert, len(alerts))
	for i := range alerts {
		messages[i] = FromAlert(&alerts[i])
	}
	return messages
}

// AggregateDataOf returns the numbers of a summary as clients receive them.
func AggregateDataOf(s *iot.Summary) AggregateData {
	data := AggregateData{
		Count:       s.Count,
		DeviceCount: s.Devices,
		Online:      s.Online,
		Offline:     s.Offline,
		AlertCount:  s.AlertCount,

		UncertainCount: s.Uncertain,
		BadCount:       s.Bad,
	}
	if s.Count > 0 {
		average, largest, smallest := s.Average(), s.Max, s.Min
		data.Average, data.Max, data.Min = &average, &largest, &smallest
	}
	return data
}

// FromSummary returns the documented object of a window's summary.
func FromSummary(s *iot.WindowSummary) Aggregate {
	return Aggregate{
		Timestamp:     s.Window.Start,
		WindowSeconds: int(s.Window.Length.Seconds()),
		DeviceType:    s.Type,
		Data:          AggregateDataOf(&s.Summary),
		Alerts:        FromAlerts(s.Alerts),
	}
}

// FromTypeSpec describes a device type to a client. Labels are an object also if the type has none.
func FromTypeSpec(s *iot.TypeSpec) TypeSpec {
	labels := s.Labels
	if labels == nil {
		labels = map[string]string{}
	}
	return TypeSpec{Name: s.Name, Unit: s.Unit, Decimals: s.Decimals, Min: s.Min, Max: s.Max, Labels: labels, States: s.States}
}

// FromCatalog describes every device type, in the catalog's order.
func FromCatalog(c *iot.Catalog) []TypeSpec {
	var specs []TypeSpec
	for _, t := range c.Types() {
		specs = append(specs, FromTypeSpec(c.Spec(t)))
	}
	return specs
}

// FromRules returns those of the rules in force that a tenant's viewers are sent, in the order of types and names.
func FromRules(rules []iot.Rule, tenant iot.Tenant) AlertRulesInForce {
	list := []AlertRule{}
	for i := range rules {
		for _, r := range rules[i].Parts() {
			if r.Disabled || r.Name == iot.RuleOffline || r.Kind != iot.Threshold || r.Area != "" || len(r.Labels)+len(r.Devices) > 0 ||
				r.Tenant != "" && r.Tenant != tenant {
				continue
			}
			list = append(list, AlertRule{AlertType: r.Name, DeviceType: r.Type, Severity: r.Severity, Threshold: r.Threshold, Below: r.Below})
		}
	}
	omitted := len(list)
	list = mostUrgentOfEachType(list, MaxAlertRules)
	omitted -= len(list)
	slices.SortFunc(list, func(a, b AlertRule) int {
		return cmp.Or(cmp.Compare(a.DeviceType, b.DeviceType), cmp.Compare(a.AlertType, b.AlertType))
	})
	return AlertRulesInForce{list, omitted}
}

// mostUrgentOfEachType returns at most so many rules: the most urgent one of each type, then the second of each, and so on.
func mostUrgentOfEachType(rules []AlertRule, most int) []AlertRule {
	if len(rules) <= most {
		return rules
	}
	slices.SortFunc(rules, func(a, b AlertRule) int {
		return cmp.Or(cmp.Compare(b.Severity.Rank(), a.Severity.Rank()), cmp.Compare(a.AlertType, b.AlertType))
	})
	ofType := make(map[iot.DeviceType]int)
	place := make(map[string]int, len(rules)) // Among those of its type.
	for i := range rules {
		place[rules[i].AlertType] = ofType[rules[i].DeviceType]
		ofType[rules[i].DeviceType]++
	}
	slices.SortStableFunc(rules, func(a, b AlertRule) int { return cmp.Compare(place[a.AlertType], place[b.AlertType]) })
	return rules[:most]
}
