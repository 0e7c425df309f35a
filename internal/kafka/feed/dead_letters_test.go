package feed

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/api"
	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/kafkatest"
)

// rejected writes dead letters as a processor does: in transactions, some of which are aborted.
type rejected struct {
	*kafkatest.Log
	client *kgo.Client
	topic  string
	// ids are those of the committed ones, by partition, oldest first.
	ids map[int32][]api.DeadLetterID
}

func reject(t *testing.T, partitions int32) *rejected {
	t.Helper()
	l := kafkatest.NewLog(t)
	r := &rejected{Log: l, topic: "rejected", ids: make(map[int32][]api.DeadLetterID)}
	if _, err := kadm.NewClient(l.Client).CreateTopic(t.Context(), partitions, 1, nil, r.topic); err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(l.Dial.Options(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID(uuid.NewString()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	r.client = client
	return r
}

// transaction writes records in a transaction that is committed or aborted.
func (r *rejected) transaction(commit bool, records ...*kgo.Record) {
	r.T.Helper()
	if err := r.client.BeginTransaction(); err != nil {
		r.T.Fatal(err)
	}
	if err := r.client.ProduceSync(r.T.Context(), records...).FirstErr(); err != nil {
		r.T.Fatal(err)
	}
	if err := r.client.EndTransaction(r.T.Context(), kgo.TransactionEndTry(commit)); err != nil {
		r.T.Fatal(err)
	}
	for _, record := range records {
		if commit {
			r.ids[record.Partition] = append(r.ids[record.Partition], api.DeadLetterID{Partition: record.Partition, Offset: record.Offset})
		}
	}
}

// end returns where the dead letters end as the state of the system says it.
func (r *rejected) end() int64 {
	r.T.Helper()
	p, err := kafka.NewProgress(r.Dial, kafka.Topics{DeadLetters: r.topic}, "group")
	if err != nil {
		r.T.Fatal(err)
	}
	defer p.Close()
	_, end, err := p.DeadLetters(r.T.Context())
	if err != nil {
		r.T.Fatal(err)
	}
	return end
}

func (r *rejected) letter(partition int32, value string) *kgo.Record {
	return &kgo.Record{Topic: r.topic, Partition: partition, Key: []byte("d1"), Value: []byte(value)}
}

// Whatever markers and aborted records lie between them, and however many partitions there are, the pages have every dead letter
// once, the newest first.
func TestDeadLettersArePagedNewestFirst(t *testing.T) {
	const partitions = 3
	r := reject(t, partitions)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 60 {
		var records []*kgo.Record
		for j := range 1 + random.IntN(4) {
			records = append(records, r.letter(int32(random.IntN(partitions-1)), fmt.Sprint(i, j)))
		}
		r.transaction(random.IntN(3) > 0, records...)
	}
	letters := &DeadLetters{Dial: r.Dial, Topic: r.topic}
	for _, limit := range []int{1, 7, 1000} {
		got := make(map[int32][]api.DeadLetterID)
		var last time.Time
		var before map[int32]int64
		for pages := 0; ; pages++ {
			page, err := letters.Newest(t.Context(), before, limit)
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Letters) > limit {
				t.Fatalf("limit %d: got a page of %d", limit, len(page.Letters))
			}
			for _, letter := range page.Letters {
				if !last.IsZero() && letter.Rejected.After(last) {
					t.Errorf("limit %d: %v is newer than the one before", limit, letter.ID)
				}
				last = letter.Rejected
				got[letter.ID.Partition] = append(got[letter.ID.Partition], letter.ID)
			}
			if before = page.Next; before == nil {
				break
			}
			if pages > 500 {
				t.Fatal("the pages do not end")
			}
		}
		for partition := range got {
			slices.Reverse(got[partition])
		}
		if !maps.EqualFunc(got, r.ids, slices.Equal) {
			t.Errorf("limit %d: got %v, want %v", limit, got, r.ids)
		}
	}
	var ids []api.DeadLetterID
	for _, of := range r.ids {
		ids = append(ids, of[0], of[len(of)-1], api.DeadLetterID{Partition: of[0].Partition, Offset: of[len(of)-1].Offset + 1000})
	}
	found, err := letters.Find(t.Context(), append(ids, api.DeadLetterID{Partition: 99}))
	if err != nil || len(found) != 4 {
		t.Errorf("got %v, %v, want the four that there are", found, err)
	}
	for id, letter := range found {
		if letter.ID != id || len(letter.Value) == 0 {
			t.Errorf("got %v for %v", letter, id)
		}
	}
}

func TestDeadLetterSaysWhereItCameFrom(t *testing.T) {
	r := reject(t, 1)
	value := strings.Repeat("x", 3*api.ShownBytes)
	appended := time.Date(2026, 3, 1, 12, 0, 0, 5000, time.UTC)
	record := r.letter(0, value)
	for key, text := range map[string]string{
		kafka.HeaderReason: "not a number", kafka.HeaderField: "value", kafka.HeaderSourceTopic: "device-data", kafka.HeaderSourcePartition: "3",
		kafka.HeaderSourceOffset: "991", kafka.HeaderSourceTime: appended.Format(time.RFC3339Nano), kafka.HeaderSourceKind: "status",
		kafka.HeaderTruncated: strconv.Itoa(1 << 20), kafka.HeaderSource: "hall-3",
		kafka.HeaderReasonCode: "not_finite", kafka.HeaderReasonArguments: `{"got":"NaN"}`,
	} {
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: key, Value: []byte(text)})
	}
	foreign := r.letter(0, "")
	foreign.Headers = []kgo.RecordHeader{{Key: kafka.HeaderSourceOffset, Value: []byte("many")}, {Key: kafka.HeaderSourceTime, Value: []byte("noon")}, {Key: kafka.HeaderReasonArguments, Value: []byte(`{"a":1}`)}}
	r.transaction(true, record, foreign)
	letters := &DeadLetters{Dial: r.Dial, Topic: r.topic}
	page, err := letters.Newest(t.Context(), nil, 10)
	if err != nil || len(page.Letters) != 2 {
		t.Fatalf("got %v, %v, want two", page, err)
	}
	got := page.Letters[1]
	if len(got.Value) != api.ShownBytes {
		t.Errorf("a listing has %d bytes of a value, want %d", len(got.Value), api.ShownBytes)
	}
	got.Rejected, got.Value = time.Time{}, nil
	want := api.DeadLetter{
		Field: "value", Reason: "not a number", Why: api.CodedReason{Code: "not_finite", Arguments: map[string]string{"got": "NaN"}}, Kind: iot.KindStatus, Source: "hall-3", Topic: "device-data", Partition: 3, Offset: 991, Appended: appended,
		Key: []byte("d1"), Size: 1 << 20,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if other := page.Letters[0]; other.Topic != "" || other.Offset != 0 || !other.Appended.IsZero() || other.Kind != iot.KindReading || other.Size != 0 || other.Why.Arguments != nil {
		t.Errorf("one of another program: got %v", other)
	}
	found, err := letters.Find(t.Context(), []api.DeadLetterID{got.ID})
	if err != nil || string(found[got.ID].Value) != value {
		t.Errorf("got %d bytes, %v, want the whole value", len(found[got.ID].Value), err)
	}
}

// A transaction that stays open, or a broker that does not answer, does not hold a request up for ever.
func TestDeadLettersOfABrokerThatIsAway(t *testing.T) {
	r := reject(t, 1)
	r.transaction(true, r.letter(0, "a"))
	if err := r.client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := r.client.ProduceSync(t.Context(), r.letter(0, "open")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	letters := &DeadLetters{Dial: r.Dial, Topic: r.topic}
	page, err := letters.Newest(t.Context(), nil, 10)
	if err != nil || len(page.Letters) != 1 || page.Next != nil {
		t.Errorf("behind the open transaction: got %v, %v, want the one before it", page, err)
	}
	// The state of the system must not announce what a listing does not show yet.
	if end := r.end(); page.End != end {
		t.Errorf("the listing ends at %d, the state of the system says %d", page.End, end)
	}
	letters.Dial.Dialer = kafkatest.RefuseConnection
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := letters.Newest(ctx, nil, 10); err == nil {
		t.Error("got no error without a broker")
	}
}
