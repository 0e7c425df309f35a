package kafka_test

import (
	"maps"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"iotmon/internal/kafka"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/process"
)

func TestCommittedOffsetsAreThoseOfTheReadings(t *testing.T) {
	l := kafkatest.NewLog(t)
	committed := func() map[int32]int64 {
		t.Helper()
		got, err := kafka.CommittedOffsets(t.Context(), l.Dial, l.Topics, "group")
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := committed(); len(got) > 0 {
		t.Errorf("before any commit: got %v, want nothing", got)
	}
	commits := make(kadm.Offsets)
	commits.AddOffset(l.Topics.Readings, 1, 7, -1)
	commits.AddOffset(l.Topics.Readings, 2, 0, -1)
	commits.AddOffset(l.Topics.Alerts, 1, 9, -1)
	if err := kadm.NewClient(l.Client).CommitAllOffsets(t.Context(), "group", commits); err != nil {
		t.Fatal(err)
	}
	if got, want := committed(), map[int32]int64{1: 7, 2: 0}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Clients of a broker in the same process must not send it metrics: each would use megabytes of memory for them.
func TestClientsInTheBrokersProcessSendNoMetrics(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "readings"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	asked := func(dial kafka.Dial, wait time.Duration) bool {
		t.Helper()
		asked := make(chan struct{}, 1)
		cluster.ControlKey(int16(kmsg.GetTelemetrySubscriptions), func(kmsg.Request) (kmsg.Response, error, bool) {
			asked <- struct{}{}
			return nil, nil, false
		})
		client, err := kgo.NewClient(dial.Options()...)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "readings"}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-asked:
			return true
		case <-time.After(wait):
			return false
		}
	}
	if asked(kafka.Dial{Brokers: cluster.ListenAddrs(), Dialer: new(net.Dialer).DialContext}, 200*time.Millisecond) {
		t.Error("a client in the broker's process asked which metrics to send")
	}
	if !asked(kafka.Dial{Brokers: cluster.ListenAddrs()}, 10*time.Second) {
		t.Error("a client from elsewhere did not ask either: the test would find nothing")
	}
}

// Where many partitions are committed to many times a second, no answer has all of them without an open transaction.
func TestProcessedLevelNeedsNoMomentWithoutTransactions(t *testing.T) {
	const partitions = 8
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, "readings"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	checkpoint := process.Checkpoint{Level: process.LevelRules, Position: 7}
	metadata := checkpoint.Metadata()
	stable := func(partition, answer int) bool { return partition == answer%partitions }
	answers := 0
	cluster.ControlKey(int16(kmsg.OffsetFetch), func(request kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		response := request.ResponseKind().(*kmsg.OffsetFetchResponse)
		group := kmsg.NewOffsetFetchResponseGroup()
		group.Group = "group"
		topic := kmsg.NewOffsetFetchResponseGroupTopic()
		topic.Topic = "readings"
		for id := range partitions {
			partition := kmsg.NewOffsetFetchResponseGroupTopicPartition()
			partition.Partition, partition.Offset, partition.Metadata = int32(id), 7, &metadata
			if !stable(id, answers) {
				partition.Offset, partition.Metadata, partition.ErrorCode = -1, nil, kerr.UnstableOffsetCommit.Code
			}
			topic.Partitions = append(topic.Partitions, partition)
		}
		group.Topics = append(group.Topics, topic)
		response.Groups = append(response.Groups, group)
		answers++
		return response, nil, true
	})
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.MaxVersions(kversion.V3_0_0())) // Later answers name topics by ids.
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	level, err := kafka.ProcessedLevel(t.Context(), kadm.NewClient(client), kafka.Topics{Readings: "readings"}, "group")
	if err != nil || level != process.LevelRules || answers != partitions {
		t.Errorf("got level %d and error %v after %d answers, want %d after %d", level, err, answers, process.LevelRules, partitions)
	}
}
