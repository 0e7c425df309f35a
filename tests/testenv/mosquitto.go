package testenv

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Mosquitto is an MQTT broker of one test. Its clients log in as user with the password secret.
type Mosquitto struct {
	*Server
	// Dir has its files: passwords; ca.pem, server.pem and server.key if it encrypts; and its state, mosquitto.db.
	Dir string
	// Websocket is the address of its websockets, TLS and EncryptedWebsocket those of encrypted connections; empty without certificates.
	Websocket, TLS, EncryptedWebsocket string
	// Clock is that of the broker; nil for the machine's.
	Clock *Clock
}

// NewMosquitto starts a broker. more are lines of its configuration. With encrypted, it also listens with TLS, and wants clients to have a
// certificate: the test must have written ca.pem, server.pem and server.key into dir.
func NewMosquitto(t testing.TB, dir string, encrypted bool, more string) *Mosquitto {
	t.Helper()
	return newMosquitto(t, &Mosquitto{Dir: dir}, encrypted, more)
}

// NewMosquittoWithClock is NewMosquitto for a broker whose clock the test may set.
func NewMosquittoWithClock(t testing.TB, dir string, encrypted bool) *Mosquitto {
	t.Helper()
	return newMosquitto(t, &Mosquitto{Dir: dir, Clock: NewClock(t)}, encrypted, "")
}

func newMosquitto(t testing.TB, m *Mosquitto, encrypted bool, more string) *Mosquitto {
	t.Helper()
	program := provide(t, "mosquitto", "mosquitto")
	m.Password(t, "secret")
	file := filepath.Join(m.Dir, "mosquitto.conf")
	m.Websocket = Address(t)
	if encrypted {
		m.TLS, m.EncryptedWebsocket = Address(t), Address(t)
	}
	m.Server = NewServer(t, func(address string) *exec.Cmd {
		if err := os.WriteFile(file, []byte(m.config(address)+more), 0o600); err != nil {
			t.Error(err)
		}
		command := exec.Command(program, "-c", file)
		command.Env = append(os.Environ(), m.Clock.Environment()...)
		return command
	})
	return m
}

func (m *Mosquitto) config(address string) string {
	text := fmt.Sprintf("user root\nallow_anonymous false\npassword_file %[1]s/passwords\npersistence true\npersistence_location %[1]s/\n"+
		"set_tcp_nodelay true\nmax_queued_messages 100000\nmax_inflight_messages 1000\nlog_type error\nlog_type warning\n", m.Dir)
	text += listener(m.Websocket) + "protocol websockets\n"
	if m.TLS != "" {
		encryption := fmt.Sprintf("cafile %[1]s/ca.pem\ncertfile %[1]s/server.pem\nkeyfile %[1]s/server.key\nrequire_certificate true\n", m.Dir)
		text += listener(m.TLS) + encryption + listener(m.EncryptedWebsocket) + "protocol websockets\n" + encryption
	}
	return text + listener(address) // The last one: when the broker listens there, it listens everywhere.
}

func listener(address string) string {
	host, port, _ := net.SplitHostPort(address)
	return fmt.Sprintf("listener %s %s\n", port, host)
}

// Password changes the password of user. The broker must Reload or start anew to know it.
func (m *Mosquitto) Password(t testing.TB, password string) {
	t.Helper()
	command := exec.Command("mosquitto_passwd", "-c", "-b", filepath.Join(m.Dir, "passwords"), "user", password)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_passwd: %v\n%s", err, output)
	}
}

// Publish sends a message by mosquitto_pub, a client of another kind. args are further arguments.
func (m *Mosquitto) Publish(t testing.TB, topic, payload string, args ...string) {
	t.Helper()
	host, port, _ := net.SplitHostPort(m.Address())
	args = append([]string{"-h", host, "-p", port, "-u", "user", "-P", "secret", "-t", topic, "-m", payload, "-q", "1"}, args...)
	if output, err := exec.Command("mosquitto_pub", args...).CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_pub: %v\n%s", err, output)
	}
}
