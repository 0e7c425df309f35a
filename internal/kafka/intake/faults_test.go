package intake_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/intake"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
	"iotmon/internal/source/sourcetest"
	"iotmon/tests/testenv"
)

// Kafka keeps everything that it has acknowledged, and the offsets of the group: so nothing is lost, but for what a broker loses with its files.
func TestASourceSurvivesFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Kafka")
	}
	own := sync.OnceValue(func() *ownServer { return &ownServer{testenv.Own(t, testenv.KafkaServer)} })
	sourcetest.Run(t, map[string]func(t *testing.T) *sourcetest.Harness{
		"Kafka encrypted, with SASL": func(test *testing.T) *sourcetest.Harness {
			if sourcetest.LeavesServerAlone(test) {
				return harness(test, testenv.Kafka(test), testenv.KafkaSASL(test))
			}
			s := own()
			h := harness(test, s.Brokers(), s.KafkaSASL())
			h.Server = s
			h.Revoke = func() { s.password(test, "changed"); s.Stop(); s.Start() }
			h.Allow = func() { s.password(test, s.KafkaSASL().Password) }
			h.Rotate = func() { s.Stop(); s.rotate(test); s.Start() }
			// The disk with the topics has been replaced, and not that with the offsets of groups.
			h.Reset = func() { s.forget(test) }
			return h
		},
	})
}

// harness is a topic of its own on a server, and a source that reaches it by TLS and SASL.
func harness(t *testing.T, brokers []string, secure testenv.SASL) *sourcetest.Harness {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DisableIdempotentWrite(),
		kgo.RetryBackoffFn(func(int) time.Duration { return 100 * time.Millisecond }), kgo.ProducerLinger(0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	topic := "faults." + uuid.NewString()
	if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 1, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	var offset atomic.Int64 // How far the clock that gives records their timestamps is ahead of the truth, in nanoseconds.
	return &sourcetest.Harness{
		Server: untouched(secure.Brokers[0]),
		Adapter: func(address string) source.Adapter {
			return intake.New(intake.Options{
				Dial:   func() (kafka.Dial, error) { return dialThrough(address, secure) },
				Topics: []string{topic}, Group: topic,
			})
		},
		Decode: intake.Decode(decode),
		Rules:  []mapping.Rule{{Field: "value", Device: "motor", Type: iot.Current}},
		Produce: func(ctx context.Context, number int) error {
			at := time.Now().Add(time.Duration(offset.Load()))
			return client.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte(strconv.Itoa(number)), Timestamp: at}).FirstErr()
		},
		// A broker's clock changes nothing but the timestamps of records, and those only where the broker gives them.
		SetClock: func(_ testing.TB, ahead time.Duration) { offset.Store(int64(ahead)) },
		Silence:  12 * time.Second,
		Keeps:    true, KeepsStopped: true, KeepsKilled: true,
	}
}

// dialThrough returns how to reach a server whose every broker is behind an address, as in a plant whose network directs all of them to a proxy.
func dialThrough(address string, secure testenv.SASL) (kafka.Dial, error) {
	authority, err := os.ReadFile(secure.CAFile)
	if err != nil {
		return kafka.Dial{}, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return kafka.Dial{}, fmt.Errorf("%s: no certificate", secure.CAFile)
	}
	login, err := kafka.NewLogin("SCRAM-SHA-512", secure.User, secure.Password)
	dialer := &tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: "localhost"}}
	return kafka.Dial{
		Brokers: []string{address}, ClientID: "test", Login: login, Logger: kafkatest.Quiet(),
		Dialer: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		},
	}, err
}

// untouched is a server of all tests, which none may stop.
type untouched string

func (u untouched) Address() string { return string(u) }
func (u untouched) Stop()           {}
func (u untouched) Kill()           {}
func (u untouched) Start()          {}
func (u untouched) Pause()          {}
func (u untouched) Resume()         {}

// ownServer is a server that tests may stop and change.
type ownServer struct{ *testenv.Environment }

// Address returns that of the listener with TLS.
func (s *ownServer) Address() string { return s.KafkaSASL().Brokers[0] }

func (s *ownServer) Stop()   { s.Environment.Stop(testenv.KafkaServer) }
func (s *ownServer) Kill()   { s.Environment.Kill(testenv.KafkaServer) }
func (s *ownServer) Start()  { s.Environment.Start(testenv.KafkaServer) }
func (s *ownServer) Pause()  { s.Environment.Pause(testenv.KafkaServer) }
func (s *ownServer) Resume() { s.Environment.Resume(testenv.KafkaServer) }

// password changes the user's password.
func (s *ownServer) password(t *testing.T, password string) {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.Brokers()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	change := kadm.UpsertSCRAM{User: s.KafkaSASL().User, Mechanism: kadm.ScramSha512, Iterations: 4096, Password: password}
	altered, err := kadm.NewClient(client).AlterUserSCRAMs(t.Context(), nil, []kadm.UpsertSCRAM{change})
	if err == nil {
		err = altered.Error()
	}
	if err != nil {
		t.Error(err)
	}
}

// forget removes the records of the topics.
func (s *ownServer) forget(t *testing.T) {
	logs, err := filepath.Glob(filepath.Join(s.Files(testenv.KafkaServer), "data", "faults.*"))
	if err != nil || len(logs) == 0 {
		t.Errorf("got %v, %v, want the records of topics", logs, err)
	}
	for _, log := range logs {
		if err := os.RemoveAll(log); err != nil {
			t.Error(err)
		}
	}
}

// rotate gives the server a certificate of another authority, which the source reads at its next connection.
func (s *ownServer) rotate(t *testing.T) {
	from, to := t.TempDir(), s.Files(testenv.KafkaServer)
	sourcetest.WriteCertificates(t, from, "localhost")
	read := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	block, _ := pem.Decode(read("server.key"))
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key) // The form that Kafka reads.
	if err != nil {
		t.Fatal(err)
	}
	server := slices.Concat(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), read("server.pem"), read("ca.pem"))
	for name, text := range map[string][]byte{"broker.pem": server, "ca.pem": read("ca.pem")} {
		if err := os.WriteFile(filepath.Join(to, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
