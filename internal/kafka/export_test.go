package kafka

// What tests with a broker need to know: package kafkatest, which has it, imports this one, so they are in package kafka_test.
const (
	EnqueueChunk = enqueueChunk
	StallAfter   = stallAfter
)

// Buffered returns how many readings the log has not acknowledged.
func (p *Producer) Buffered() int64 { return p.client.BufferedProduceRecords() }
