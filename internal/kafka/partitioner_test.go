package kafka

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The Java client's own tests pin the hashes of these keys, and most other clients follow it.
func TestDevicesHaveThePartitionThatOtherClientsChoose(t *testing.T) {
	partitioner := devicePartitioner{kgo.StickyKeyPartitioner(nil)}.ForTopic("device-data")
	for key, want := range map[string]int{"21": 0, "foobar": 6} {
		if got := partitioner.Partition(&kgo.Record{Key: []byte(key)}, 10); got != want {
			t.Errorf("partition of %q: got %d, want %d", key, got, want)
		}
	}
}
