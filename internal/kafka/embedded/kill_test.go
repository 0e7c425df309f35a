package embedded

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"
)

// childDir and childWork name the environment variables that make the test binary the process that gets killed.
const (
	childDir  = "TEST_BROKER_DIR"
	childWork = "TEST_BROKER_WORK"
)

// child runs a broker in the directory that childDir names and writes until it is killed. It prints the number of every acknowledged
// step.
func child() {
	b, err := Open(context.Background(), Options{Dir: os.Getenv(childDir), Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	must(err)
	begin, err := strconv.Atoi(os.Getenv("BEGIN"))
	must(err)
	work := writeReadings
	if os.Getenv(childWork) == "states" {
		work = writeStates
	}
	step := work(b)
	for i := begin; ; i++ {
		step(i)
		fmt.Println(i)
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func writer(b *Broker, options ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(b.Addrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	must(err)
	return client
}

// writeReadings writes a record per step, and another one in a transaction that stays open for ever.
func writeReadings(b *Broker) func(int) {
	ctx := context.Background()
	plain, open := writer(b), writer(b, kgo.TransactionalID(uuid.NewString()))
	must(open.BeginTransaction())
	return func(i int) {
		must(open.ProduceSync(ctx, &kgo.Record{Topic: "readings", Value: fmt.Appendf(nil, "uncommitted %d", i)}).FirstErr())
		must(plain.ProduceSync(ctx, &kgo.Record{Topic: "readings", Value: strconv.AppendInt(nil, int64(i), 10)}).FirstErr())
	}
}

// writeStates commits the states of two devices per step, while one pass of compaction follows the other.
func writeStates(b *Broker) func(int) {
	ctx := context.Background()
	b.stop()
	b.upkeep.Wait()
	b.cleaner.minSize = 0
	go func() {
		for {
			b.cleaner.step(ctx)
			b.cleaner.lastSize = 0
		}
	}()
	committed := writer(b, kgo.TransactionalID(uuid.NewString()))
	return func(i int) {
		must(committed.BeginTransaction())
		must(committed.ProduceSync(ctx, state("often", i), state(fmt.Sprint("seldom ", i%20), i)).FirstErr())
		must(committed.EndTransaction(ctx, kgo.TryCommit))
	}
}

// produceAndKill starts a child that numbers its records from begin, kills it after it has acknowledged some, and returns
// the number of the last.
func produceAndKill(t *testing.T, dir, work string, begin, count int) int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir, childWork+"="+work, "BEGIN="+strconv.Itoa(begin))
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last := begin - 1
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			break // The kill cut the line.
		}
		last = n
		if last == begin+count {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait()
	if last < begin+count {
		t.Fatalf("child ended after record %d", last)
	}
	return last
}

func TestKillLosesNothingAcknowledgedAndNoTransactionSurvives(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	createTopic(t, b, "readings", 1, nil)
	shut(t, b)

	acknowledged := -1
	for range 3 {
		acknowledged = produceAndKill(t, dir, "readings", acknowledged+1, 50)
	}
	b = open(t, dir)
	seen := make(map[string]bool)
	for _, value := range values(t, b, "readings", kgo.FetchIsolationLevel(kgo.ReadCommitted())) {
		if strings.HasPrefix(value, "uncommitted") {
			t.Fatalf("a record of a transaction that was open at the kill: %q", value)
		}
		seen[value] = true
	}
	for i := range acknowledged + 1 {
		if !seen[strconv.Itoa(i)] {
			t.Fatalf("record %d of %d was acknowledged and is lost", i, acknowledged)
		}
	}
}

func TestKillDuringCompactionKeepsTheLastOfEachKey(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	createTopic(t, b, "states", 1, compacted)
	produce(t, dial(t, b), state("silent", 0))
	shut(t, b)

	acknowledged := -1
	for range 3 {
		acknowledged = produceAndKill(t, dir, "states", acknowledged+1, 60)
	}
	got := latest(t, open(t, dir))
	if got["silent"] != "silent at 0" {
		t.Errorf("silent device: got %q", got["silent"])
	}
	atLeast := func(key string, i int) {
		var value int
		if _, err := fmt.Sscanf(got[key], key+" at %d", &value); err != nil || value < i {
			t.Errorf("%s: got %q, want one of step %d or later", key, got[key], i)
		}
	}
	atLeast("often", acknowledged)
	for i := acknowledged - 19; i <= acknowledged; i++ {
		atLeast(fmt.Sprint("seldom ", i%20), i)
	}
}
