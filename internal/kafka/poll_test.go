package kafka_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/kafka"
	"iotmon/internal/kafka/kafkatest"
)

// A silent log is no error, whatever is read from it: a poll returns after its patience, or with the context.
func TestPollOfASilentLog(t *testing.T) {
	l := kafkatest.NewLog(t)
	client, err := kgo.NewClient(l.Dial.Options(kgo.ConsumeTopics(l.Topics.Readings), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if fetches, err := kafka.Poll(t.Context(), client, 0, 50*time.Millisecond); err != nil || fetches.NumRecords() != 0 {
		t.Errorf("got %d records, %v, want none", fetches.NumRecords(), err)
	}
	for i := range 20 {
		l.Post(kafkatest.Reading(0, time.Now(), float64(i)))
	}
	got := 0
	for got < 20 {
		fetches, err := kafka.Poll(t.Context(), client, 7, 0)
		if err != nil || fetches.NumRecords() > 7 {
			t.Fatalf("got %d records, %v, want 7 at most", fetches.NumRecords(), err)
		}
		got += fetches.NumRecords()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := kafka.Poll(ctx, client, 0, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after the end of the context: got %v", err)
	}
}

// What is read committed ends where a transaction is open; what is read uncommitted does not.
func TestExtentsOfAnOpenTransaction(t *testing.T) {
	l := kafkatest.NewLog(t)
	post, end := l.Transactional()
	reading := kafkatest.Reading(0, time.Now(), 20)
	post(reading)
	admin := kadm.NewClient(l.Client)
	lengths := func(list func(context.Context, *kadm.Client, string) (map[int32]kafka.Extent, error)) (length int64) {
		extents, err := list(t.Context(), admin, l.Topics.Readings)
		if err != nil || len(extents) != kafkatest.Partitions {
			t.Fatalf("got %v, %v, want %d partitions", extents, err, kafkatest.Partitions)
		}
		for _, e := range extents {
			length += e.End - e.Start
		}
		return length
	}
	if all, committed := lengths(kafka.ListExtents), lengths(kafka.ListCommittedExtents); all != 1 || committed != 0 {
		t.Errorf("open: got %d and %d committed, want 1 and 0", all, committed)
	}
	end(kgo.TryCommit)
	if all, committed := lengths(kafka.ListExtents), lengths(kafka.ListCommittedExtents); all != 2 || committed != 2 {
		t.Errorf("committed: got %d and %d committed, want 2 with the marker", all, committed)
	}
	if _, err := kafka.ListExtents(t.Context(), admin, "nothing"); err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("of no topic: got %v, want its name", err)
	}
}

// Many records that cannot be decoded are one line a minute, with their number.
func TestSkippedRecordsAreLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, nil))
		var skipped kafka.Skipped
		for range 2 {
			for range 1000 {
				skipped.Add(logger, "skipped", &kgo.Record{Topic: "alerts", Offset: 7}, errors.New("no JSON"))
			}
			time.Sleep(time.Minute)
		}
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 2 || !strings.Contains(lines[0], "count=1 ") || !strings.Contains(lines[1], "count=1000 ") || !strings.Contains(lines[1], "offset=7") {
			t.Errorf("got %s, want a line for the first, and one for the thousand since", log.String())
		}
	})
}
