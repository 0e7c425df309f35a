package app

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/forward"
	httpforward "iotmon/internal/forward/http"
	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/kafka/relay"
	"iotmon/internal/wire"
	"iotmon/tests/testenv"
)

// forwardedReadings is how many readings BenchmarkForward forwards.
const forwardedReadings = 500_000

// BenchmarkForward forwards what lies in an embedded log, by HTTP to another process that only counts, and to a real Kafka. It reports the
// readings a second, and what each costs this process, the embedded broker included.
func BenchmarkForward(b *testing.B) {
	b.Run("http", func(b *testing.B) {
		address := startSink(b)
		measureForward(b, func(*testing.B) forward.Centre {
			centre, err := httpforward.New(httpforward.Options{URL: address, Gateway: "bench"})
			if err != nil {
				b.Fatal(err)
			}
			return centre
		})
	})
	b.Run("kafka", func(b *testing.B) {
		dial := kafka.Dial{Brokers: testenv.Kafka(b), ClientID: "bench", Logger: kafkatest.Quiet()}
		measureForward(b, func(b *testing.B) forward.Centre {
			topic, stamped := "bench-forward-"+uuid.NewString(), "LogAppendTime"
			client, err := kgo.NewClient(dial.Options()...)
			if err != nil {
				b.Fatal(err)
			}
			defer client.Close()
			if _, err := kadm.NewClient(client).CreateTopic(b.Context(), 10, 1, map[string]*string{"message.timestamp.type": &stamped}, topic); err != nil {
				b.Fatal(err)
			}
			return relay.NewCentre(relay.CentreOptions{Dial: func() (kafka.Dial, error) { return dial, nil }, Topic: topic, Skew: 10 * time.Second})
		})
	})
}

func measureForward(b *testing.B, centre func(*testing.B) forward.Centre) {
	cluster := kafkatest.StartCluster(b)
	fillLog(b, cluster)
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		b.Fatal(err)
	}
	var wall, cpu time.Duration
	total := 0
	for n := 0; b.Loop(); n++ {
		log, err := relay.NewLog(cluster.Dial, cluster.Topics, fmt.Sprint("bench", n))
		if err != nil {
			b.Fatal(err)
		}
		f := forward.New(forward.Options{
			Log: log, Centre: centre(b), DeadLetters: noLetters{b}, Admission: &iot.Admission{Catalog: catalog, Skew: 10 * time.Second, MaxText: 128},
			HistoricalAfter: time.Hour, Now: time.Now, Logger: kafkatest.Quiet(),
		})
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan error, 1)
		began, used := time.Now(), usedCPU(b)
		go func() { done <- f.Run(ctx) }()
		for f.State().Forwarded < forwardedReadings {
			time.Sleep(time.Millisecond)
		}
		wall, cpu, total = wall+time.Since(began), cpu+usedCPU(b)-used, total+forwardedReadings
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
		log.Close()
	}
	b.ReportMetric(float64(total)/wall.Seconds(), "readings/s")
	b.ReportMetric(cpu.Seconds()*1e6/float64(total), "µs-CPU/reading")
}

func fillLog(b *testing.B, cluster *kafkatest.Cluster) {
	client := cluster.Client()
	at := time.Now().Add(-time.Minute)
	records := make([]*kgo.Record, 0, 5000)
	for i := range forwardedReadings {
		r := kafkatest.Reading(i%1000, at.Add(time.Duration(i)*time.Microsecond), float64(i%50))
		records = append(records, &kgo.Record{
			Topic: cluster.Topics.Readings, Partition: int32(i % 1000 % kafkatest.Partitions), Key: []byte(r.ID), Value: wire.AppendReading(nil, &r), Timestamp: time.Now(),
		})
		if len(records) == cap(records) {
			cluster.Produce(client, records...)
			records = records[:0]
		}
	}
}

type noLetters struct{ b *testing.B }

func (l noLetters) Reject(_ context.Context, rejected []forward.Rejected) error {
	l.b.Fatalf("rejected: %+v", rejected[0])
	return nil
}

func usedCPU(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// startSink starts another process that takes readings, and returns its address.
func startSink(b *testing.B) string {
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), "FORWARD_SINK=1")
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	output, err := command.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// serveSink is the process that startSink starts: it counts the readings of each request. It does not return.
func serveSink() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		text, err := io.ReadAll(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"accepted":%d,"rejected":[]}`, bytes.Count(text, []byte{'\n'}))
	}))
	fmt.Println(server.URL)
	select {}
}
