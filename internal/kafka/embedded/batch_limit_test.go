package embedded

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// openTopic returns a broker that has, in both partitions of the topic readings, batches of one record each, ten to a segment.
func openTopic(t *testing.T, batches int) *Broker {
	t.Helper()
	b := open(t, t.TempDir())
	createTopic(t, b, "readings", 2, map[string]string{"segment.bytes": "1000"})
	client := dial(t, b, kgo.ProducerBatchCompression(kgo.NoCompression()))
	for i := range batches {
		for partition := range int32(2) {
			produce(t, client, &kgo.Record{Topic: "readings", Partition: partition, Value: fmt.Appendf(nil, "%035d", i)})
		}
	}
	return b
}

func (b *Broker) setLimit(max int64, processed func(context.Context) (map[int32]int64, error)) {
	b.limited.Store(&limited{"readings", processed, max})
}

func startOffsets(b *Broker) (starts []int64) {
	for _, info := range b.cluster.PartitionInfos("readings") {
		starts = append(starts, info.LogStartOffset)
	}
	return starts
}

// Each batch needs memory for as long as it is in the log, so the number of batches is limited.
func TestVeryManyBatchesAreDeletedOnceProcessed(t *testing.T) {
	b := openTopic(t, 50)
	b.setLimit(40, func(context.Context) (map[int32]int64, error) { return map[int32]int64{0: 50, 1: 50}, nil })
	_, before := b.segments("readings")
	b.maintain(t.Context())
	_, after := b.segments("readings")
	if before != 100 || after > 40 || after < 20 {
		t.Errorf("got %d batches, then %d, want 100 and up to 40", before, after)
	}
	if got := startOffsets(b); got[0] < 25 || got[1] < 25 || got[0] >= 50 || got[1] >= 50 {
		t.Errorf("got partitions from %v on, want the newest of both", got)
	}
}

func TestBatchesThatSomebodyNeedsAreKept(t *testing.T) {
	for name, test := range map[string]struct {
		processed func(context.Context) (map[int32]int64, error)
		want      func(starts []int64) bool
	}{
		"one partition lags": {
			func(context.Context) (map[int32]int64, error) { return map[int32]int64{0: 15, 1: 50}, nil },
			func(starts []int64) bool { return starts[0] > 0 && starts[0] <= 15 && starts[1] > 25 && starts[1] < 50 },
		},
		"one partition is not returned": {
			func(context.Context) (map[int32]int64, error) { return map[int32]int64{1: 50}, nil },
			func(starts []int64) bool { return starts[0] == 0 && starts[1] > 25 },
		},
		"the offsets are unknown": {
			func(context.Context) (map[int32]int64, error) { return nil, errors.New("no") },
			func(starts []int64) bool { return starts[0] == 0 && starts[1] == 0 },
		},
		"the offsets are of an earlier log": {
			func(context.Context) (map[int32]int64, error) { return map[int32]int64{0: 51, 1: 51}, nil },
			func(starts []int64) bool { return starts[0] == 0 && starts[1] == 0 },
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := openTopic(t, 50)
			b.setLimit(4, test.processed)
			b.maintain(t.Context())
			if got := startOffsets(b); !test.want(got) {
				t.Errorf("got partitions from %v on", got)
			}
		})
	}
}

func TestFewBatchesAreKeptWhateverIsProcessed(t *testing.T) {
	b := openTopic(t, 20)
	b.setLimit(40, func(context.Context) (map[int32]int64, error) {
		t.Error("got a call of processed, want none below the limit")
		return nil, nil
	})
	b.maintain(t.Context())
	if got := startOffsets(b); got[0] != 0 || got[1] != 0 {
		t.Errorf("got partitions from %v on, want all", got)
	}
}

func TestPartitionNames(t *testing.T) {
	for name, want := range map[string]string{
		"readings-0": "readings 0 true", "device-data-dlq-12": "device-data-dlq 12 true", "a%2Fb-1": "a/b 1 true",
		"readings": " 0 false", "readings-x": "readings 0 false", "%zz-1": " 0 false",
	} {
		topic, partition, ok := splitPartition(name)
		if got := fmt.Sprint(topic, " ", partition, " ", ok); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
