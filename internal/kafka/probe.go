package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// AppendTime tells whose clock stamps the records of the readings' topic, and so drives event time.
type AppendTime int

// On a cluster the broker stamps, as the topic is configured; the embedded broker leaves it to the producer.
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

// ProbeAppendTime appends a tick and looks at what became of its timestamp. The topic's configuration would not do: the
// embedded broker accepts the setting and ignores it.
func ProbeAppendTime(ctx context.Context, dial Dial, topics Topics) (AppendTime, error) {
	client, err := kgo.NewClient(dial.Options(
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ConsumeTopics(),
		kgo.UnknownTopicRetries(-1), // Right after its making, not every broker knows a topic.
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
