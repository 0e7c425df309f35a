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

// childDir names the environment variable that makes the test binary the process that gets killed.
const childDir = "IOTMON_TEST_BROKER_DIR"

// child runs a broker in the named directory, produces without end and prints the number of every record that was
// acknowledged. All the while a transaction stays open.
func child() {
	ctx := context.Background()
	b, err := Open(ctx, Options{Dir: os.Getenv(childDir), Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		panic(err)
	}
	open, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs()...), kgo.TransactionalID(uuid.NewString()), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		panic(err)
	}
	if err := open.BeginTransaction(); err != nil {
		panic(err)
	}
	plain, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		panic(err)
	}
	begin, err := strconv.Atoi(os.Getenv("BEGIN"))
	if err != nil {
		panic(err)
	}
	for i := begin; ; i++ {
		inside := &kgo.Record{Topic: "readings", Value: fmt.Appendf(nil, "uncommitted %d", i)}
		if err := open.ProduceSync(ctx, inside).FirstErr(); err != nil {
			panic(err)
		}
		if err := plain.ProduceSync(ctx, &kgo.Record{Topic: "readings", Value: strconv.AppendInt(nil, int64(i), 10)}).FirstErr(); err != nil {
			panic(err)
		}
		fmt.Println(i)
	}
}

// produceAndKill starts a child that numbers its records from begin, kills it after it has acknowledged some, and returns
// the number of the last.
func produceAndKill(t *testing.T, dir string, begin, count int) int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir, "BEGIN="+strconv.Itoa(begin))
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
		acknowledged = produceAndKill(t, dir, acknowledged+1, 50)
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
