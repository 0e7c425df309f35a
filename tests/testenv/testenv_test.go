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

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"iotmon/tests/testenv"
)

// ask runs a client of a server and returns what it printed.
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
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
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
	e := testenv.Own(t)
	kafka, postgres, redis := e.Brokers()[0], e.PostgresURL(), e.RedisURL()
	ask(t, "", "psql", "-XAtc", "CREATE TABLE kept (n int)", postgres)
	for i, away := range []func(string){e.Stop, e.Kill} {
		n := string(rune('0' + i))
		ask(t, "", "psql", "-XAtc", "INSERT INTO kept VALUES ("+n+")", postgres)
		ask(t, "", "redis-cli", "-u", redis, "RPUSH", "kept", n)
		for _, server := range []string{testenv.KafkaServer, testenv.PostgresServer, testenv.RedisServer} {
			away(server)
		}
		for _, args := range [][]string{{"kcat", "-L", "-m", "1", "-b", kafka}, {"psql", "-c", "SELECT 1", postgres}, {"redis-cli", "-e", "-u", redis, "PING"}} {
			if output, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err == nil {
				t.Errorf("%q: still there: %s", args, output)
			}
		}
		for _, server := range []string{testenv.KafkaServer, testenv.PostgresServer, testenv.RedisServer} {
			e.Start(server)
		}
		if got, want := ask(t, "", "psql", "-XAtc", "SELECT n FROM kept ORDER BY n", postgres), strings.TrimSpace("0\n1"[:2*i+1]); got != want {
			t.Errorf("PostgreSQL: got %q, want %q", got, want)
		}
		if got, want := ask(t, "", "redis-cli", "-u", redis, "LRANGE", "kept", "0", "-1"), "0\n1"[:2*i+1]; got != want {
			t.Errorf("Redis: got %q, want %q", got, want)
		}
	}
}
