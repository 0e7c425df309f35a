package wire

// TickHeader is the header that marks a record of the readings' log as a tick: it has no value and only tells, by the time
// at which it was appended, that time passes in a partition where nobody speaks.
const TickHeader = "iotmon-tick"
