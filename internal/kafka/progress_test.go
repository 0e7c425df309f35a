package kafka_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/kafka"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/process"
)

func progress(t *testing.T, l *kafkatest.Log) *kafka.Progress {
	t.Helper()
	p, err := kafka.NewProgress(l.Dial, l.Topics, "group")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// How far a partition has been processed is its position, not the offset that an open window still needs.
func TestProgressIsThatOfTheCheckpoints(t *testing.T) {
	l := kafkatest.NewLog(t)
	p := progress(t, l)
	if got, err := p.Partitions(t.Context()); err != nil || len(got) != kafkatest.Partitions || got[2].Position != -1 || got[2].End != 0 {
		t.Errorf("before anything: got %v, %v", got, err)
	}
	for i := range 20 {
		l.Post(kafkatest.Reading(0, time.Now(), float64(i)))
	}
	checkpoint := process.Checkpoint{Offset: 3, Position: 12, Devices: -1}
	commits := make(kadm.Offsets)
	commits.Add(kadm.Offset{Topic: l.Topics.Readings, Partition: 1, At: checkpoint.Offset, LeaderEpoch: -1, Metadata: checkpoint.Metadata()})
	commits.Add(kadm.Offset{Topic: l.Topics.Readings, Partition: 2, At: 7, LeaderEpoch: -1, Metadata: "another program's"})
	if err := kadm.NewClient(l.Client).CommitAllOffsets(t.Context(), "group", commits); err != nil {
		t.Fatal(err)
	}
	got, err := p.Partitions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var positions []int64
	var end int64
	for i, partition := range got {
		if partition.Partition != int32(i) {
			t.Errorf("got partition %d at %d", partition.Partition, i)
		}
		positions = append(positions, partition.Position)
		end += partition.End
	}
	if want := []int64{-1, 12, 7, -1}; !slices.Equal(positions, want) || end != 20 {
		t.Errorf("got positions %v and %d records, want %v and 20", positions, end, want)
	}
	if held, end, err := p.DeadLetters(t.Context()); held != 0 || end != 0 || err != nil {
		t.Errorf("dead letters: got %d, %d, %v, want none", held, end, err)
	}
}

// The members of the groups are those that the broker knows, with the version in their client ids.
func TestProgressKnowsTheMembersOfTheGroups(t *testing.T) {
	l := kafkatest.NewLog(t)
	p := progress(t, l)
	if got, err := p.Members(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("before anybody joined: got %v, %v, want nobody", got, err)
	}
	dial := l.Dial
	dial.ClientID, dial.Version = "consumer", "1.2.3"
	join := func(group, topic string) {
		client, err := kgo.NewClient(dial.Options(append(dial.Group(group), kgo.ConsumeTopics(topic))...)...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
	}
	join("group", l.Topics.Readings)
	join(kafka.ArchiverGroup("group"), l.Topics.Readings)
	join(kafka.CacheGroup("group"), l.Topics.States)
	all := []int32{0, 1, 2, 3}
	var got []kafka.Member
	kafkatest.Eventually(t, "the groups have their members", func() bool {
		var err error
		if got, err = p.Members(t.Context()); err != nil {
			t.Fatal(err)
		}
		return len(got) == 3 && !slices.ContainsFunc(got, func(m kafka.Member) bool { return !slices.Equal(m.Partitions, all) })
	})
	for i, role := range []kafka.Role{kafka.RoleProcessor, kafka.RoleArchiver, kafka.RoleCache} {
		if m := got[i]; m.Role != role || m.Client != "consumer-1.2.3" || m.Host == "" || m.Host[0] == '/' {
			t.Errorf("got %+v, want the %s", m, role)
		}
	}
}

// A program that processes nothing is listed while it runs, reads nothing, and is gone when it ends.
func TestPresenceListsAProgramWhileItRuns(t *testing.T) {
	l := kafkatest.NewLog(t)
	p := progress(t, l)
	for i := range 20 {
		l.Post(kafkatest.Reading(0, time.Now(), float64(i)))
	}
	start := func(client string) (*kafka.Presence, func()) {
		dial := l.Dial
		dial.ClientID, dial.Version = client, "1.2.3"
		presence := kafka.NewPresence(dial, l.Topics, "group")
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() {
			if err := presence.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		end := func() { cancel(); running.Wait() }
		t.Cleanup(end)
		return presence, end
	}
	clients := func() (clients []string, ids map[string]string) {
		members, err := p.Members(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ids = make(map[string]string)
		for _, m := range members {
			if m.Role != kafka.RoleProgram || len(m.Partitions) > 0 {
				t.Errorf("got %+v, want a program without partitions", m)
			}
			clients = append(clients, m.Client)
			ids[m.Client] = m.ID
		}
		return clients, ids
	}
	producer, endProducer := start("producer")
	web, _ := start("web")
	kafkatest.Eventually(t, "both are listed", func() bool {
		got, ids := clients()
		return slices.Equal(got, []string{"producer-1.2.3", "web-1.2.3"}) && ids["producer-1.2.3"] == producer.ID() && ids["web-1.2.3"] == web.ID()
	})
	endProducer()
	if id := producer.ID(); id != "" {
		t.Errorf("after its end: got the id %q, want none", id)
	}
	kafkatest.Eventually(t, "the one that has ended is not", func() bool {
		got, _ := clients()
		return slices.Equal(got, []string{"web-1.2.3"})
	})
	offsets, err := kadm.NewClient(l.Client).FetchOffsets(t.Context(), kafka.ProgramGroup("group"))
	if err != nil || len(offsets) > 0 {
		t.Errorf("committed offsets: got %v, %v, want none", offsets, err)
	}
}
