package kafka

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The hashes of these keys are pinned by the tests of the Java client, which most tools follow.
func TestDevicesAreWhereOtherClientsPutThem(t *testing.T) {
	partitioner := devicePartitioner{kgo.StickyKeyPartitioner(nil)}.ForTopic("device-data")
	for key, want := range map[string]int{"21": 0, "foobar": 6} {
		if got := partitioner.Partition(&kgo.Record{Key: []byte(key)}, 10); got != want {
			t.Errorf("partition of %q: got %d, want %d", key, got, want)
		}
	}
}
