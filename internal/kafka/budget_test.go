package kafka

import "testing"

func TestTheBudgetOfAPartitionIsLargerThanABatch(t *testing.T) {
	for name, spec := range (TopicOptions{Topics: DefaultTopics(), Partitions: 100, Budget: 1}).specs() {
		if bytes := spec.configs["retention.bytes"]; spec.share > 0 && bytes != "4194304" {
			t.Errorf("%s: got retention.bytes %s, want 4194304", name, bytes)
		}
	}
}
