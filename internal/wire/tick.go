package wire

// TickHeader is the header that marks a record of the readings' log as a tick: a record without a value whose append time
// moves the clock of a partition in which no device sends.
const TickHeader = "iotmon-tick"
