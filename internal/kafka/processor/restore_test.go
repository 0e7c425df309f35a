package processor

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/process"
)

// The embedded broker moves the current states to the end of the log and then deletes the beginning. A restore that has not read the
// beginning by then has missed the states that moved. It must fail, or the missed devices would lose their states.
func TestARestoreFailsWhenUnreadStatesAreDeleted(t *testing.T) {
	l := newTestLog(t)
	client, err := kgo.NewClient(l.Dial.Options(kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	const devices = 120
	padding := make([]byte, 75_000)
	write := func(key string, value []byte) int64 {
		t.Helper()
		r := &kgo.Record{Topic: l.Topics.States, Key: []byte(key), Value: value}
		if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
		return r.Offset
	}
	for device := range devices {
		_, _ = rand.Read(padding) // Random bytes, so that compression does not make it smaller.
		write(fmt.Sprint(device), fmt.Appendf(nil, `{"padding":%q,"partition":0,"epoch":0,"position":%d}`,
			base64.StdEncoding.EncodeToString(padding), device))
	}
	mark := write(markKey, nil)
	deleted := sync.OnceFunc(func() {
		upTo := make(kadm.Offsets)
		upTo.Add(kadm.Offset{Topic: l.Topics.States, At: mark})
		if _, err := kadm.NewClient(client).DeleteRecords(t.Context(), upTo); err != nil {
			t.Error(err)
		}
	})
	s := &session{Processor: New(Options{Dial: l.Dial, Topics: l.Topics})}
	starts := make(kadm.Offsets)
	starts.Add(kadm.Offset{Topic: l.Topics.States})
	for _, when := range []string{"while it reads", "before it reads"} {
		reader := stateReader{
			session: s, topic: l.Topics.States, starts: starts, marks: map[int32]int64{0: mark}, fits: func(int32, iot.Position) bool { deleted(); return true },
		}
		last, err := reader.read(t.Context())
		if !errors.Is(err, kerr.OffsetOutOfRange) {
			t.Errorf("deleted %s: got %d devices of %d and %v", when, len(last[0]), devices, err)
		}
	}
}

// A partition without states is logged as a warning, unless its checkpoint says that it has no devices.
func TestNoWarningForAPartitionWhoseDevicesWereDeleted(t *testing.T) {
	log := logContents{extents: map[int32]kafka.Extent{0: {End: 100}}}
	for devices, want := range map[int]int{0: 0, 3: 1, -1: 1} {
		var text bytes.Buffer
		s := &session{Processor: New(Options{
			Topics: kafka.DefaultTopics(), Process: testProcess(t), Logger: slog.New(slog.NewTextHandler(&text, nil)),
		})}
		checkpoint := process.Checkpoint{Offset: 90, Position: 100, Clock: time.Now(), Watermark: time.Now(), Devices: devices}
		if _, err := s.rebuild(t.Context(), 0, log, commit{checkpoint.Offset, checkpoint.Metadata()}, kept{}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(text.String(), "no states of devices"); got != want {
			t.Errorf("%d devices: got %d warnings, want %d:\n%s", devices, got, want, text.String())
		}
	}
}
