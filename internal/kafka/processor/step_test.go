package processor

import (
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/kafka"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

// After a restart the first fetch may hold thousands of batches, each in a buffer of its own, and the following ones a few readings.
func TestProcessedRecordsAreNotKept(t *testing.T) {
	part := &owned{Partition: process.New(testProcess(t), 0, process.Checkpoint{}, false), output: &output{traces: newTraces(nil)}}
	s := &session{Processor: &Processor{}, partitions: map[int32]*owned{0: part}}
	s.Topics = kafka.Topics{Readings: "device-data"}
	var values []weak.Pointer[byte]
	func() {
		var records []*kgo.Record
		now := time.Now()
		for i := range 100 {
			r := kafkatest.Reading(i, now, 20)
			value := wire.AppendReading(make([]byte, 0, 4096), &r)
			values = append(values, weak.Make(&value[0]))
			records = append(records, &kgo.Record{Offset: int64(i), Timestamp: now, Key: []byte(r.ID), Value: value})
		}
		if err := s.process(kgo.Fetches{{Topics: []kgo.FetchTopic{{
			Topic: s.Topics.Readings, Partitions: []kgo.FetchPartition{{Records: records}},
		}}}}); err != nil {
			t.Fatal(err)
		}
	}()
	if counts := part.ResetCounts(); counts.Processed != 100 {
		t.Fatalf("got %d readings processed, want 100", counts.Processed)
	}
	runtime.GC()
	kept := 0
	for _, value := range values {
		if value.Value() != nil {
			kept++
		}
	}
	if kept > 0 {
		t.Errorf("%d of %d values are kept in memory after they were processed", kept, len(values))
	}
	runtime.KeepAlive(s)
}
