package kafka

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
	"iotmon/internal/wire"
)

var _ source.Records = (*Producer)(nil)

// Report implements source.Records. It returns after AppendTimeout at the latest.
func (p *Producer) Report(ctx context.Context, reports []source.Report) error {
	records := make([]*kgo.Record, len(reports))
	for i := range reports {
		records[i] = &kgo.Record{
			Topic: p.topic, Key: wire.AppendDeviceKey(nil, reports[i].Device), Value: wire.AppendStatusReport(nil, &reports[i].StatusReport),
			Headers: KindHeaders(iot.KindStatus, reports[i].Level()), Timestamp: time.Now(),
		}
	}
	if err := p.produceSync(ctx, records); err != nil {
		return fmt.Errorf("append reports about devices: %w", err)
	}
	return nil
}

// Reject implements source.Records. It returns after AppendTimeout at the latest.
func (p *Producer) Reject(ctx context.Context, rejected []source.Rejected) error {
	records := make([]*kgo.Record, len(rejected))
	for i := range rejected {
		r := &rejected[i]
		headers := []kgo.RecordHeader{
			{Key: HeaderReason, Value: []byte(r.Reason)},
			{Key: HeaderField, Value: []byte(r.Field)},
			{Key: HeaderSource, Value: []byte(r.Source)},
			{Key: HeaderSourceTopic, Value: []byte(r.Topic)},
		}
		headers = append(headers, reasonHeaders(r.Why)...)
		if len(r.Payload) < r.Length {
			headers = append(headers, kgo.RecordHeader{Key: HeaderTruncated, Value: []byte(strconv.Itoa(r.Length))})
		}
		records[i] = &kgo.Record{Topic: p.deadLetters, Key: []byte(r.Source), Value: r.Payload, Headers: headers, Timestamp: time.Now()}
	}
	if err := p.produceSync(ctx, records); err != nil {
		return fmt.Errorf("append dead letters: %w", err)
	}
	return nil
}

// reasonHeaders returns the headers with the code of a reason; none if it has no code.
func reasonHeaders(why mapping.Reason) []kgo.RecordHeader {
	if why.Code == "" {
		return nil
	}
	headers := []kgo.RecordHeader{{Key: HeaderReasonCode, Value: []byte(why.Code)}}
	if arguments, err := json.Marshal(why.Arguments); err == nil && len(why.Arguments) > 0 {
		headers = append(headers, kgo.RecordHeader{Key: HeaderReasonArguments, Value: arguments})
	}
	return headers
}

// produceSync appends records and returns once all are in the log, after AppendTimeout at the latest.
func (p *Producer) produceSync(ctx context.Context, records []*kgo.Record) error {
	ctx, cancel := context.WithTimeoutCause(ctx, p.timeout, fmt.Errorf("not acknowledged within %v", p.timeout))
	defer cancel()
	return p.client.ProduceSync(ctx, records...).FirstErr()
}
