package kafka

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// Tests with a broker need these names. They are in package kafka_test, because package kafkatest imports this one.
const (
	ReadingsPerBatch = readingsPerBatch
	StallAfter       = stallAfter
)

// Buffered returns how many readings the log has not acknowledged yet.
func (p *Producer) Buffered() int64 { return p.client.BufferedProduceRecords() }

// LookAtMarkers has a watch look twice, as if its patience had passed in between.
func LookAtMarkers(ctx context.Context, w *MarkerWatch, admin *kadm.Client) {
	now := time.Now()
	w.check(ctx, admin, now)
	w.check(ctx, admin, now.Add(markerPatience))
}
