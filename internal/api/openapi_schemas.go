package api

import (
	"fmt"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/iot"
)

// property describes one property of a schema.
type property struct{ schema, name, text string }

// properties describes the messages of package wire, whose types have no OpenAPI tags.
func properties() []property {
	return []property{
		{"Reading", "device_id", "Identifies the device permanently; at most 128 bytes."},
		{"Reading", "device_type", "One of the device types."},
		{"Reading", "timestamp", "The device's own clock, RFC 3339 with a time zone, cut to the microsecond; or Unix time."},
		{"Reading", "value", "In unit; within the physical range of the device type. true and ON are 1, false and OFF are 0."},
		{"Reading", "unit", "The unit of value, converted to the device type's; that unit if absent."},
		{"Reading", "status", "What the device reports about itself; online if absent."},
		{"Reading", "quality", "How far the value can be trusted; good if absent."},
		{"Reading", "received_at", "When a gateway received the reading; set on arrival if absent."},
		{"Reading", "historical", "The reading is replayed or buffered rather than live."},
		{"Device", "timestamp", "The time of the latest reading, by the device's own clock."},
		{"Device", "value", "The latest reading, in unit."},
		{"Device", "unit", "The device type's unit."},
		{"Device", "status", "Online or offline as the system determines it: a silent device is offline."},
		{"Device", "since", "When status last changed."},
		{"Device", "open_alerts", "How many alerts are open on the device."},
		{"Aggregate", "timestamp", "The window's start."},
		{"Aggregate", "window_seconds", "The window's length."},
		{"Aggregate", "alerts", "The most urgent alerts open at the window's close, at most 50."},
		{"AggregateData", "count", "The number of readings."},
		{"AggregateData", "avg_value", "Null when count is 0, as are max_value and min_value."},
		{"AggregateData", "device_count", "The distinct devices among the readings."},
		{"AggregateData", "online_devices", "Known devices of the type that were online at the window's close."},
		{"AggregateData", "offline_devices", "Known devices of the type that were offline at the window's close."},
		{"AggregateData", "alert_count", "Alerts open at the window's close, listed or not."},
		{"Alert", "id", "The same for every event of one alert; derived from rule, device and onset."},
		{"Alert", "alert_type", "The rule's name."},
		{"Alert", "state", "What this event reports; an alert is open until it is cleared."},
		{"Alert", "message", "For people, in Chinese; for another language make a text of the other fields."},
		{"Alert", "current_value", "The reading's value at this event; 0 for device_offline."},
		{"Alert", "threshold", "The rule's; 0 for device_offline."},
		{"Alert", "onset", "The first violating reading, or when a silent device counts as offline."},
		{"Alert", "timestamp", "The event time of this event."},
		{"Alert", "historical", "Found in past readings, such as those of a backlog: already over, and nobody is notified."},
		{"Alert", "acknowledged_at", "When a person acknowledged the alert; absent if nobody has. Only in live messages."},
		{"Alert", "acknowledged_by", "Who acknowledged the alert. Only in live messages."},
		{"Alert", "suppressed", "Why nobody is to be notified: shelved, out_of_service, by_design or by_parent. Only in live messages."},
		{"Alert", "suppressed_until", "The planned end of the suppression; absent if there is none. Only in live messages."},
		{"Alert", "suppressed_by", "Who has shelved it, an opaque id, or the name of the maintenance, or the id of the parent that suppresses it."},
		{"Alert", "suppressed_at", "Since when it is suppressed."},
		{"Alert", "suppressed_reason", "Why a person has decided that; at most 256 bytes, a longer reason of a shelving is cut."},
		{"Alert", "suppressed_actor", "Who has decided the maintenance: an opaque id; absent if that is not known, and of anything else."},
		{"Alert", "actor", "The person who caused this event; absent if no person did. Only in live messages."},
		{"Alert", "comment", "What that person wrote. Only in live messages."},
		{"TypeSpec", "decimals", "How many digits after the point are worth showing."},
		{"TypeSpec", "min", "A value below cannot be true and is rejected."},
		{"TypeSpec", "max", "A value above cannot be true and is rejected."},
		{"TypeSpec", "labels", "Names for people, by language: en, zh."},
		{"TypeSpec", "states", "Names of discrete values, index by value; absent for a measurement."},
		{"Metadata", "battery_level", "In percent; absent for a device without a battery."},
		{"Ingested", "accepted", "How many readings the log has acknowledged."},
		{"Ingested", "duplicates", "How many of the accepted came before, as far as the answering process remembers."},
		{"Ingested", "conflicts", "How many of the accepted have the device and time of an earlier one and another value; the first counts, they do not."},
		{"Rejection", "index", "Which of the readings, counted from 0 in the order sent."},
		{"Rejection", "field", "The JSON path of the offending field; empty when the reading as a whole is wrong."},
	}
}

// describeSchemas adds what the Go types of the messages cannot express: descriptions, enumerations, and that no array is
// null. A description of a property that does not exist is an error.
func describeSchemas(document *huma.OpenAPI) error {
	schemas := document.Components.Schemas.Map()
	for _, p := range properties() {
		schema := schemas[p.schema]
		if schema == nil {
			continue // Only used by an omitted operation.
		}
		if schema.Properties[p.name] == nil {
			return fmt.Errorf("schema %s has no property %s to describe", p.schema, p.name)
		}
		schema.Properties[p.name].Description = p.text
	}
	inherit(schemas, "Device", "Reading")
	inherit(schemas, "DeviceDetail", "Device")
	// Of a device that has never sent there is no more.
	schemas["Device"].Required = []string{"device_id", "status"}
	schemas["DeviceDetail"].Required = []string{"device_id", "status", "alerts", "alert_states"}
	inherit(schemas, "ArchivedAlert", "Alert")
	for _, schema := range schemas {
		enumerate(schema.Properties["status"], iot.Online, iot.Offline)
		enumerate(schema.Properties["severity"], iot.Info, iot.Warning, iot.Critical)
		enumerate(schema.Properties["quality"], iot.Good, iot.Uncertain, iot.Bad)
		for _, property := range schema.Properties {
			if property.Type == huma.TypeArray {
				property.Nullable = false
			}
		}
	}
	for _, name := range []string{"Alert", "ArchivedAlert"} {
		if schema := schemas[name]; schema != nil {
			enumerate(schema.Properties["state"], iot.Raised, iot.Updated, iot.Acknowledged, iot.Cleared)
		}
	}
	return nil
}

// inherit copies the descriptions of one schema to the properties that another has from embedding it.
func inherit(schemas map[string]*huma.Schema, to, from string) {
	if schemas[to] == nil || schemas[from] == nil {
		return
	}
	for name, property := range schemas[to].Properties {
		if origin := schemas[from].Properties[name]; origin != nil && property.Description == "" {
			property.Description = origin.Description
		}
	}
}

// enumerate sets the possible values of a string property; it ignores a number of the same name.
func enumerate[T ~string](property *huma.Schema, values ...T) {
	if property == nil || property.Type != huma.TypeString || property.Enum != nil {
		return
	}
	for _, value := range values {
		property.Enum = append(property.Enum, string(value))
	}
}
