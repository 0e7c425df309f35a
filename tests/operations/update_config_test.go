package operations

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"iotmon/internal/app"
	"iotmon/internal/config"
)

func TestUpdateConfigWritesWhereTheMiddlewareIs(t *testing.T) {
	h := newHost(t, "# mine\nIOTMON_LOG_LEVEL=warn\nKAFKA_HOST=old\n")
	before := h.read("configs/consumer.yaml")
	output := h.must("scripts/update_config.sh", "plant-1.example")
	want := "# mine\nIOTMON_LOG_LEVEL=warn\nKAFKA_HOST=plant-1.example\nMIDDLEWARE_HOST=plant-1.example\n" +
		"IOTMON_POSTGRES_URL=postgres://iot_user:iot_password@plant-1.example:5432/iot_monitoring\n" +
		"IOTMON_REDIS_URL=redis://plant-1.example:6379/0\n"
	if got := h.read(".env"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if strings.Contains(output, "iot_password") {
		t.Errorf("the password is shown:\n%s", output)
	}
	if after := h.read("configs/consumer.yaml"); after != before {
		t.Errorf("configs/consumer.yaml has changed")
	}
	if info, err := os.Stat(h.path(".env")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf(".env: got mode %v, %v, want 0600", info.Mode(), err)
	}

	mention(t, "the same again", h.must("scripts/update_config.sh"), "KAFKA_HOST=plant-1.example")
	if got := h.read(".env"); got != want {
		t.Errorf("the same again: got %q, want %q", got, want)
	}
	h.must("scripts/update_config.sh", "localhost")
	if got, want := h.read(".env"), "# mine\nIOTMON_LOG_LEVEL=warn\nKAFKA_HOST=localhost\nMIDDLEWARE_HOST=localhost\n"; got != want {
		t.Errorf("back to localhost: got %q, want %q", got, want)
	}
	h.must("scripts/update_config.sh", "--undo")
	if got := h.read(".env"); got != want {
		t.Errorf("undone: got %q, want %q", got, want)
	}
}

func TestUpdateConfigBeginsWithTheExample(t *testing.T) {
	h := newHost(t, "")
	example, err := os.ReadFile(root + "/.env.example")
	if err != nil {
		t.Fatal(err)
	}
	h.write(".env.example", string(example))
	if err := os.Remove(h.path(".env")); err != nil {
		t.Fatal(err)
	}
	h.must("scripts/update_config.sh")
	if got := h.read(".env"); got != string(example) {
		t.Errorf("got %q, want the example, which says localhost", got)
	}
}

func TestUpdateConfigRefusesWhatCannotWork(t *testing.T) {
	h := newHost(t, "KAFKA_HOST=localhost\n")
	for _, test := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"http://plant"}, 2, "not the name or the IPv4 address of a host"},
		{[]string{"a", "b"}, 2, "one host is enough"},
		{[]string{"--kafka-host"}, 2, "a value is missing"},
		{[]string{"--postgres-url", "mysql://x"}, 2, "must be postgres://"},
		{[]string{"--redis-url", "plant:6379"}, 2, "must be redis://"},
		{[]string{"--redis-url", "redis://plant:6379/0\nKAFKA_HOST=other"}, 2, "no line ends"},
		{[]string{"--postgres-url", "postgres://u:a b@plant/d"}, 2, "no blanks"},
		{[]string{"--undo"}, 1, "there is no .env.before"},
	} {
		status, output := h.run("scripts/update_config.sh", test.args...)
		if status != test.status {
			t.Errorf("%v: got status %d, want %d", test.args, status, test.status)
		}
		mention(t, strings.Join(test.args, " "), output, test.want)
	}
	if got := h.read(".env"); got != "KAFKA_HOST=localhost\n" {
		t.Errorf(".env has changed: %q", got)
	}
}

func TestUpdateConfigKeepsAPassword(t *testing.T) {
	h := newHost(t, "POSTGRES_PASSWORD=s3cret\n")
	output := h.must("scripts/update_config.sh", "--kafka-host", "kafka-1")
	mention(t, ".env", h.read(".env"), "KAFKA_HOST=kafka-1\n", "MIDDLEWARE_HOST=localhost\n",
		"IOTMON_POSTGRES_URL=postgres://iot_user:s3cret@localhost:5432/iot_monitoring\n")
	if strings.Contains(output, "s3cret") {
		t.Errorf("the password is shown:\n%s", output)
	}
}

// A password of any characters is written to .env in single quotes, and reaches the services unchanged.
func TestUpdateConfigAcceptsAnyPassword(t *testing.T) {
	const password = `p@s/s%d#?{1}$w"\ ;&`
	h := newHost(t, "POSTGRES_PASSWORD='"+password+"'\n")
	output := h.must("scripts/update_config.sh", "plant-1.example")
	mention(t, ".env", h.read(".env"), "POSTGRES_PASSWORD='"+password+"'\n",
		"IOTMON_POSTGRES_URL=postgres://iot_user@plant-1.example:5432/iot_monitoring\nIOTMON_POSTGRES_PASSWORD='"+password+"'\n")
	if strings.Contains(output, "p@s") {
		t.Errorf("the password is shown:\n%s", output)
	}
	cfg, err := config.Load(config.LoadOptions{Service: config.Consumer, Builtin: app.Builtin(), Dir: h.path("")})
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.Postgres.Password; got != password {
		t.Errorf("the services read %q, want %q", got, password)
	}
	h.write(".env", strings.Replace(h.read(".env"), "POSTGRES_PASSWORD='"+password+"'", "POSTGRES_PASSWORD=plain", 1))
	h.must("scripts/update_config.sh")
	if got := h.read(".env"); strings.Contains(got, "IOTMON_POSTGRES_PASSWORD") || !strings.Contains(got, "postgres://iot_user:plain@plant-1.example:") {
		t.Errorf("got %q, want the plain password in the URL and no other", got)
	}
	for _, bare := range []string{"a$b", "a b", `a\b`, "a#b", `"a$b"`} {
		h.write(".env", "POSTGRES_PASSWORD="+bare+"\n")
		if status, output := h.run("scripts/update_config.sh"); status != 1 || !strings.Contains(output, "single quotes") {
			t.Errorf("%s: got status %d and %q, want 1 and what to do", bare, status, output)
		}
	}
}

// TestSettingsOfSeveralScriptsAreAllKept has them write .env at the same time.
func TestSettingsOfSeveralScriptsAreAllKept(t *testing.T) {
	h := newHost(t, "# mine\n")
	var writers sync.WaitGroup
	for i := range 20 {
		writers.Go(func() {
			script := fmt.Sprintf(". %s; . %s; settings KEY_%d=%d", h.path("scripts/lib/services.sh"), h.path("scripts/lib/settings.sh"), i, i)
			if output, err := exec.Command("bash", "-euc", script).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, output)
			}
		})
	}
	writers.Wait()
	lines := strings.Split(strings.TrimSpace(h.read(".env")), "\n")
	if len(lines) != 21 || lines[0] != "# mine" {
		t.Errorf("got %d lines, want 21: %q", len(lines), lines)
	}
}
