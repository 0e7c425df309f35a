package broker

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"iotmon/internal/mqtt/packet"
	"iotmon/internal/mqtt/stream"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	a.key, a.cert = a.make(template, nil, nil)
	return a
}

func (a *authority) make(template, parent *x509.Certificate, by *ecdsa.PrivateKey) (*ecdsa.PrivateKey, *x509.Certificate) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	if parent == nil {
		parent, by = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return key, cert
}

// sign returns a certificate for a name, also as files.
func (a *authority) sign(name string, serial int64, certFile, keyFile string) tls.Certificate {
	a.t.Helper()
	key, cert := a.make(&x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}, a.cert, a.key)
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(certFile, "CERTIFICATE", cert.Raw)
	a.write(keyFile, "EC PRIVATE KEY", der)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
}

func (a *authority) write(file, kind string, der []byte) {
	a.t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// Encrypted connections and websockets; the certificate of a client is its login, and those of the broker are read again.
func TestEncryptionCertificatesAndWebsockets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	ca, stranger := newAuthority(t), newAuthority(t)
	ca.write(file("ca.pem"), "CERTIFICATE", ca.cert.Raw)
	ca.sign("broker", 2, file("cert.pem"), file("key.pem"))
	press := ca.sign("press-7", 3, file("press.pem"), file("press.key"))
	forged := stranger.sign("press-7", 3, file("forged.pem"), file("forged.key"))
	r := start(t, Options{
		Listeners: []Listener{{Addr: "127.0.0.1:0", TLS: true}, {Addr: "127.0.0.1:0", TLS: true, Path: "/mqtt"}, {Addr: "127.0.0.1:0", Path: "/mqtt"}},
		TLS:       TLS{CertFile: file("cert.pem"), KeyFile: file("key.pem"), ClientCAFile: file("ca.pem")},
	})
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	encryption := func(own ...tls.Certificate) *tls.Config { return &tls.Config{RootCAs: roots, Certificates: own} }
	dial := func(i int, config *tls.Config) (net.Conn, error) {
		if i == 0 {
			return tls.Dial("tcp", r.host(0), config)
		}
		return stream.Dial(t.Context(), r.addresses[i], config)
	}
	for i := range 3 {
		conn, err := dial(i, encryption(press))
		if err != nil {
			t.Fatal(r.addresses[i], err)
		}
		c := &client{t, conn, 5}
		connect := hello{id: "press", clean: true}.packet(5)
		c.send(connect[:5], connect[5:]) // A packet need not be one message of the websocket.
		answer := c.want(packet.Connack)
		if i == 2 { // Without encryption there is no certificate.
			if answer[1] != reasonLogin {
				t.Errorf("got %x", answer)
			}
			_ = conn.Close()
			continue
		}
		if answer[1] != 0 {
			t.Fatalf("%s: refused with %x", r.addresses[i], answer)
		}
		c.send(c.publishPacket("a", "x", 1, 1, 0))
		c.want(packet.Puback)
		_ = conn.Close()
	}
	r.sink.mu.Lock()
	for _, m := range r.messages {
		if m.Tags["username"] != "press-7" {
			t.Errorf("got tags %v", m.Tags)
		}
	}
	r.sink.mu.Unlock()
	if conn, err := dial(0, encryption(forged)); err == nil { // The refusal comes with the first read.
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("a certificate of another authority is accepted")
		}
		_ = conn.Close()
	}
	conn, err := dial(0, encryption())
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t, conn, 5}
	c.send(hello{id: "press", clean: true}.packet(5))
	if answer := c.want(packet.Connack); answer[1] != reasonLogin {
		t.Errorf("without a certificate: got %x", answer)
	}
	_ = conn.Close()
	response, err := http.Get("http://" + r.host(2) + "/mqtt")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusBadRequest {
		t.Errorf("got %s", response.Status)
	}
	// Half a pair of new files changes nothing, the whole does.
	serial := func() int64 {
		conn, err := tls.Dial("tcp", r.host(0), encryption(press))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	ca.sign("broker", 9, file("cert.pem"), file("other.key"))
	time.Sleep(lookInterval + 100*time.Millisecond)
	if got := serial(); got != 2 {
		t.Errorf("got certificate %d, want the one before", got)
	}
	ca.sign("broker", 10, file("cert.pem"), file("key.pem"))
	r.until("new certificate", func() bool { return serial() == 10 })
	r.until("end of all", func() bool { return r.Stats().Clients == 0 })
}

// An address that is taken is an error, and the others are closed.
func TestAnAddressThatIsTaken(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	b := New(Options{Listeners: []Listener{{Addr: "127.0.0.1:0"}, {Addr: taken.Addr().String()}}, Login: Login{Anonymous: true}, Limits: limits()})
	if err := b.Run(t.Context(), &sink{}); err == nil {
		t.Error("no error")
	}
}
