package kafka_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"iotmon/internal/kafka"
	"iotmon/internal/kafka/kafkatest"
)

// configsOf returns the settings of a topic and how many partitions it has.
func (c *cluster) configsOf(topic string) (map[string]string, int) {
	c.T.Helper()
	admin := kadm.NewClient(c.Client())
	described, err := admin.DescribeTopicConfigs(c.T.Context(), topic)
	if err != nil {
		c.T.Fatal(err)
	}
	details, err := admin.ListTopics(c.T.Context(), topic)
	if err != nil {
		c.T.Fatal(err)
	}
	configs := make(map[string]string)
	for _, config := range described[0].Configs {
		configs[config.Key] = config.MaybeValue()
	}
	return configs, len(details[topic].Partitions)
}

func TestTopicsAreCreatedWithTheirPolicies(t *testing.T) {
	c := startCluster(t)
	if err := kafka.EnsureTopics(t.Context(), c.TopicOptions()); err != nil {
		t.Fatalf("a second time: %v", err)
	}
	for topic, want := range map[string]struct {
		partitions int
		policy     string
		bytes      string
	}{
		"device-data":     {kafkatest.Partitions, "delete", "46976204"},
		"device-data-dlq": {1, "delete", "13421772"},
		"aggregates":      {1, "delete", "40265318"},
		"alerts":          {kafkatest.Partitions, "delete", "6710886"},
		"device-state":    {kafkatest.Partitions, "compact", "-1"},
		"partition-state": {kafkatest.Partitions, "compact", "-1"},
	} {
		configs, partitions := c.configsOf(topic)
		if partitions != want.partitions || configs["cleanup.policy"] != want.policy || configs["retention.bytes"] != want.bytes {
			t.Errorf("%s: got %d partitions, %s, %s bytes; want %+v", topic, partitions, configs["cleanup.policy"], configs["retention.bytes"], want)
		}
		if configs["retention.ms"] != "-1" {
			t.Errorf("%s: retention.ms is %s, want -1: retention by age must not empty a partition of the embedded broker", topic, configs["retention.ms"])
		}
	}
	if configs, _ := c.configsOf("device-data"); configs["message.timestamp.type"] != "LogAppendTime" {
		t.Errorf("device-data: timestamps are %s, want LogAppendTime", configs["message.timestamp.type"])
	}
}

func TestASecondStartDoesNotRewriteTheTopics(t *testing.T) {
	c := startCluster(t)
	topics := filepath.Join(c.Dir, "log", "topics.json")
	before, err := os.Stat(topics)
	if err != nil {
		t.Fatal(err)
	}
	if err := kafka.EnsureTopics(t.Context(), c.TopicOptions()); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(topics); err != nil || !os.SameFile(before, after) {
		t.Errorf("the broker has rewritten topics.json (%v)", err)
	}
}

func TestAChangedBudgetReachesExistingTopics(t *testing.T) {
	c := startCluster(t)
	options := c.TopicOptions()
	options.Budget *= 2
	if err := kafka.EnsureTopics(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	if configs, _ := c.configsOf("device-data"); configs["retention.bytes"] != "93952409" {
		t.Errorf("retention.bytes: got %s, want 93952409", configs["retention.bytes"])
	}
}

func TestAnotherNumberOfPartitionsIsAnError(t *testing.T) {
	c := startCluster(t)
	options := c.TopicOptions()
	options.Partitions = 10
	if err := kafka.EnsureTopics(t.Context(), options); err != nil {
		t.Errorf("the embedded broker: got %v, want it to keep its number of partitions", err)
	}
	options.Budget = 0
	err := kafka.EnsureTopics(t.Context(), options)
	if err == nil || !strings.Contains(err.Error(), "has 4 partitions but 10 are configured") || strings.Contains(err.Error(), "\n") {
		t.Errorf("with 10 partitions configured: got %v, want one line with both counts", err)
	}
}

func TestTheProducerSetsTheAppendTimeOfTheEmbeddedBroker(t *testing.T) {
	c := startCluster(t)
	got, err := kafka.ProbeAppendTime(t.Context(), c.Dial, c.Topics)
	if err != nil || got != kafka.StampedByProducer {
		t.Errorf("append time: got %v (%v), want producer", got, err)
	}
}
