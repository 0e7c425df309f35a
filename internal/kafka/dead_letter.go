package kafka

// The headers of a dead letter: what is wrong with the record, and where it was.
const (
	// HeaderReason says why the record was rejected, HeaderField which field of it, empty for the record as a whole.
	HeaderReason = "reason"
	HeaderField  = "field"
	// HeaderReasonCode is the code of the reason, and HeaderReasonArguments a JSON object of its arguments; absent for a reason without them.
	HeaderReasonCode      = "reason-code"
	HeaderReasonArguments = "reason-arguments"
	// HeaderSource is the name of the configured source that has received the value; absent for a record of the readings' topic. Then
	// HeaderSourceTopic says where in the source it came from, and the other headers of the place are absent.
	HeaderSource = "source"
	// HeaderSourceTopic, HeaderSourcePartition and HeaderSourceOffset say where the record was, HeaderSourceTime, RFC 3339, when it
	// was appended there.
	HeaderSourceTopic     = "source-topic"
	HeaderSourcePartition = "source-partition"
	HeaderSourceOffset    = "source-offset"
	HeaderSourceTime      = "time"
	// HeaderSourceKind is the name of the record's kind; absent for a reading.
	HeaderSourceKind = "source-kind"
	// HeaderTruncated is the length of the value in bytes before it was cut; absent if it is whole.
	HeaderTruncated = "truncated-from"
)
