package wire

import (
	"time"

	"iotmon/internal/iot"
)

// alertState reads the state of a rule of a device whose alert is open or about to be.
func (d *Decoder) alertState(sc *scanner, s *iot.AlertState) bool {
	raised := false
	ok := sc.object(func(key []byte) bool {
		switch string(key) {
		case "rule":
			return d.text(sc, &s.Rule)
		case "condition":
			return d.text(sc, (*string)(&s.Condition))
		case "onset":
			return sc.time(&s.Onset)
		case "safe":
			return sc.time(&s.Safe)
		case "raised":
			if raised {
				return false // The general decoder merges the two.
			}
			raised = true
			s.Raised = new(iot.Alert)
			return d.alert(sc, s.Raised)
		default:
			return false
		}
	})
	return ok && checkTimes(s.Onset, s.Safe) == nil
}

// alert reads an alert as AppendAlert writes it into a, which must be empty. Of a flood there are as many as devices, and the general decoder
// takes twenty times as long.
func (d *Decoder) alert(sc *scanner, a *iot.Alert) bool {
	ok := sc.object(func(key []byte) bool { return d.alertMember(sc, key, a) })
	switch a.Transition {
	case iot.Raised, iot.Updated, iot.Acknowledged, iot.Cleared, iot.Noted:
	default:
		return false
	}
	return ok && a.ID != "" && a.DeviceID != "" && checkTimes(a.Onset, a.Time, a.AckedAt, a.SuppressedUntil, a.SuppressedAt, a.Latched) == nil
}

func (d *Decoder) alertMember(sc *scanner, key []byte, a *iot.Alert) bool {
	if dst := alertText(key, a); dst != nil {
		return d.text(sc, dst)
	}
	if dst := alertTime(key, a); dst != nil {
		return sc.time(dst)
	}
	switch string(key) {
	case "id":
		return sc.copied(&a.ID)
	case "message": // It mostly has a value that no other has.
		return sc.copied(&a.Message)
	case "message_en":
		return sc.copied(&a.MessageEN)
	case "comment":
		return sc.copied(&a.Comment)
	case "current_value":
		return sc.float(&a.Value)
	case "threshold":
		return sc.float(&a.Threshold)
	case "below":
		return sc.boolean(&a.Below)
	case "historical":
		return sc.boolean(&a.Historical)
	case "location":
		return a.Location == iot.Location{} && (d.locations.recall(sc, &a.Location) || d.location(sc, &a.Location))
	case "alarm_state": // It follows from the others.
		_, ok := sc.string()
		return ok
	case "partition":
		return integer(sc, &a.Partition)
	case "epoch":
		return integer(sc, &a.Epoch)
	case "position":
		return integer(sc, &a.Offset)
	default:
		return false
	}
}

// alertText returns where to keep a text that many alerts have, nil if the key is of no such text.
func alertText(key []byte, a *iot.Alert) *string {
	switch string(key) {
	case "device_id":
		return (*string)(&a.DeviceID)
	case "device_type":
		return (*string)(&a.DeviceType)
	case "alert_type":
		return &a.Rule
	case "severity":
		return (*string)(&a.Severity)
	case "state":
		return (*string)(&a.Transition)
	case "procedure":
		return &a.Procedure
	case "unit":
		return &a.Unit
	case "area":
		return (*string)(&a.Area)
	case "reason":
		return (*string)(&a.Reason)
	case "acknowledged_by":
		return &a.AckedBy
	case "suppressed":
		return (*string)(&a.Suppressed)
	case "suppressed_by":
		return &a.SuppressedBy
	case "actor":
		return &a.Actor
	case "tenant":
		return (*string)(&a.Tenant)
	default:
		return nil
	}
}

// alertTime returns where to keep a time, nil if the key is of none.
func alertTime(key []byte, a *iot.Alert) *time.Time {
	switch string(key) {
	case "onset":
		return &a.Onset
	case "timestamp":
		return &a.Time
	case "latched_at":
		return &a.Latched
	case "acknowledged_at":
		return &a.AckedAt
	case "suppressed_until":
		return &a.SuppressedUntil
	case "suppressed_at":
		return &a.SuppressedAt
	default:
		return nil
	}
}

// copied reads a string that is not worth to be interned.
func (sc *scanner) copied(dst *string) bool {
	text, ok := sc.string()
	if ok {
		*dst = string(text)
	}
	return ok
}

// boolean reads true or false.
func (sc *scanner) boolean(dst *bool) bool {
	switch {
	case sc.literal("true"):
		*dst = true
	case sc.literal("false"):
		*dst = false
	default:
		return false
	}
	return true
}
