package testenv

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// The products that StartOPCUA starts.
const (
	Asyncua   = "asyncua"
	NodeOPCUA = "node-opcua"
)

// The user of a server of OPC UA that encrypts.
const (
	OPCUAUser     = "iotmon"
	OPCUAPassword = "päss-word"
)

// StartOPCUA starts a server of OPC UA, by the product, at an address, or at any free one if that is empty. directory is for its own files, environment
// more of its environment; testdata/asyncua_server.py says what the arguments and commands are. The caller ends the server.
func StartOPCUA(t testing.TB, product, address, directory string, environment []string, arguments ...string) *Commanded {
	t.Helper()
	program, script := "node", ofTestenv(t, "node_opcua_server.cjs")
	environment = append(os.Environ(), environment...)
	if product == Asyncua {
		program, script = Python(t, product), ofTestenv(t, "asyncua_server.py")
	} else {
		environment = append(environment, "NODE_PATH="+NodeModules(t, product), "OPCUA_DIRECTORY="+directory)
	}
	return startCommanded(t, address, func(address string) (*exec.Cmd, string) {
		command := exec.Command(program, append([]string{script, "--port", strconv.Itoa(portOf(t, address))}, arguments...)...)
		command.Env = environment
		return command, ""
	})
}

// OPCUASecurity writes server.pem and server-key.pem into a directory, a new certificate and its key, and returns the certificate's file and the
// arguments of a server that has them and lets in OPCUAUser.
func OPCUASecurity(t testing.TB, directory string) (certificate string, arguments []string) {
	t.Helper()
	certificate, key := filepath.Join(directory, "server.pem"), filepath.Join(directory, "server-key.pem")
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "plc"}, NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment | x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, URIs: []*url.URL{{Scheme: "urn", Opaque: "plc"}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, []string{"--cert", certificate, "--key", key, "--user", OPCUAUser, "--password", OPCUAPassword}
}

// portOf returns the port of an address, host and port.
func portOf(t testing.TB, address string) int {
	t.Helper()
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return port
}
