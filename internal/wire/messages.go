package wire

import (
	"time"

	"iotmon/internal/iot"
)

// The types of the messages that a WebSocket client receives.
const (
	TypeHello          = "hello"
	TypeDeviceTypes    = "device_types"
	TypeAlertRules     = "alert_rules"
	TypeAggregatedData = "aggregated_data"
	TypeHistoryChanged = "history_changed"
	TypeDeviceData     = "device_data"
	TypeDeviceStatus   = "device_status"
	TypeDeviceRemoved  = "device_removed"
	TypeAlert          = "alert"
	TypeError          = "error"
)

// TypeFilter is the type of the only message that a WebSocket client may send.
const TypeFilter = "filter"

// Envelope begins every message from the server. Seq grows by one with each message of the server, including those that a
// client's filter hides. A client may resume after the last Seq that it received.
type Envelope struct {
	Type string `json:"type"`
	Seq  uint64 `json:"seq"`
	// Timestamp is the server's clock when the message was made.
	Timestamp time.Time `json:"timestamp"`
	// Snapshot marks a message with the current state, for a client that has just connected, as opposed to a change.
	Snapshot bool `json:"snapshot,omitempty"`
}

// Hello is the first message on every connection.
type Hello struct {
	Envelope
	ServerVersion string `json:"server_version"`
	// Session names this connection. A client that gives it and the last Seq when it connects again is sent what it missed,
	// unless the server was restarted.
	Session string `json:"session"`
	// Resumed means that the missed messages follow; otherwise a snapshot follows.
	Resumed       bool       `json:"resumed"`
	WindowSeconds int        `json:"window_seconds"`
	DeviceTypes   []TypeSpec `json:"device_types"`
	AlertRulesInForce
	Limits Limits `json:"limits"`
}

// MaxAlertRules is the maximum length of AlertRulesInForce.AlertRules: every client is sent it, however many rules there are.
const MaxAlertRules = 200

// AlertRulesInForce lists the rules in force that compare the value of every device of a type, so that a chart can show their thresholds. Of more than
// MaxAlertRules each type has its most urgent ones, and AlertRulesOmitted is how many are left out.
type AlertRulesInForce struct {
	AlertRules        []AlertRule `json:"alert_rules"`
	AlertRulesOmitted int         `json:"alert_rules_omitted,omitempty"`
}

// AlertRules says that other rules are in force than before. It comes also if none of those that it lists has changed: the rules of a single device,
// which the API knows, may be others.
type AlertRules struct {
	Envelope
	AlertRulesInForce
}

// AlertRule is the rule behind the alerts of one type; its fields have the names of Alert's.
type AlertRule struct {
	AlertType  string         `json:"alert_type"`
	DeviceType iot.DeviceType `json:"device_type"`
	Severity   iot.Severity   `json:"severity"`
	Threshold  float64        `json:"threshold"`
	Below      bool           `json:"below,omitempty"`
}

// TypeSpec describes a device type to a client.
type TypeSpec struct {
	Name     iot.DeviceType    `json:"name"`
	Unit     string            `json:"unit"`
	Decimals int               `json:"decimals"`
	Min      float64           `json:"min"`
	Max      float64           `json:"max"`
	Labels   map[string]string `json:"labels"`
	States   []string          `json:"states,omitempty"`
}

// Limits are the server's limits for a client.
type Limits struct {
	MessageBytes    int `json:"message_bytes"`
	FilterItems     int `json:"filter_items"`
	PingSeconds     int `json:"ping_seconds"`
	MaxConnections  int `json:"max_connections"`
	ResumeMessages  int `json:"resume_messages"`
	SnapshotWindows int `json:"snapshot_windows"`
}

// AggregatedData carries one window, all partitions added up. A later message with the same WindowStart replaces it. Final
// means that the window has closed. When the archive recomputes a closed window because of late readings, the window is
// sent again with Corrected.
type AggregatedData struct {
	Envelope
	WindowStart   time.Time                        `json:"window_start"`
	WindowSeconds int                              `json:"window_seconds"`
	Final         bool                             `json:"final"`
	Corrected     bool                             `json:"corrected,omitempty"`
	Data          map[iot.DeviceType]AggregateData `json:"data"`
	DeviceStatus  StatusCounts                     `json:"device_status"`
}

// DeviceTypes has every device type, as Hello does. It comes when there are more than there were.
type DeviceTypes struct {
	Envelope
	DeviceTypes []TypeSpec `json:"device_types"`
}

// HistoryChanged means that the archive has recomputed windows older than those sent here: a client that shows such windows
// reads them from the API again.
type HistoryChanged struct {
	Envelope
}

// AggregateData holds the numbers of one device type in one window. The three values are null when Count is 0.
type AggregateData struct {
	Count       int64    `json:"count"`
	Average     *float64 `json:"avg_value"`
	Max         *float64 `json:"max_value"`
	Min         *float64 `json:"min_value"`
	DeviceCount int64    `json:"device_count"`
	Online      int64    `json:"online_devices"`
	Offline     int64    `json:"offline_devices"`
	AlertCount  int64    `json:"alert_count"`
	// UncertainCount counts those readings within Count whose quality is uncertain. BadCount counts readings of quality
	// bad, which no other number includes.
	UncertainCount int64 `json:"uncertain_count,omitempty"`
	BadCount       int64 `json:"bad_count,omitempty"`
}

// Aggregate is the documented summary object: one device type in one window, all partitions added up.
type Aggregate struct {
	// Timestamp is the window's start.
	Timestamp     time.Time      `json:"timestamp"`
	WindowSeconds int            `json:"window_seconds"`
	DeviceType    iot.DeviceType `json:"device_type"`
	Data          AggregateData  `json:"aggregated_data"`
	// Alerts lists at most iot.MaxSummaryAlerts alerts that were open at the window's close, most urgent first.
	Alerts []Alert `json:"alerts"`
}

// StatusCounts counts devices.
type StatusCounts struct {
	Total   int64 `json:"total_devices"`
	Online  int64 `json:"online_devices"`
	Offline int64 `json:"offline_devices"`
}

// DeviceData carries the latest reading of every device that has sent one since the last such message.
type DeviceData struct {
	Envelope
	Devices []Device `json:"devices"`
}

// Device is a device as clients see it: its latest reading and more. Status is determined by the system: a silent device is
// offline.
type Device struct {
	Reading
	// Since is when Status last changed.
	Since time.Time `json:"since"`
	// OpenAlerts counts the alerts open on the device.
	OpenAlerts int `json:"open_alerts"`
}

// DeviceStatus carries the number of devices, how many are online, and which have changed since the last such message.
type DeviceStatus struct {
	Envelope
	StatusCounts
	ByType            map[iot.DeviceType]StatusCounts `json:"by_type"`
	Changed           []StatusChange                  `json:"changed"`
	ReadingsPerSecond float64                         `json:"readings_per_second"`
}

// StatusChange is a device that went online or offline.
type StatusChange struct {
	DeviceID iot.DeviceID `json:"device_id"`
	Status   iot.Status   `json:"status"`
	Since    time.Time    `json:"since"`
}

// DeviceRemoved lists devices that were forgotten: a client removes them and their alerts. A device that sends again comes
// with the next DeviceData, like a new one.
type DeviceRemoved struct {
	Envelope
	DeviceIDs []iot.DeviceID `json:"device_ids"`
}

// AlertMessage carries alert events, oldest first. As a snapshot it carries the raised event of every open alert.
type AlertMessage struct {
	Envelope
	Alerts []Alert `json:"alerts"`
}

// Error is what a client did wrong, or why it is being disconnected.
type Error struct {
	Envelope
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Filter limits what a client receives; an empty list or string does not limit it. A message must match every list, by any
// of its entries.
type Filter struct {
	Type        string           `json:"type"`
	DeviceTypes []iot.DeviceType `json:"device_types,omitempty"`
	DeviceIDs   []iot.DeviceID   `json:"device_ids,omitempty"`
	Buildings   []string         `json:"buildings,omitempty"`
	// Areas are first levels of areas. Unlike the other lists, they also narrow the numbers of the windows.
	Areas       []iot.Area   `json:"areas,omitempty"`
	MinSeverity iot.Severity `json:"min_severity,omitempty"`
}

// Reading is the documented JSON of one reading: the value of topic device-data and the body of HTTP ingest.
type Reading struct {
	DeviceID   iot.DeviceID   `json:"device_id"`
	DeviceType iot.DeviceType `json:"device_type"`
	// Timestamp is ISO 8601 with a time zone.
	Timestamp  time.Time    `json:"timestamp"`
	Value      float64      `json:"value"`
	Unit       string       `json:"unit,omitempty"`
	Location   iot.Location `json:"location,omitzero"`
	Status     iot.Status   `json:"status,omitempty"`
	Metadata   iot.Metadata `json:"metadata,omitzero"`
	Quality    iot.Quality  `json:"quality,omitempty"`
	ReceivedAt *time.Time   `json:"received_at,omitempty"`
	Historical bool         `json:"historical,omitempty"`
}

// Alert is the JSON of one alert event: the documented fields, and those of the alert's life cycle.
type Alert struct {
	ID         string         `json:"id"`
	DeviceID   iot.DeviceID   `json:"device_id"`
	DeviceType iot.DeviceType `json:"device_type"`
	AlertType  string         `json:"alert_type"`
	Severity   iot.Severity   `json:"severity"`
	State      iot.Transition `json:"state"`
	Message    string         `json:"message"`
	// MessageEN is Message in English, Procedure the address of a page that says what to do.
	MessageEN    string  `json:"message_en,omitempty"`
	Procedure    string  `json:"procedure,omitempty"`
	CurrentValue float64 `json:"current_value"`
	Threshold    float64 `json:"threshold"`
	// Below means that values under Threshold violate the rule, rather than values over it.
	Below    bool         `json:"below,omitempty"`
	Unit     string       `json:"unit,omitempty"`
	Location iot.Location `json:"location,omitzero"`
	// Area is where the registry says that the device belongs; absent if the location applies.
	Area       iot.Area  `json:"area,omitempty"`
	Onset      time.Time `json:"onset"`
	Timestamp  time.Time `json:"timestamp"`
	Historical bool      `json:"historical,omitempty"`
	// AlarmState is where the alert is in its life, in the terms of ISA-18.2. LatchedAt is when its condition has returned to normal, while its
	// rule keeps it open.
	AlarmState iot.LifeState `json:"alarm_state"`
	LatchedAt  time.Time     `json:"latched_at,omitzero"`
	// Reason is why the alert has cleared, empty if a reading was the reason.
	Reason iot.ClearReason `json:"reason,omitempty"`
	// AcknowledgedAt is absent if nobody has acknowledged the alert.
	AcknowledgedAt time.Time `json:"acknowledged_at,omitzero"`
	AcknowledgedBy string    `json:"acknowledged_by,omitempty"`
	// Suppressed is why nobody is to be notified of the alert, until SuppressedUntil if that is planned.
	Suppressed      iot.Suppression `json:"suppressed,omitempty"`
	SuppressedUntil time.Time       `json:"suppressed_until,omitzero"`
	SuppressedBy    string          `json:"suppressed_by,omitempty"`
	SuppressedAt    time.Time       `json:"suppressed_at,omitzero"`
	// SuppressedReason is why a person has decided that, and SuppressedActor who has decided about the maintenance that SuppressedBy names.
	SuppressedReason string `json:"suppressed_reason,omitempty"`
	SuppressedActor  string `json:"suppressed_actor,omitempty"`
	// Actor is the person who caused the event, and Comment what that person wrote.
	Actor   string `json:"actor,omitempty"`
	Comment string `json:"comment,omitempty"`
}
