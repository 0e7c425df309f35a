package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"iotmon/internal/iot"
)

// deviceState is the JSON on topic device-state, for decoding; AppendDeviceState writes it.
type deviceState struct {
	Reading json.RawMessage `json:"reading"`
	// Tenant is absent if the device has none.
	Tenant iot.Tenant `json:"tenant"`
	// Area is absent if the registry says nothing.
	Area     iot.Area   `json:"area"`
	Status   iot.Status `json:"status"`
	Since    time.Time  `json:"since"`
	LastSeen time.Time  `json:"heard"`
	// Age is in microseconds; absent, it is LastSeen minus the reading's time.
	Age    *int64       `json:"age_us"`
	Alerts []alertState `json:"alerts"`
	// Conditions is absent while only thresholds are in use: the last release does not know it.
	Conditions []conditionState `json:"conditions"`
	Past       *pastRun         `json:"past"`
	Clock      *clockRun        `json:"clock"`
	// Interval is in microseconds; absent if the source has said none.
	Interval int64 `json:"interval_us"`
	// Session is absent if it is 0.
	Session int64         `json:"session"`
	Report  *statusReport `json:"report"`
	iot.Position
}

// pastRun is the JSON of an iot.PastRun.
type pastRun struct {
	Last       time.Time        `json:"last"`
	Arrived    time.Time        `json:"arrived"`
	Forward    bool             `json:"forward,omitempty"`
	Backward   bool             `json:"backward,omitempty"`
	Resumed    bool             `json:"resumed,omitempty"`
	Alerts     []alertState     `json:"alerts"`
	Conditions []conditionState `json:"conditions,omitempty"`
}

// clockRun is the JSON of an iot.ClockRun.
type clockRun struct {
	Began time.Time `json:"began"`
	// Age is in microseconds.
	Age   int64 `json:"age_us"`
	Count int   `json:"count"`
}

// alertState is the JSON of an iot.AlertState.
type alertState struct {
	Rule      string            `json:"rule"`
	Condition iot.ConditionKind `json:"condition,omitempty"`
	Onset     time.Time         `json:"onset,omitzero"`
	Safe      time.Time         `json:"safe,omitzero"`
	Raised    *topicAlert       `json:"raised,omitempty"`
}

// conditionState is the JSON of an iot.ConditionState.
type conditionState struct {
	Rule      string            `json:"rule"`
	Condition iot.ConditionKind `json:"condition,omitempty"`
	Version   int64             `json:"version,omitempty"`
	Points    []conditionPoint  `json:"points,omitempty"`
}

// conditionPoint is the JSON of an iot.ConditionPoint.
type conditionPoint struct {
	At    int64   `json:"at"`
	Value float64 `json:"value"`
	Count uint64  `json:"count,omitempty"`
	Min   float64 `json:"min,omitempty"`
	Max   float64 `json:"max,omitempty"`
}

// AppendDeviceState appends the JSON of a device's state. It uses encoding/json only for alerts, conditions, past, clock and
// report, which few devices have.
func AppendDeviceState(dst []byte, s *iot.DeviceState) []byte {
	dst = AppendReading(append(dst, `{"reading":`...), &s.Latest)
	dst = appendField(dst, `,"tenant":`, string(s.Latest.Tenant))
	dst = appendField(dst, `,"area":`, string(s.Area))
	dst = appendField(dst, `,"status":`, string(s.Status))
	dst = appendTime(append(dst, `,"since":`...), s.Since)
	dst = appendTime(append(dst, `,"heard":`...), s.LastSeen)
	if s.Age != s.LastSeen.Sub(s.Latest.Time) {
		dst = strconv.AppendInt(append(dst, `,"age_us":`...), s.Age.Microseconds(), 10)
	}
	if len(s.Alerts) > 0 {
		dst = appendJSON(append(dst, `,"alerts":`...), toAlertStates(s.Alerts))
	}
	if len(s.Conditions) > 0 {
		dst = appendJSON(append(dst, `,"conditions":`...), toConditionStates(s.Conditions))
	}
	if run := s.Past; run != nil {
		past := pastRun{
			Last: run.Last, Arrived: run.Arrived, Forward: run.Forward, Backward: run.Backward, Resumed: run.Resumed,
			Alerts: toAlertStates(run.Alerts), Conditions: toConditionStates(run.Conditions),
		}
		dst = appendJSON(append(dst, `,"past":`...), past)
	}
	if run := s.Clock; run != nil {
		dst = appendJSON(append(dst, `,"clock":`...), clockRun{Began: run.Began, Age: run.Age.Microseconds(), Count: run.Count})
	}
	if s.Interval != 0 {
		dst = strconv.AppendInt(append(dst, `,"interval_us":`...), s.Interval.Microseconds(), 10)
	}
	if s.Session != 0 {
		dst = strconv.AppendInt(append(dst, `,"session":`...), s.Session, 10)
	}
	if s.Report != nil {
		dst = appendJSON(append(dst, `,"report":`...), statusReport(*s.Report))
	}
	dst = strconv.AppendInt(append(dst, `,"partition":`...), int64(s.Partition), 10)
	dst = strconv.AppendInt(append(dst, `,"epoch":`...), int64(s.Epoch), 10)
	dst = strconv.AppendInt(append(dst, `,"position":`...), s.Offset, 10)
	return append(dst, '}')
}

// DecodeDeviceState decodes what AppendDeviceState wrote.
func DecodeDeviceState(data []byte) (iot.DeviceState, error) { return new(Decoder).DeviceState(data) }

// DeviceState decodes what AppendDeviceState wrote.
func (d *Decoder) DeviceState(data []byte) (iot.DeviceState, error) {
	var s iot.DeviceState
	if d.stateFast(data, &s) {
		return s, nil
	}
	return d.stateGeneral(data)
}

// stateFast decodes a state in the form in which AppendDeviceState writes it, without conditions, past and clock, which few devices have.
func (d *Decoder) stateFast(data []byte, s *iot.DeviceState) bool {
	sc := scanner{text: data}
	var tenant string
	aged, listed := false, false
	ok := sc.object(func(key []byte) bool {
		switch string(key) {
		case "reading":
			return d.reading(&sc, nil, &s.Latest)
		case "tenant":
			return d.text(&sc, &tenant)
		case "area":
			return d.text(&sc, (*string)(&s.Area))
		case "status":
			return d.text(&sc, (*string)(&s.Status))
		case "since":
			return sc.time(&s.Since)
		case "heard":
			return sc.time(&s.LastSeen)
		case "age_us":
			var micros int64
			aged = integer(&sc, &micros)
			s.Age = time.Duration(micros) * time.Microsecond
			return aged
		case "alerts":
			if listed {
				return false // The general decoder merges the two lists.
			}
			listed = true
			return sc.array(func() bool {
				s.Alerts = append(s.Alerts, iot.AlertState{})
				return d.alertState(&sc, &s.Alerts[len(s.Alerts)-1])
			})
		case "interval_us":
			var micros int64
			ok := integer(&sc, &micros)
			s.Interval = time.Duration(micros) * time.Microsecond
			return ok && validInterval(micros)
		case "session":
			return integer(&sc, &s.Session)
		case "report":
			return s.Report == nil && d.report(&sc, &s.Report)
		case "partition":
			return integer(&sc, &s.Partition)
		case "epoch":
			return integer(&sc, &s.Epoch)
		case "position":
			return integer(&sc, &s.Offset)
		default:
			return false
		}
	})
	s.Latest.Tenant = iot.Tenant(tenant)
	if !aged {
		s.Age = s.LastSeen.Sub(s.Latest.Time)
	}
	return ok && s.Latest.ID != "" && sc.end() && checkTimes(s.Latest.Time, s.Since, s.LastSeen) == nil &&
		(s.Report == nil || checkTimes(s.Report.Time) == nil)
}

// validInterval reports whether an interval in microseconds is one that a source may have said.
func validInterval(micros int64) bool { return micros >= 0 && micros <= iot.MaxInterval.Microseconds() }

// report reads the status report within a state.
func (d *Decoder) report(sc *scanner, dst **iot.StatusReport) bool {
	report := new(iot.StatusReport)
	*dst = report
	return sc.object(func(key []byte) bool {
		switch string(key) {
		case "status":
			return d.text(sc, (*string)(&report.Status))
		case "reason":
			return d.text(sc, &report.Reason)
		case "time":
			return sc.time(&report.Time)
		case "session":
			return integer(sc, &report.Session)
		default:
			return false
		}
	})
}

// StatePosition returns the position at the end of a state without decoding the rest; false if the text does not end as
// AppendDeviceState writes it.
func StatePosition(data []byte) (iot.Position, bool) {
	var p iot.Position
	at := len(data)
	for range 3 { // The position has three members, none with a comma in its value.
		at = max(bytes.LastIndexByte(data[:at], ','), 0)
	}
	sc := scanner{text: data, at: at}
	ok := sc.literal(`,"partition":`) && integer(&sc, &p.Partition) && sc.literal(`,"epoch":`) && integer(&sc, &p.Epoch) &&
		sc.literal(`,"position":`) && integer(&sc, &p.Offset) && sc.consume('}') && sc.end()
	return p, ok
}

func (d *Decoder) stateGeneral(data []byte) (iot.DeviceState, error) {
	var m deviceState
	if err := json.Unmarshal(data, &m); err != nil {
		return iot.DeviceState{}, fmt.Errorf("decode device state: %w", err)
	}
	s := iot.DeviceState{Area: m.Area, Status: m.Status, Since: m.Since.UTC(), LastSeen: m.LastSeen.UTC(), Position: m.Position}
	if err := d.decode(nil, m.Reading, &s.Latest); err != nil {
		return iot.DeviceState{}, fmt.Errorf("decode device state: reading: %w", err)
	}
	s.Latest.Tenant = m.Tenant
	if err := checkTimes(s.Latest.Time, s.Since, s.LastSeen); err != nil {
		return iot.DeviceState{}, fmt.Errorf("decode device state: %w", err)
	}
	s.Age = s.LastSeen.Sub(s.Latest.Time)
	if m.Age != nil {
		s.Age = time.Duration(*m.Age) * time.Microsecond
	}
	var err error
	if s.Alerts, err = fromAlertStates(m.Alerts); err != nil {
		return iot.DeviceState{}, fmt.Errorf("decode device state: %w", err)
	}
	if s.Conditions, err = fromConditionStates(m.Conditions); err != nil {
		return iot.DeviceState{}, fmt.Errorf("decode device state: %w", err)
	}
	if run := m.Past; run != nil {
		if err := checkTimes(run.Last, run.Arrived); err != nil {
			return iot.DeviceState{}, fmt.Errorf("decode device state: past: %w", err)
		}
		s.Past = &iot.PastRun{Last: run.Last.UTC(), Arrived: run.Arrived.UTC(), Forward: run.Forward, Backward: run.Backward, Resumed: run.Resumed}
		if s.Past.Alerts, err = fromAlertStates(run.Alerts); err != nil {
			return iot.DeviceState{}, fmt.Errorf("decode device state: past: %w", err)
		}
		if s.Past.Conditions, err = fromConditionStates(run.Conditions); err != nil {
			return iot.DeviceState{}, fmt.Errorf("decode device state: past: %w", err)
		}
	}
	if !validInterval(m.Interval) {
		return iot.DeviceState{}, fmt.Errorf("decode device state: interval_us: must be between 0 and %d (got %d)", iot.MaxInterval.Microseconds(), m.Interval)
	}
	s.Session, s.Interval = m.Session, time.Duration(m.Interval)*time.Microsecond
	if m.Report != nil {
		if err := checkTimes(m.Report.Time); err != nil {
			return iot.DeviceState{}, fmt.Errorf("decode device state: report: %w", err)
		}
		report := iot.StatusReport(*m.Report)
		report.Time = report.Time.UTC()
		s.Report = &report
	}
	if run := m.Clock; run != nil {
		if err := checkTimes(run.Began); err != nil {
			return iot.DeviceState{}, fmt.Errorf("decode device state: clock: %w", err)
		}
		s.Clock = &iot.ClockRun{Began: run.Began.UTC(), Age: time.Duration(run.Age) * time.Microsecond, Count: run.Count}
	}
	return s, nil
}

func fromAlertStates(messages []alertState) ([]iot.AlertState, error) {
	var states []iot.AlertState
	for i := range messages {
		state := &messages[i]
		if err := checkTimes(state.Onset, state.Safe); err != nil {
			return nil, fmt.Errorf("alerts[%d]: %w", i, err)
		}
		restored := iot.AlertState{Rule: state.Rule, Condition: state.Condition, Onset: state.Onset.UTC(), Safe: state.Safe.UTC()}
		if state.Raised != nil {
			raised, err := fromTopic(state.Raised)
			if err != nil {
				return nil, fmt.Errorf("alerts[%d]: %w", i, err)
			}
			restored.Raised = &raised
		}
		states = append(states, restored)
	}
	return states, nil
}

func toAlertStates(states []iot.AlertState) []alertState {
	messages := make([]alertState, len(states))
	for i := range states {
		messages[i] = alertState{Rule: states[i].Rule, Condition: states[i].Condition, Onset: states[i].Onset, Safe: states[i].Safe}
		if states[i].Raised != nil {
			raised := toTopic(states[i].Raised)
			messages[i].Raised = &raised
		}
	}
	return messages
}

func fromConditionStates(messages []conditionState) ([]iot.ConditionState, error) {
	var states []iot.ConditionState
	for i, m := range messages {
		if len(m.Points) > iot.MaxConditionPoints {
			return nil, fmt.Errorf("conditions[%d]: more than %d points (got %d)", i, iot.MaxConditionPoints, len(m.Points))
		}
		state := iot.ConditionState{Rule: m.Rule, Condition: m.Condition, Version: m.Version}
		for _, p := range m.Points {
			state.Points = append(state.Points, iot.ConditionPoint(p))
		}
		states = append(states, state)
	}
	return states, nil
}

func toConditionStates(states []iot.ConditionState) []conditionState {
	messages := make([]conditionState, len(states))
	for i := range states {
		s := &states[i]
		messages[i] = conditionState{Rule: s.Rule, Condition: s.Condition, Version: s.Version}
		for _, p := range s.Points {
			messages[i].Points = append(messages[i].Points, conditionPoint(p))
		}
	}
	return messages
}
