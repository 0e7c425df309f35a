package embedded

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(childDir) != "" {
		child()
		return
	}
	goleak.VerifyTestMain(m)
}

// open starts a broker that is closed with the test, if the test has not done that.
func open(t *testing.T, dir string) *Broker {
	t.Helper()
	b, err := Open(t.Context(), Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, b) })
	return b
}

func shut(t *testing.T, b *Broker) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

func dial(t *testing.T, b *Broker, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(b.Addrs()...),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
	}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func createTopic(t *testing.T, b *Broker, name string, partitions int32, configs map[string]string) {
	t.Helper()
	settings := make(map[string]*string)
	for key, value := range configs {
		settings[key] = &value
	}
	if _, err := kadm.NewClient(dial(t, b)).CreateTopic(t.Context(), partitions, 1, settings, name); err != nil {
		t.Fatal(err)
	}
}

// values produces a last record into partition 0 of the topic and returns the values of all before it.
func values(t *testing.T, b *Broker, topic string, options ...kgo.Opt) []string {
	t.Helper()
	end := &kgo.Record{Topic: topic, Value: []byte("end")}
	produce(t, dial(t, b), end)
	var got []string
	for _, r := range recordsUntil(t, b, end, options...) {
		got = append(got, string(r.Value))
	}
	return got
}

func produce(t *testing.T, client *kgo.Client, records ...*kgo.Record) {
	t.Helper()
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func TestRestartOnAnotherPortKeepsRecordsAndCommits(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir)
	createTopic(t, first, "readings", 1, nil)
	client := dial(t, first)
	produce(t, client, &kgo.Record{Topic: "readings", Value: []byte("one")})
	commit := make(kadm.Offsets)
	commit.Add(kadm.Offset{Topic: "readings", Partition: 0, At: 1, LeaderEpoch: -1, Metadata: "epoch 0"})
	if err := kadm.NewClient(client).CommitAllOffsets(t.Context(), "group", commit); err != nil {
		t.Fatal(err)
	}
	client.Close()
	occupied := first.Addrs()[0]
	shut(t, first)
	// Another program listens on the port meanwhile.
	squatter, err := net.Listen("tcp", occupied)
	if err != nil {
		t.Fatal(err)
	}
	defer squatter.Close()

	second := open(t, dir)
	if second.Addrs()[0] == occupied {
		t.Fatalf("second start on %s, which is in use", occupied)
	}
	produce(t, dial(t, second), &kgo.Record{Topic: "readings", Value: []byte("two")})
	if got := values(t, second, "readings"); strings.Join(got, " ") != "one two" {
		t.Errorf("records after restart: got %q, want one and two", got)
	}
	fetched, err := kadm.NewClient(dial(t, second)).FetchOffsets(t.Context(), "group")
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := fetched.Lookup("readings", 0); got.At != 1 || got.Metadata != "epoch 0" {
		t.Errorf("commit after restart: got offset %d with %q, want 1 with epoch 0", got.At, got.Metadata)
	}
}

func TestDirectoryInUseIsRefused(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	_, err := Open(t.Context(), Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), dir+" is in use by another iotmon") {
		t.Errorf("second open: got %v, want that %s is in use", err, dir)
	}
}

func TestUnusableDirectoryIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(file, "data")
	_, err := Open(t.Context(), Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("open: got %v, want an error that names %s", err, file)
	}
}

func TestListensOnLoopbackOnly(t *testing.T) {
	b := open(t, t.TempDir())
	host, _, err := net.SplitHostPort(b.Addrs()[0])
	if err != nil || host != "127.0.0.1" {
		t.Errorf("address: got %s (%v), want 127.0.0.1", b.Addrs()[0], err)
	}
	if l, err := listen("tcp", "0.0.0.0:0"); err == nil {
		l.Close()
		t.Error("listening on all interfaces: got no error")
	}
}

func TestStrayClientsAreDisconnected(t *testing.T) {
	b := open(t, t.TempDir())
	for name, sent := range map[string][]byte{
		"HTTP":            []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		"TLS":             {0x16, 0x03, 0x01, 0x02, 0x00, 0x01},
		"unknown request": {0, 0, 0, 8, 0x7f, 0xff, 0, 0, 0, 0, 0, 0},
		"no kind":         {0, 0, 0, 1, 0, 0, 0},
	} {
		conn, err := net.Dial("tcp", b.Addrs()[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(sent); err != nil {
			t.Fatal(err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(conn); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("%s: got %v, want the connection closed", name, err)
		}
		conn.Close()
	}
	createTopic(t, b, "still-serving", 1, nil)
}

func TestGuardPassesRequestsUnchanged(t *testing.T) {
	requests := []byte{0, 0, 0, 5, 0, 3, 1, 2, 3, 0, 0, 0, 2, 0, 18, 0, 0, 0, 4, 0, 1, 9, 9}
	client, server := net.Pipe()
	defer client.Close()
	go func() {
		for i := range requests { // One byte at a time.
			client.Write(requests[i : i+1])
		}
		client.Close()
	}()
	got, _ := io.ReadAll(&guardedConn{Conn: server})
	if !bytes.Equal(got, requests) {
		t.Errorf("passed on: got %v, want %v", got, requests)
	}
}

func TestRetentionRunsAfterRestartAndLeavesTheLastBatch(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir)
	createTopic(t, first, "readings", 1, map[string]string{"retention.ms": "-1", "retention.bytes": "1000000", "segment.bytes": "200000"})
	client := dial(t, first, kgo.ProducerBatchCompression(kgo.NoCompression()))
	for i := range 40 {
		produce(t, client, &kgo.Record{Topic: "readings", Value: fmt.Appendf(make([]byte, 0, 100_000), "%0100000d", i)})
	}
	client.Close()
	shut(t, first)

	second := open(t, dir)
	second.maintain(t.Context())
	info := second.cluster.PartitionInfo("readings", 0)
	if info.NumBytes > 1_000_000 || info.LogStartOffset < 25 {
		t.Errorf("after retention: got %d bytes from offset %d, want at most 1,000,000", info.NumBytes, info.LogStartOffset)
	}
	if info.LogStartOffset >= info.HighWatermark {
		t.Errorf("after retention: the partition is empty, from %d to %d", info.LogStartOffset, info.HighWatermark)
	}
	files, err := filepath.Glob(filepath.Join(dir, "log", "partitions", "readings-0", "*.dat"))
	if err != nil || len(files) > 7 {
		t.Errorf("files after retention: got %d (%v), want the oldest removed", len(files), err)
	}
}

func TestAgeAloneRemovesNothing(t *testing.T) {
	b := open(t, t.TempDir())
	createTopic(t, b, "readings", 1, nil)
	produce(t, dial(t, b), &kgo.Record{Topic: "readings", Value: []byte("old"), Timestamp: time.Now().AddDate(-1, 0, 0)})
	b.maintain(t.Context())
	if got := values(t, b, "readings"); strings.Join(got, " ") != "old" {
		t.Errorf("record of last year: got %q", got)
	}
}

// recordsUntil reads partition 0 of end's topic from the start up to end, which must have been produced.
func recordsUntil(t *testing.T, b *Broker, end *kgo.Record, options ...kgo.Opt) []*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	client := dial(t, b, append(options, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{end.Topic: {0: kgo.NewOffset().AtStart()}}))...)
	defer client.Close()
	var got []*kgo.Record
	for {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d records: %v", len(got), err)
		}
		for _, r := range fetches.Records() {
			if r.Offset >= end.Offset {
				return got
			}
			got = append(got, r)
		}
	}
}
