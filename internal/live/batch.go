package live

import "iotmon/internal/iot"

// Batch is what one fetch from the log brought, in the order of each partition. Some of it may be older than, or the same
// as, what was applied before: a processor that takes over repeats, and one that lost its partition may still be talking.
type Batch struct {
	States    []iot.DeviceState
	Summaries []iot.WindowSummary
	Alerts    []iot.Alert
}
