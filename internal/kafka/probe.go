package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// AppendTime is whose clock sets the append time of the readings' records. All decisions about time follow that clock.
type AppendTime int

// On a cluster the broker sets it, because the topic is configured so. With the embedded broker the producer sets it.
const (
	StampedByProducer AppendTime = iota
	StampedByBroker
)

func (a AppendTime) String() string {
	if a == StampedByBroker {
		return "broker"
	}
	return "producer"
}

// ProbeAppendTime finds out who sets the append time: it appends a tick and reads back the type of its timestamp. The topic's
// configuration does not show it, because the embedded broker accepts that setting and ignores it.
func ProbeAppendTime(ctx context.Context, dial Dial, topics Topics) (AppendTime, error) {
	client, err := kgo.NewClient(dial.Options(
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ConsumeTopics(),
		NoFetchSession(),
		kgo.UnknownTopicRetries(-1), // Just after a topic was created, some brokers do not know it yet.
	)...)
	if err != nil {
		return 0, fmt.Errorf("probe append time: %w", err)
	}
	defer client.Close()
	probe := tick(topics.Readings, 0)
	if err := client.ProduceSync(ctx, probe).FirstErr(); err != nil {
		return 0, fmt.Errorf("probe append time: %w", err)
	}
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{probe.Topic: {probe.Partition: kgo.NewOffset().At(probe.Offset)}})
	for {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return 0, fmt.Errorf("probe append time: %w", err)
		}
		for _, r := range fetches.Records() {
			if r.Offset != probe.Offset {
				continue
			}
			if r.Attrs.TimestampType() == 1 {
				return StampedByBroker, nil
			}
			return StampedByProducer, nil
		}
	}
}
