package kafka

// Topics are the names of the topics that the system lives on.
type Topics struct {
	// Readings holds one reading per record, keyed by device.
	Readings string
	// DeadLetters holds rejected records, untouched.
	DeadLetters string
	// Aggregates holds one partition's summary of one type in one window per record.
	Aggregates string
	// Alerts holds alert events, keyed by device.
	Alerts string
	// States holds the latest state of each device; it is compacted and has the partitions of Readings.
	States string
}

// DefaultTopics returns the documented names.
func DefaultTopics() Topics {
	return Topics{
		Readings:    "device-data",
		DeadLetters: "device-data-dlq",
		Aggregates:  "aggregates",
		Alerts:      "alerts",
		States:      "device-state",
	}
}
