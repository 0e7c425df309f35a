package kafka

// Tests with a broker need these constants. They are in package kafka_test, because package kafkatest imports this one.
const (
	EnqueueChunk = enqueueChunk
	StallAfter   = stallAfter
)

// Buffered returns how many readings the log has not acknowledged yet.
func (p *Producer) Buffered() int64 { return p.client.BufferedProduceRecords() }
