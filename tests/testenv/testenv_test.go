package testenv_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"iotmon/tests/testenv"
)

// ask runs a client of a server and returns its output.
func ask(t *testing.T, input, program string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), program, args...)
	command.Stdin = strings.NewReader(input)
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, output)
	}
	return strings.TrimSpace(string(output))
}

// ping asks the broker for a sign of life, by SCRAM. The library of Debian 12's kcat fails at that.
func ping(t *testing.T, mechanism func(scram.Auth) sasl.Mechanism, wrong string) error {
	t.Helper()
	server := testenv.KafkaSASL(t)
	ca, err := os.ReadFile(server.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	client, err := kgo.NewClient(kgo.SeedBrokers(server.Brokers...), kgo.DialTLSConfig(&tls.Config{RootCAs: pool}),
		kgo.SASL(mechanism(scram.Auth{User: server.User, Pass: server.Password + wrong})))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	patience := time.Minute
	if wrong != "" {
		patience = 5 * time.Second // It may try until then.
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return client.Ping(ctx)
}

func TestEachServerAnswersItsOwnClient(t *testing.T) {
	t.Run("Kafka", func(t *testing.T) {
		if got := ask(t, "", "kcat", "-L", "-b", testenv.Kafka(t)[0]); !strings.Contains(got, "1 brokers") {
			t.Errorf("got %q, want one broker", got)
		}
	})
	t.Run("Kafka with TLS and a user", func(t *testing.T) {
		for password, admitted := range map[string]bool{testenv.KafkaSASL(t).Password: true, "wrong": false} {
			server := testenv.KafkaSASL(t)
			output, err := exec.CommandContext(t.Context(), "kcat", "-L", "-b", server.Brokers[0], "-X", "security.protocol=SASL_SSL",
				"-X", "sasl.mechanism=PLAIN", "-X", "ssl.ca.location="+server.CAFile, "-X", "sasl.username="+server.User,
				"-X", "sasl.password="+password).CombinedOutput()
			if got := err == nil && strings.Contains(string(output), "1 brokers"); got != admitted {
				t.Errorf("password %q: admitted %v, want %v\n%s", password, got, admitted, output)
			}
		}
	})
	for name, mechanism := range map[string]func(scram.Auth) sasl.Mechanism{
		"SCRAM-SHA-256": scram.Auth.AsSha256Mechanism, "SCRAM-SHA-512": scram.Auth.AsSha512Mechanism,
	} {
		t.Run("Kafka with "+name, func(t *testing.T) {
			for _, wrong := range []string{"", "wrong"} {
				if err := ping(t, mechanism, wrong); (err == nil) != (wrong == "") {
					t.Errorf("password with %q appended: got %v", wrong, err)
				}
			}
		})
	}
	t.Run("PostgreSQL", func(t *testing.T) {
		if got := ask(t, "", "psql", "-XAtc", "SELECT 6 * 7", testenv.Postgres(t)); got != "42" {
			t.Errorf("got %q, want 42", got)
		}
	})
	t.Run("Redis", func(t *testing.T) {
		if got := ask(t, "", "redis-cli", "-u", testenv.Redis(t), "DBSIZE"); got != "0" {
			t.Errorf("got %q, want 0 keys", got)
		}
	})
}

func TestAServerThatWasStoppedOrKilledComesBackWithItsData(t *testing.T) {
	t.Parallel()
	e := testenv.Own(t)
	kafka, postgres, redis := e.Brokers()[0], e.PostgresURL(), e.RedisURL()
	createTopic(t, kafka, "kept")
	ask(t, "", "psql", "-XAtc", "CREATE TABLE kept (n int)", postgres)
	servers := []string{testenv.KafkaServer, testenv.PostgresServer, testenv.RedisServer}
	for i, away := range []func(string){e.Stop, e.Kill} {
		n := string(rune('0' + i))
		ask(t, n, "kcat", "-P", "-b", kafka, "-t", "kept")
		ask(t, "", "psql", "-XAtc", "INSERT INTO kept VALUES ("+n+")", postgres)
		ask(t, "", "redis-cli", "-u", redis, "RPUSH", "kept", n)
		for _, server := range servers {
			away(server)
		}
		for _, args := range [][]string{{"kcat", "-L", "-m", "1", "-b", kafka}, {"psql", "-c", "SELECT 1", postgres}, {"redis-cli", "-e", "-u", redis, "PING"}} {
			if output, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err == nil {
				t.Errorf("%q: still there: %s", args, output)
			}
		}
		for _, server := range servers {
			e.Start(server)
		}
		want := "0\n1"[:2*i+1]
		if got := ask(t, "", "kcat", "-C", "-q", "-e", "-b", kafka, "-t", "kept", "-o", "beginning"); got != want {
			t.Errorf("Kafka: got %q, want %q", got, want)
		}
		if got := ask(t, "", "psql", "-XAtc", "SELECT n FROM kept ORDER BY n", postgres); got != want {
			t.Errorf("PostgreSQL: got %q, want %q", got, want)
		}
		if got := ask(t, "", "redis-cli", "-u", redis, "LRANGE", "kept", "0", "-1"); got != want {
			t.Errorf("Redis: got %q, want %q", got, want)
		}
	}
}

func createTopic(t *testing.T, broker, name string) {
	t.Helper()
	admin := administrator(t, broker)
	if _, err := admin.CreateTopic(t.Context(), 1, 1, nil, name); err != nil {
		t.Fatal(err)
	}
}

func administrator(t *testing.T, broker string) *kadm.Client {
	t.Helper()
	admin, err := kadm.NewOptClient(kgo.SeedBrokers(broker))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.Close)
	return admin
}

func TestBothMajorVersionsOfKafka(t *testing.T) {
	for _, version := range []string{"3", "4"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			admin := administrator(t, testenv.OwnKafka(t, version).Brokers()[0])
			versions, err := admin.ApiVersions(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, broker := range versions {
				if got := broker.VersionGuess(); !strings.HasPrefix(got, "v"+version+".") && !strings.Contains(got, "at least v"+version+".") {
					t.Errorf("got %s, want version %s", got, version)
				}
				// By this request a member joins a group of KIP-848.
				if highest, ok := broker.KeyMaxVersion(int16(kmsg.ConsumerGroupHeartbeat)); !ok {
					t.Errorf("got version %d of ConsumerGroupHeartbeat, want any", highest)
				}
			}
		})
	}
}

func TestNginxServesWhatTheTestWrites(t *testing.T) {
	address := testenv.Nginx(t, func(address string) string {
		return "server { listen " + address + "; location / { return 200 'hello'; } }"
	})
	if got := ask(t, "", "curl", "-s", "http://"+address); got != "hello" {
		t.Errorf("got %q, want hello", got)
	}
}
