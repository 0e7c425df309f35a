package kafka

// Topics are the names of the topics that the stages exchange records through.
type Topics struct {
	// Readings holds one reading per record, keyed by device.
	Readings string
	// DeadLetters holds rejected records, untouched.
	DeadLetters string
	// Aggregates holds one partition's summary of one type in one window per record.
	Aggregates string
	// Alerts holds alert events, keyed by device.
	Alerts string
	// States holds the latest state of each device. It is compacted and has as many partitions as Readings.
	States string
	// InForce holds what is in force in each partition of Readings: rules, registry entries and so on. It is compacted and has
	// as many partitions as Readings.
	InForce string
	// Sources decides which of many programs runs a source: each source belongs to a partition of it, see Leases. Its records are the
	// states of the sources, keyed by their names. The embedded broker does not have it: iotmon runs all its sources itself.
	Sources string
	// Maps holds the maps of sources that people have decided, keyed by the names of the sources. It is compacted.
	Maps string
}

// DefaultTopics returns the names that the documentation uses.
func DefaultTopics() Topics {
	return Topics{
		Readings:    "device-data",
		DeadLetters: "device-data-dlq",
		Aggregates:  "aggregates",
		Alerts:      "alerts",
		States:      "device-state",
		InForce:     "partition-state",
		Sources:     "source-leases",
		Maps:        "source-maps",
	}
}
