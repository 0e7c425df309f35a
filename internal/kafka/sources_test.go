package kafka_test

import (
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
	"iotmon/internal/wire"
)

func TestASourcesReportsAndDeadLettersAreInTheLog(t *testing.T) {
	c := startCluster(t)
	p := c.producer(kafka.ProducerOptions{})
	at := time.Now().UTC().Truncate(time.Second)
	report := source.Report{Device: iot.Identity{ID: "furnace"}, StatusReport: iot.StatusReport{Status: iot.ReportedOffline, Reason: "last will", Time: at}}
	if err := p.Report(t.Context(), []source.Report{report}); err != nil {
		t.Fatal(err)
	}
	r := c.read(c.Topics.Readings, 1)[0]
	if kind := kafka.KindOf(r); kind.Kind != iot.KindStatus || string(r.Key) != "furnace" {
		t.Errorf("got a record of kind %v with the key %q", kind, r.Key)
	}
	admission := &iot.Admission{Skew: time.Minute}
	if got, err := wire.DecodeStatusReport(r.Value, r.Timestamp, admission); err != nil || got != report.StatusReport {
		t.Errorf("got %+v, %v, want %+v", got, err, report.StatusReport)
	}
	rejected := []source.Rejected{{Source: "hall-3", Topic: "plant/a", Payload: []byte("{"), Length: 100_000, Field: "value", Reason: "missing", Why: mapping.Reason{Code: "missing", Arguments: map[string]string{"in": `"t"`}}}}
	if err := p.Reject(t.Context(), rejected); err != nil {
		t.Fatal(err)
	}
	letter := c.read(c.Topics.DeadLetters, 1)[0]
	headers := make(map[string]string)
	for _, h := range letter.Headers {
		headers[h.Key] = string(h.Value)
	}
	for key, want := range map[string]string{
		kafka.HeaderSource: "hall-3", kafka.HeaderSourceTopic: "plant/a", kafka.HeaderField: "value", kafka.HeaderReason: "missing", kafka.HeaderTruncated: "100000",
		kafka.HeaderReasonCode: "missing", kafka.HeaderReasonArguments: `{"in":"\"t\""}`,
	} {
		if headers[key] != want {
			t.Errorf("header %s: got %q, want %q", key, headers[key], want)
		}
	}
	if string(letter.Value) != "{" {
		t.Errorf("got the value %q", letter.Value)
	}
}
