package kafka_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

const markersGroup = "plant"

// unended is a broker on which a transaction of a processor is open. What the coordinator says of the producer's last transaction
// is for the test to choose: a broker that has forgotten to end a transaction says that it is complete.
type unended struct {
	*testing.T
	dial    kafka.Dial
	topics  kafka.Topics
	admin   *kadm.Client
	reasons []string
}

func startUnended(t *testing.T, state string) *unended {
	t.Helper()
	topics := kafka.DefaultTopics()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2,
		topics.Readings, topics.States, topics.Alerts, topics.Aggregates, topics.DeadLetters))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	u := &unended{T: t, dial: kafka.Dial{Brokers: broker.ListenAddrs(), ClientID: "test", Logger: kafkatest.Quiet()}, topics: topics}
	client := u.client()
	u.admin = kadm.NewClient(client)
	listTransactions := kmsg.NewListTransactionsRequest()
	broker.ControlKey(listTransactions.Key(), func(request kmsg.Request) (kmsg.Response, error, bool) {
		broker.KeepControl()
		response := request.ResponseKind().(*kmsg.ListTransactionsResponse)
		for _, id := range request.(*kmsg.ListTransactionsRequest).ProducerIDFilters {
			of := kmsg.NewListTransactionsResponseTransactionState()
			of.TransactionalID, of.ProducerID, of.TransactionState = kafka.NewTransactionID(markersGroup), id, state
			response.TransactionStates = append(response.TransactionStates, of)
		}
		return response, nil, true
	})
	return u
}

func (u *unended) client(options ...kgo.Opt) *kgo.Client {
	u.Helper()
	client, err := kgo.NewClient(u.dial.Options(append(options, kgo.RecordPartitioner(kgo.ManualPartitioner()))...)...)
	if err != nil {
		u.Fatal(err)
	}
	u.Cleanup(client.Close)
	return client
}

// commit commits a checkpoint of partition 1.
func (u *unended) commit(checkpoint process.Checkpoint) {
	u.Helper()
	offsets := make(kadm.Offsets)
	offsets.Add(kadm.Offset{Topic: u.topics.Readings, Partition: 1, At: checkpoint.Offset, LeaderEpoch: -1, Metadata: checkpoint.Metadata()})
	if err := u.admin.CommitAllOffsets(u.Context(), markersGroup, offsets); err != nil {
		u.Fatal(err)
	}
}

// leaveOpen appends records in a transaction that does not end.
func (u *unended) leaveOpen(records ...*kgo.Record) {
	u.Helper()
	client := u.client(kgo.TransactionalID(kafka.NewTransactionID(markersGroup)))
	if err := client.BeginTransaction(); err != nil {
		u.Fatal(err)
	}
	if err := client.ProduceSync(u.Context(), records...).FirstErr(); err != nil {
		u.Fatal(err)
	}
}

// look has a watch look, and returns how the transaction in partition 1 of the topic has ended.
func (u *unended) look(topic string) string {
	u.Helper()
	watch := kafka.NewMarkerWatch(kafka.MarkerOptions{
		Dial: u.dial, Topics: u.topics, Group: markersGroup, Logger: kafkatest.Quiet(), Stalled: func(reason string) { u.reasons = append(u.reasons, reason) },
	})
	kafka.LookAtMarkers(u.Context(), watch, u.admin)
	end := u.offset(u.admin.ListEndOffsets, topic)
	if u.offset(u.admin.ListCommittedOffsets, topic) < end {
		return "open"
	}
	reader := u.client(kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {1: kgo.NewOffset().AtStart()}}))
	outcome := "aborted"
	for {
		fetches := reader.PollFetches(u.Context())
		if err := fetches.Err(); err != nil {
			u.Fatal(err)
		}
		for _, r := range fetches.Records() {
			if !r.Attrs.IsControl() {
				outcome = "committed"
			}
			if r.Offset == end-1 {
				return outcome
			}
		}
	}
}

// offset returns what is listed of partition 1 of the topic.
func (u *unended) offset(list func(context.Context, ...string) (kadm.ListedOffsets, error), topic string) int64 {
	u.Helper()
	listed, err := list(u.Context(), topic)
	if err != nil {
		u.Fatal(err)
	}
	of, _ := listed.Lookup(topic, 1)
	return of.Offset
}

func (u *unended) state(offset int64) *kgo.Record {
	reading := kafkatest.Reading(1, time.Now(), 20)
	state := iot.DeviceState{Latest: reading, Status: iot.Online, Position: iot.Position{Partition: 1, Offset: offset}}
	return &kgo.Record{Topic: u.topics.States, Partition: 1, Key: []byte(reading.ID), Value: wire.AppendDeviceState(nil, &state)}
}

func (u *unended) tombstone(offset int64) *kgo.Record {
	r := u.state(offset)
	r.Value = nil
	r.Headers = []kgo.RecordHeader{{Key: wire.PositionHeader, Value: wire.AppendPosition(nil, iot.Position{Partition: 1, Offset: offset})}}
	return r
}

func (u *unended) alert(offset int64) *kgo.Record {
	onset := time.Now()
	alert := iot.Alert{
		ID: iot.AlertID("high", iot.Identity{ID: "a"}, onset), Rule: "high", DeviceID: "a", DeviceType: iot.Temperature, Severity: iot.Warning,
		Transition: iot.Raised, Onset: onset, Time: onset, Position: iot.Position{Partition: 1, Offset: offset},
	}
	return &kgo.Record{Topic: u.topics.Alerts, Partition: 1, Key: []byte("a"), Value: wire.AppendAlert(nil, &alert)}
}

func (u *unended) summary(offset int64) *kgo.Record {
	summary := iot.WindowSummary{
		Type: iot.Temperature, Window: iot.WindowOf(time.Now(), 30*time.Second), Final: true, Position: iot.Position{Partition: 1, Offset: offset},
	}
	return &kgo.Record{Topic: u.topics.Aggregates, Partition: 1, Value: wire.AppendWindowSummary(nil, &summary)}
}

func (u *unended) deadLetter(offset int64) *kgo.Record {
	return &kgo.Record{Topic: u.topics.DeadLetters, Partition: 1, Value: []byte("?"), Headers: []kgo.RecordHeader{
		{Key: kafka.HeaderSourcePartition, Value: []byte("1")}, {Key: kafka.HeaderSourceOffset, Value: []byte(strconv.FormatInt(offset-1, 10))},
	}}
}

func (u *unended) nonsense(int64) *kgo.Record {
	return &kgo.Record{Topic: u.topics.States, Partition: 1, Key: []byte("a"), Value: []byte("{}")}
}

func (u *unended) settings(int64) *kgo.Record {
	return &kgo.Record{Topic: u.topics.Readings, Partition: 1, Value: []byte("{}")}
}

// A transaction that Kafka has left open ends as committed only if it was committed for certain, and as aborted only if it was
// not. The checkpoint is at 100.
func TestATransactionThatKafkaHasForgottenEndsAsItWasDecided(t *testing.T) {
	type record = func(*unended, int64) *kgo.Record
	for name, test := range map[string]struct {
		state  string
		record record
		at     []int64
		want   string
		reason string
	}{
		"the last was committed":                {"CompleteCommit", (*unended).state, []int64{101}, "committed", ""},
		"a newer one is under way":              {"Ongoing", (*unended).state, []int64{99}, "open", ""},
		"a newer one is being aborted":          {"PrepareAbort", (*unended).state, []int64{99}, "open", ""},
		"aborted, states of the checkpoint":     {"CompleteAbort", (*unended).state, []int64{90, 100}, "committed", ""},
		"aborted, states ahead of it":           {"CompleteAbort", (*unended).state, []int64{101, 110}, "aborted", ""},
		"aborted, states of two steps":          {"CompleteAbort", (*unended).state, []int64{100, 101}, "open", "some of its records are ahead"},
		"aborted, tombstones of the checkpoint": {"CompleteAbort", (*unended).tombstone, []int64{100}, "committed", ""},
		"aborted, tombstones ahead of it":       {"CompleteAbort", (*unended).tombstone, []int64{101}, "aborted", ""},
		"aborted, alerts of the checkpoint":     {"CompleteAbort", (*unended).alert, []int64{100}, "committed", ""},
		"aborted, alerts ahead of it":           {"CompleteAbort", (*unended).alert, []int64{101}, "aborted", ""},
		"aborted, alerts of two steps":          {"CompleteAbort", (*unended).alert, []int64{100, 101}, "open", ""},
		"aborted, summaries of the checkpoint":  {"CompleteAbort", (*unended).summary, []int64{100}, "committed", ""},
		"aborted, summaries ahead of it":        {"CompleteAbort", (*unended).summary, []int64{101}, "aborted", ""},
		"aborted, rejects of the checkpoint":    {"CompleteAbort", (*unended).deadLetter, []int64{100}, "committed", ""},
		"aborted, rejects ahead of it":          {"CompleteAbort", (*unended).deadLetter, []int64{101}, "aborted", ""},
		"aborted, another program's record":     {"CompleteAbort", (*unended).nonsense, []int64{101}, "open", "none of a processor's"},
		"aborted, settings":                     {"CompleteAbort", (*unended).settings, []int64{0}, "aborted", ""},
		"nothing is known":                      {"Empty", (*unended).state, []int64{101}, "open", "is in state Empty"},
	} {
		t.Run(name, func(t *testing.T) {
			u := startUnended(t, test.state)
			u.commit(process.Checkpoint{Offset: 80, Position: 100})
			var records []*kgo.Record
			for _, at := range test.at {
				records = append(records, test.record(u, at))
			}
			u.leaveOpen(records...)
			if got := u.look(records[0].Topic); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if last := u.reasons[len(u.reasons)-1]; (last == "") != (test.reason == "") || !strings.Contains(last, test.reason) {
				t.Errorf("got the reason %q, want %q", last, test.reason)
			}
		})
	}
}

// Without a checkpoint nothing can be compared, and one of a log that began anew is ahead of all that was before.
func TestATransactionIsComparedWithTheCheckpointThatThereIs(t *testing.T) {
	u := startUnended(t, "CompleteAbort")
	u.leaveOpen(u.state(100))
	if got := u.look(u.topics.States); got != "open" || !strings.Contains(u.reasons[len(u.reasons)-1], "checkpoint") {
		t.Errorf("got %s and %q without a checkpoint, want it left to people", got, u.reasons)
	}
	u.commit(process.Checkpoint{Offset: 5, Position: 7, Epoch: 1})
	if got := u.look(u.topics.States); got != "committed" {
		t.Errorf("got %s at an earlier epoch, want committed", got)
	}
}
