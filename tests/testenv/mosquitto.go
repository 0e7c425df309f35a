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
	// Websocket is the address of its websockets, TLS that of encrypted connections; empty without certificates.
	Websocket, TLS string
}

// NewMosquitto starts a broker. more are lines of its configuration. With encrypted, it also listens with TLS, and wants clients to have a
// certificate: the test must have written ca.pem, server.pem and server.key into dir.
func NewMosquitto(t testing.TB, dir string, encrypted bool, more string) *Mosquitto {
	t.Helper()
	program := provide(t, "mosquitto", "mosquitto")
	m := &Mosquitto{Dir: dir}
	var err error
	if m.Websocket, err = freeAddress(); err != nil {
		t.Fatal(err)
	}
	if encrypted {
		if m.TLS, err = freeAddress(); err != nil {
			t.Fatal(err)
		}
	}
	m.Password(t, "secret")
	file := filepath.Join(dir, "mosquitto.conf")
	m.Server = NewServer(t, func(address string) *exec.Cmd {
		if err := os.WriteFile(file, []byte(m.config(address)+more), 0o600); err != nil {
			t.Error(err)
		}
		return exec.Command(program, "-c", file)
	})
	return m
}

func (m *Mosquitto) config(address string) string {
	text := fmt.Sprintf("user root\nallow_anonymous false\npassword_file %[1]s/passwords\npersistence true\npersistence_location %[1]s/\n"+
		"set_tcp_nodelay true\nmax_queued_messages 100000\nmax_inflight_messages 1000\nlog_type error\nlog_type warning\n", m.Dir)
	text += listener(address)
	text += listener(m.Websocket) + "protocol websockets\n"
	if m.TLS != "" {
		text += listener(m.TLS) + fmt.Sprintf("cafile %[1]s/ca.pem\ncertfile %[1]s/server.pem\nkeyfile %[1]s/server.key\nrequire_certificate true\n", m.Dir)
	}
	return text
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
