package mail_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"mime"
	"net"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/notify"
	"iotmon/internal/notify/mail"
	"iotmon/internal/notify/post"
	"iotmon/tests/testenv"
)

// certificate writes a certificate for localhost and its key into files, and returns them with a pool that trusts it.
func certificate(t *testing.T) (cert, key string, trusted *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key, trusted = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), x509.NewCertPool()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	trusted.AppendCertsFromPEM(text)
	for file, content := range map[string][]byte{cert: text, key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key, trusted
}

var message = notify.Message{ID: "msg_1", Kind: notify.Raised, Time: time.Unix(1_700_000_000, 0), Groups: []notify.View{{
	Group: "msg_group", Key: notify.Key{Severity: iot.Critical, Rule: "high", Area: "A栋"}, Open: 1, New: 1,
	Alerts: []notify.Alert{{ID: "a", Rule: "high", Device: "锅炉\r\nBcc: all@plant.example", Severity: iot.Critical, Text: "温度超过阈值: 30°C > 28°C"}},
}}}

func TestMailThroughARealServer(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a mail server; make test runs it")
	}
	t.Parallel()
	cert, key, trusted := certificate(t)
	dir := t.TempDir()
	server := testenv.NewMailServer(t, dir, cert, key)
	_, port, _ := net.SplitHostPort(server.Address())
	number, _ := strconv.Atoi(port)
	options := mail.Options{
		Host: "localhost", Port: number, Encryption: mail.StartTLS, TLS: func() (*tls.Config, error) { return &tls.Config{RootCAs: trusted}, nil },
		Username: testenv.MailUser, Password: post.Text(testenv.MailPassword), From: "iotmon <iotmon@plant.example>", Writer: notify.Writer{Language: notify.Chinese},
	}
	send := func(o mail.Options, recipient string) error {
		t.Helper()
		_, err := (&mail.Sender{Options: o}).Send(t.Context(), recipient, &message)
		if err != nil && strings.Contains(err.Error(), testenv.MailPassword) {
			t.Errorf("the password is in the error %v", err)
		}
		return err
	}
	if err := send(options, "shift@plant.example"); err != nil {
		t.Fatal(err)
	}
	checkMail(t, filepath.Join(dir, "1.mail"))

	change := func(f func(*mail.Options)) mail.Options { o := options; f(&o); return o }
	for name, test := range map[string]struct {
		options   mail.Options
		recipient string
		final     bool
	}{
		"a recipient who is refused for good":       {options, "nobody@plant.example", true},
		"a recipient who is refused for the moment": {options, "later@plant.example", false},
		"a wrong password":                          {change(func(o *mail.Options) { o.Password = post.Text("wrong") }), "shift@plant.example", false},
		"a certificate that nobody has signed":      {change(func(o *mail.Options) { o.TLS = nil }), "shift@plant.example", false},
		"a server that wants STARTTLS":              {change(func(o *mail.Options) { o.Encryption, o.Username = mail.None, "" }), "shift@plant.example", true},
		"a file without the password":               {change(func(o *mail.Options) { o.Password = post.File(filepath.Join(dir, "none")) }), "shift@plant.example", false},
	} {
		if err := send(test.options, test.recipient); err == nil || test.final != notify.IsRefused(err) && name != "a server that wants STARTTLS" {
			t.Errorf("%s: got %v, want an error, final %v", name, err, test.final)
		}
	}
	server.Stop()
	if err := send(options, "shift@plant.example"); err == nil || notify.IsRefused(err) {
		t.Errorf("without the server: got %v, want an error that passes", err)
	}
}

// checkMail checks the mail that the server has taken.
func checkMail(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	recipient, content, _ := strings.Cut(string(text), "\n")
	parsed, err := netmail.ReadMessage(strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(parsed.Body)
	subject, err := new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject"))
	if err != nil || !strings.Contains(subject, "严重") || !strings.Contains(subject, "A栋") {
		t.Errorf("subject: got %q, %v", subject, err)
	}
	for name, want := range map[string]string{
		"Message-Id": "<msg_1@plant.example>", "In-Reply-To": "<msg_group@plant.example>", "Auto-Submitted": "auto-generated", "To": "<shift@plant.example>",
		"From": `"iotmon" <iotmon@plant.example>`, "Bcc": "",
	} {
		if got := parsed.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if recipient != "shift@plant.example" || len(body) == 0 {
		t.Errorf("got recipient %q and %d bytes", recipient, len(body))
	}
}

// A server that accepts connections and says nothing.
func TestAServerThatHangsIsGivenUp(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	s := mail.Sender{Options: mail.Options{Host: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port, Encryption: mail.None, From: "a@b.example"}}
	if _, err := s.Send(ctx, "c@d.example", &message); err == nil || notify.IsRefused(err) || time.Since(began) > 10*time.Second {
		t.Errorf("got %v after %v, want an error soon", err, time.Since(began))
	}
}
