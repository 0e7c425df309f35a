package intake_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/intake"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
	"iotmon/tests/testenv"
)

// The names that tests make known are answered until the process ends.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("iotmon/internal/source/sourcetest.answer"))
}

// memoryLog is a log in memory, whose appends fail while broken is set.
type memoryLog struct {
	mu       sync.Mutex
	broken   bool
	readings []iot.Reading
	rejected []source.Rejected
}

func (l *memoryLog) Append(_ context.Context, readings []iot.Reading) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		return fmt.Errorf("the log is down")
	}
	l.readings = append(l.readings, readings...)
	return nil
}

func (l *memoryLog) Report(context.Context, []source.Report) error { return nil }

func (l *memoryLog) Reject(_ context.Context, rejected []source.Rejected) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rejected = append(l.rejected, rejected...)
	return nil
}

func (l *memoryLog) breakDown(broken bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = broken
}

// distinct returns the values of the readings by their identity: device and time.
func (l *memoryLog) distinct() map[string]float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make(map[string]float64)
	for _, r := range l.readings {
		all[fmt.Sprint(r.ID, " ", r.Time.UnixMicro())] = r.Value
	}
	return all
}

func (l *memoryLog) has(value int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.readings, func(r iot.Reading) bool { return r.Value == float64(value) })
}

func (l *memoryLog) dead() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.rejected)
}

// decode decodes a JSON number.
func decode(m *source.Message, points []mapping.Point) ([]mapping.Point, error) {
	var number float64
	if err := json.Unmarshal(m.Payload, &number); err != nil {
		return points, iot.Invalid("", "not a number")
	}
	return append(points, mapping.Point{Field: "value", Value: number}), nil
}

type running struct {
	*memoryLog
	status *source.Status
	stop   func()
}

// run runs a source until the test ends. Each record is a reading of the device that its key names.
func run(t testing.TB, o intake.Options, log *memoryLog) *running {
	t.Helper()
	catalog, err := iot.NewCatalog(iot.TypeSpec{Name: "number", Min: -1e9, Max: 1e9})
	if err != nil {
		t.Fatal(err)
	}
	rules, err := mapping.New([]mapping.Rule{{Field: "value", Device: "{key}", Type: "number"}}, catalog)
	if err != nil {
		t.Fatal(err)
	}
	status := source.NewStatus("test", "kafka", time.Now)
	r := &source.Runner{
		Name: "test", Adapter: intake.New(o), Owner: source.Alone{}, Logger: slog.New(slog.DiscardHandler),
		FirstPause: 50 * time.Millisecond, LongestPause: 500 * time.Millisecond,
		Pipeline: source.PipelineOptions{
			Name: "test", Log: log, Decode: intake.Decode(decode), Mapping: rules, Admission: &iot.Admission{Catalog: catalog, Skew: time.Hour},
			Status: status, Logger: slog.New(slog.DiscardHandler),
		},
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- r.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return &running{log, status, stop}
}

func until(t testing.TB, what string, s *running, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 30 s: %s; %+v", what, s.status.Snapshot())
		}
	}
}

// bench is a cluster with a topic of two partitions.
type bench struct {
	t      testing.TB
	dial   kafka.Dial
	client *kgo.Client
	admin  *kadm.Client
	topic  string
}

func newBench(t testing.TB, dial kafka.Dial) *bench {
	t.Helper()
	// A busy broker does not know a topic for some time after it was made.
	client, err := kgo.NewClient(dial.Options(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.UnknownTopicRetries(-1))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	b := &bench{t, dial, client, kadm.NewClient(client), "plant." + uuid.NewString()}
	b.create()
	return b
}

func (b *bench) create() {
	b.t.Helper()
	if _, err := b.admin.CreateTopic(b.t.Context(), 2, 1, nil, b.topic); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) record(value int) *kgo.Record {
	return &kgo.Record{Topic: b.topic, Partition: int32(value % 2), Key: []byte(fmt.Sprint("d", value%2)), Value: []byte(strconv.Itoa(value)), Timestamp: at(value)}
}

func at(value int) time.Time {
	return time.Now().Truncate(time.Hour).Add(time.Duration(value) * time.Millisecond)
}

// produce produces the values from up to but not including to.
func (b *bench) produce(from, to int) {
	b.t.Helper()
	var records []*kgo.Record
	for value := from; value < to; value++ {
		records = append(records, b.record(value))
	}
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	if err := b.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) options() intake.Options {
	return intake.Options{
		Dial: func() (kafka.Dial, error) { return b.dial, nil }, OwnDial: b.dial, Own: kafka.DefaultTopics(), Topics: []string{b.topic}, Group: b.topic,
	}
}

// committed returns the sum of the group's offsets.
func (b *bench) committed() int64 {
	offsets, err := b.admin.FetchOffsets(b.t.Context(), b.topic)
	if errors.Is(err, kerr.GroupIDNotFound) || errors.Is(err, kerr.CoordinatorNotAvailable) {
		return 0
	}
	if err != nil {
		b.t.Fatal(err)
	}
	var sum int64
	offsets.Each(func(o kadm.OffsetResponse) {
		if o.Topic == b.topic && o.At > 0 {
			sum += o.At
		}
	})
	return sum
}

// clusters runs a test with the embedded broker and with a real one.
func clusters(t *testing.T, test func(t *testing.T, b *bench)) {
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		test(t, newBench(t, kafkatest.StartCluster(t).Dial))
	})
	t.Run("kafka", func(t *testing.T) {
		t.Parallel()
		test(t, newBench(t, kafka.Dial{Brokers: testenv.Kafka(t), ClientID: "test", Logger: kafkatest.Quiet()}))
	})
}

func all(values map[string]float64) []int {
	var sorted []int
	for _, v := range values {
		sorted = append(sorted, int(v))
	}
	slices.Sort(sorted)
	return sorted
}

func want(from, to int) (values []int) {
	for v := from; v < to; v++ {
		values = append(values, v)
	}
	return values
}

// An offset is committed only when its record is in the log, so what the log has refused is read again; and what is read twice is the same.
func TestNothingIsLostAndNothingCountsTwice(t *testing.T) {
	t.Parallel()
	clusters(t, func(t *testing.T, b *bench) {
		log := &memoryLog{}
		b.produce(0, 500)
		s := run(t, b.options(), log)
		until(t, "the first records", s, func() bool { return len(log.distinct()) == 500 })
		until(t, "their offsets", s, func() bool { return b.committed() == 500 })
		log.breakDown(true)
		b.produce(500, 1000)
		until(t, "the log refuses", s, func() bool { return s.status.Snapshot().LogError != "" })
		s.stop()
		if got := b.committed(); got != 500 {
			t.Errorf("offsets up to %d are committed, of which the log has 500", got)
		}
		log.breakDown(false)
		for round := range 4 { // Stopped at any moment.
			s = run(t, b.options(), log)
			b.produce(1000+100*round, 1100+100*round)
			time.Sleep(time.Duration(round) * 400 * time.Millisecond)
			s.stop()
		}
		s = run(t, b.options(), log)
		until(t, "all records", s, func() bool { return len(log.distinct()) >= 1400 })
		until(t, "their offsets", s, func() bool { return b.committed() == 1400 })
		if got := all(log.distinct()); !slices.Equal(got, want(0, 1400)) {
			t.Errorf("got %d different readings, want 0 to 1399", len(got))
		}
		until(t, "no lag", s, func() bool { lag := s.status.Snapshot().Lag; return lag != nil && *lag == 0 })
	})
}

func TestAbortedTransactionsAreNotRead(t *testing.T) {
	t.Parallel()
	clusters(t, func(t *testing.T, b *bench) {
		client, err := kgo.NewClient(b.dial.Options(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID(b.topic))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		for round := range 10 {
			if err := client.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			for v := range 10 {
				client.Produce(t.Context(), b.record(10*round+v), nil)
			}
			if err := client.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := client.EndTransaction(t.Context(), kgo.TransactionEndTry(round%2 == 0)); err != nil {
				t.Fatal(err)
			}
		}
		b.produce(100, 110)
		log := &memoryLog{}
		s := run(t, b.options(), log)
		until(t, "all records", s, func() bool { return log.has(109) && log.has(108) && len(log.distinct()) >= 60 })
		for _, v := range all(log.distinct()) {
			if v < 100 && v/10%2 == 1 {
				t.Errorf("got %d, which was aborted", v)
			}
		}
	})
}

// What cannot be a reading is a dead letter, and the records after it come.
func TestPoisonIsADeadLetter(t *testing.T) {
	t.Parallel()
	clusters(t, func(t *testing.T, b *bench) {
		b.produce(0, 2)
		poison := []*kgo.Record{
			{Topic: b.topic, Key: []byte("d0"), Value: []byte("no number")}, {Topic: b.topic, Key: []byte("d0")},
			{Topic: b.topic, Key: []byte{0xff, 0xfe}, Value: []byte("7")}, {Topic: b.topic, Key: []byte("d0"), Value: []byte("1e300")},
			{Topic: b.topic, Key: []byte(strings.Repeat("k", 5000)), Value: []byte("8")},
		}
		if err := b.client.ProduceSync(t.Context(), poison...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		b.produce(2, 4)
		log := &memoryLog{}
		s := run(t, b.options(), log)
		until(t, "all records", s, func() bool { return len(log.distinct()) == 4 && log.dead() == len(poison) })
		until(t, "their offsets", s, func() bool { return b.committed() == int64(4+len(poison)) })
	})
}

// Records that were deleted before they were read are counted and said; the others come.
func TestDeletedRecordsAreCounted(t *testing.T) {
	t.Parallel()
	clusters(t, func(t *testing.T, b *bench) {
		log := &memoryLog{}
		b.produce(0, 20)
		s := run(t, b.options(), log)
		until(t, "the first records", s, func() bool { return b.committed() == 20 })
		s.stop()
		b.produce(20, 60)
		deleted := kadm.Offsets{}
		deleted.AddOffset(b.topic, 0, 25, -1)
		if _, err := b.admin.DeleteRecords(t.Context(), deleted); err != nil {
			t.Fatal(err)
		}
		s = run(t, b.options(), log)
		until(t, "the others", s, func() bool { return log.has(58) && log.has(59) })
		if got := s.status.Snapshot(); got.Missed != 15 || !strings.Contains(got.Error, "15 records, from offset 10, were deleted before they were read") {
			t.Errorf("got %d missed, %q, want 15", got.Missed, got.Error)
		}
		if got := len(log.distinct()); got != 60-15 {
			t.Errorf("got %d readings, want 45", got)
		}
	})
}

// A topic that is deleted and made anew, and new partitions of a topic, are read from their beginnings.
func TestATopicMadeAnewIsReadFromItsBeginning(t *testing.T) {
	t.Parallel()
	clusters(t, func(t *testing.T, b *bench) {
		log := &memoryLog{}
		b.produce(0, 100)
		s := run(t, b.options(), log)
		until(t, "the first records", s, func() bool { return b.committed() == 100 })
		if _, err := b.admin.DeleteTopic(t.Context(), b.topic); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		b.create()
		b.client.PurgeTopicsFromClient(b.topic)
		b.produce(100, 120)
		until(t, "the records of the new topic", s, func() bool { return len(log.distinct()) == 120 })
	})
}

func TestNewPartitionsAndTopicsAreRead(t *testing.T) {
	t.Parallel()
	clusters(t, func(t *testing.T, b *bench) {
		log := &memoryLog{}
		o := b.options()
		o.Topics = []string{"^" + b.topic}
		s := run(t, o, log)
		b.produce(0, 10)
		until(t, "the first records", s, func() bool { return len(log.distinct()) == 10 })
		second := b.topic
		b.topic += ".more"
		b.create()
		b.produce(10, 20)
		until(t, "those of another topic", s, func() bool { return len(log.distinct()) == 20 })
		if _, err := b.admin.UpdatePartitions(t.Context(), 3, second); err != nil {
			t.Fatal(err)
		}
		r := b.record(20)
		r.Topic, r.Partition = second, 2
		until(t, "the new partition can be written", s, func() bool {
			b.client.PurgeTopicsFromClient(second) // It would keep for minutes the answer of a broker that did not know the partition yet.
			return b.client.ProduceSync(t.Context(), r).FirstErr() == nil
		})
		until(t, "that of a new partition", s, func() bool { return log.has(20) })
	})
}

// What the program writes must not come back to it.
func TestItsOwnTopicsAreNotRead(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.StartCluster(t)
	b := newBench(t, cluster.Dial)
	o := b.options()
	o.Topics = []string{b.topic, o.Own.Readings}
	s := run(t, o, &memoryLog{})
	until(t, "an error", s, func() bool {
		return strings.Contains(s.status.Snapshot().Error, "topic device-data is the program's own")
	})
	s.stop()

	o.Topics = []string{"^.*"}
	log := &memoryLog{}
	s = run(t, o, log)
	if err := b.client.ProduceSync(t.Context(), &kgo.Record{Topic: o.Own.Readings, Key: []byte("loop"), Value: []byte("1")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	b.produce(0, 10)
	until(t, "other topics", s, func() bool { return len(log.distinct()) == 10 })
	time.Sleep(500 * time.Millisecond)
	if log.dead() != 0 || len(log.distinct()) != 10 {
		t.Errorf("got %d readings and %d dead letters, want the 10 of the other topic", len(log.distinct()), log.dead())
	}
}

// The broker is stopped and started again, ten times, while records are produced.
func TestTheBrokerComesBack(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.StartCluster(t)
	port := cluster.Port()
	b := newBench(t, cluster.Dial)
	log := &memoryLog{}
	s := run(t, b.options(), log)
	for round := range 4 {
		b.produce(50*round, 50*round+50)
		if round%2 == 0 {
			until(t, "records", s, func() bool { return len(log.distinct()) >= 50*round+50 })
		}
		cluster.Close()
		if round == 1 {
			until(t, "failed", s, func() bool { return s.status.Snapshot().State == source.Failed })
		}
		cluster.Open(port)
	}
	until(t, "all records", s, func() bool { return slices.Equal(all(log.distinct()), want(0, 200)) })
	if s.status.Snapshot().Connections < 2 {
		t.Errorf("got %d connections", s.status.Snapshot().Connections)
	}
}

// What is wrong with a login or a certificate is known as that.
func TestARefusalHasACause(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Kafka")
	}
	t.Parallel()
	secure := testenv.KafkaSASL(t)
	for name, test := range map[string]struct {
		change func(d *kafka.Dial) error
		want   source.Cause
	}{
		"wrong password": {func(d *kafka.Dial) (err error) {
			d.Login, err = kafka.NewLogin("SCRAM-SHA-512", secure.User, "wrong")
			return err
		}, source.CauseLogin},
		"wrong password in plain": {func(d *kafka.Dial) (err error) {
			d.Login, err = kafka.NewLogin("PLAIN", secure.User, "wrong")
			return err
		}, source.CauseLogin},
		"unknown authority": {func(d *kafka.Dial) error {
			d.TLS, d.Dialer = new(tls.Config), nil
			return nil
		}, source.CauseCertificate},
	} {
		for _, own := range []bool{false, true} { // With a cluster of its own the program first compares the two.
			t.Run(fmt.Sprint(name, own), func(t *testing.T) {
				t.Parallel()
				o := intake.Options{Topics: []string{"a"}, Group: uuid.NewString(), Dial: func() (kafka.Dial, error) {
					dial, err := dialThrough(secure.Brokers[0], secure)
					if err == nil {
						err = test.change(&dial)
					}
					return dial, err
				}}
				if own {
					o.OwnDial = kafka.Dial{Brokers: testenv.Kafka(t), Logger: kafkatest.Quiet()}
				}
				s := run(t, o, &memoryLog{})
				until(t, "the cause is known", s, func() bool { return s.status.Snapshot().Cause == test.want })
			})
		}
	}
}

// A try to connect that gets no answer ends soon: the network may be back before.
func TestATryToConnectWithoutAnAnswerEndsSoon(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.StartCluster(t)
	b := newBench(t, cluster.Dial)
	b.produce(0, 10)
	var tries atomic.Int64
	o := b.options()
	o.Dial = func() (kafka.Dial, error) {
		dial := b.dial
		dial.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
			if tries.Add(1) <= 2 { // One to find out about the cluster, and one of the member.
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		}
		return dial, nil
	}
	o.OwnDial = kafka.Dial{}
	began := time.Now()
	log := &memoryLog{}
	s := run(t, o, log)
	until(t, "records", s, func() bool { return len(log.distinct()) == 10 })
	if took := time.Since(began); took > 9*time.Second {
		t.Errorf("took %v, want the 3 s of each try and little more", took)
	}
}

// A broker that accepts connections and answers nothing holds up neither the end of the program nor the source's next owner.
func TestABrokerThatSaysNothingDoesNotHoldUpTheEnd(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	accepted := make(chan net.Conn, 100)
	go func() {
		defer close(accepted)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	s := run(t, intake.Options{
		Dial: func() (kafka.Dial, error) { return kafka.Dial{Brokers: []string{listener.Addr().String()}}, nil }, Topics: []string{"a"}, Group: "g",
	}, &memoryLog{})
	conn := <-accepted
	time.Sleep(2 * time.Second) // Until a request is under way.
	began := time.Now()
	s.stop()
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("took %v, want the 3 s of a request and little more", took)
	}
	_ = conn.Close()
	_ = listener.Close()
	for conn := range accepted {
		_ = conn.Close()
	}
}
