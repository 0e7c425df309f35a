//go:build linux

package kafka_test

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/embedded"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/tests/testenv"
)

// The disk becomes full and then has room again, without a restart. All readings that were acknowledged before, meanwhile and
// after are in the log.
func TestAFullDiskLosesNoAcknowledgedReading(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		testenv.Lacks(t, "needs the right to mount a small disk: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	silent := slog.New(slog.DiscardHandler)
	broker, err := embedded.Open(t.Context(), embedded.Options{Dir: filepath.Join(dir, "log"), Logger: silent})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	dial := kafka.Dial{Brokers: broker.Addrs(), Dialer: broker.Dial, ClientID: "test", Logger: silent}
	topics := kafka.DefaultTopics()
	client, err := kgo.NewClient(dial.Options()...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	if _, err := admin.CreateTopic(t.Context(), 2, 1, nil, topics.Readings); err != nil {
		t.Fatal(err)
	}
	producer, err := kafka.NewProducer(kafka.ProducerOptions{Dial: dial, Topics: topics})
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	acknowledged, failed := int64(0), 0
	send := func() {
		var readings []iot.Reading
		for device := range 100 {
			readings = append(readings, kafkatest.Reading(device, time.Now(), 1))
		}
		if err := producer.Append(t.Context(), readings); err != nil {
			failed++
		} else {
			acknowledged += int64(len(readings))
		}
	}
	send()
	filler := filepath.Join(dir, "filler")
	fill(t, filler)
	for range 20 {
		send()
	}
	if failed == 0 {
		t.Fatal("no request failed: the disk was not full")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	before := failed
	for range 20 {
		send()
	}
	if failed != before {
		t.Errorf("%d of 20 requests failed although the disk had room again", failed-before)
	}
	ends, err := admin.ListEndOffsets(t.Context(), topics.Readings)
	if err != nil {
		t.Fatal(err)
	}
	// A request that failed may have been written to one of its partitions.
	held := int64(0)
	ends.Each(func(end kadm.ListedOffset) { held += end.Offset })
	if held < acknowledged {
		t.Errorf("the log holds %d readings, want at least the %d that were acknowledged", held, acknowledged)
	}
}

// fill writes a file until its disk has no byte left.
func fill(t *testing.T, name string) {
	t.Helper()
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	zeros := make([]byte, 1<<16)
	for size := len(zeros); size > 0; {
		if _, err := file.Write(zeros[:size]); err != nil {
			size /= 2
		}
	}
	if _, err := file.Seek(0, io.SeekEnd); err != nil {
		t.Fatal(err)
	}
}
