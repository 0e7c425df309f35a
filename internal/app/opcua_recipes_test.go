package app

import (
	"bufio"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"iotmon/internal/config"
	"iotmon/tests/testenv"
)

// The recipes for OPC UA receive from asyncua and node-opcua, set up with the identifiers, namespaces, paths and security of the devices.
func TestTheRecipesForOPCUAReceive(t *testing.T) {
	if testing.Short() {
		t.Skip("needs servers of OPC UA")
	}
	t.Parallel()
	text, err := os.ReadFile("../../docs/sources/opcua.md")
	if err != nil {
		t.Fatal(err)
	}
	_, recipes, _ := strings.Cut(string(text), "\n## Recipes\n")
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(recipes, -1)
	shapes := []struct{ name, nodes, path, want string }{
		{"Siemens", `[{"uri": "http://www.siemens.com/simatic-s7-opcua", "id": "s=\"Data\".\"Temperature\"", "path": ["PLC_1", "DataBlocksGlobal", "Data", "Temperature"], "value": 21.5}]`,
			"/", `"press-1" temperature_sensor 21.5`},
		{"Beckhoff", `[{"uri": "urn:BeckhoffAutomation:Ua:PLC1", "id": "s=MAIN.fTemp", "path": ["PLC1", "MAIN", "fTemp"], "value": 22.5},
			{"uri": "urn:BeckhoffAutomation:Ua:PLC1", "id": "s=GVL.fOther", "path": ["PLC1", "GVL", "fOther"], "value": 1}]`, "/", `"fTemp" temperature_sensor 22.5`},
		{"Kepware", `[{"uri": "KEPServerEX", "id": "s=Channel1.Device1.Temp", "path": ["Channel1", "Device1", "Temp"], "value": 23.5}]`, "/", `"kiln-1" temperature_sensor 23.5`},
		{"Prosys", `[{"uri": "http://www.prosysopc.com/OPCUA/SimulationNodes/", "id": "i=1003", "path": ["Simulation", "Sinusoid"], "value": 24.5}]`,
			"/OPCUA/SimulationServer", `"Sinusoid" temperature_sensor 24.5`},
	}
	if len(examples) != len(shapes) {
		t.Fatalf("got %d recipes, want %d", len(examples), len(shapes))
	}
	for i, shape := range shapes {
		for _, product := range []string{"asyncua", "node-opcua"} {
			t.Run(shape.name+"/"+product, func(t *testing.T) {
				t.Parallel()
				directory := t.TempDir()
				address := serveOPCUA(t, product, directory, shape.nodes, shape.path)
				recipe := regexp.MustCompile(`opc\.tcp://[^"/]+`).ReplaceAllString(examples[i][1], "opc.tcp://"+address)
				recipe = strings.ReplaceAll(recipe, "/run/secrets/plc", filepath.Join(directory, "password"))
				recipe = "sources:\n  - name: recipe\n    " + strings.ReplaceAll(strings.TrimSpace(recipe), "\n", "\n    ") +
					"\n      trust: " + filepath.Join(directory, "server.pem") + "\n    map: [{field: \"*\", device: \"{field}\", type: temperature_sensor}]\n"
				file := filepath.Join(directory, "config.yaml")
				if err := os.WriteFile(file, []byte(recipe), 0o600); err != nil {
					t.Fatal(err)
				}
				cfg, err := config.Load(config.LoadOptions{Service: config.Iotmon, Builtin: Builtin(), Args: []string{"-config", file}, Dir: directory})
				if err != nil {
					t.Fatalf("%v\n%s", err, recipe)
				}
				cfg.DataDir = directory
				var out strings.Builder
				err = TrySource(t.Context(), cfg, TryOptions{Name: "recipe", For: time.Minute, Count: 1, Out: &out, Logger: slog.New(slog.DiscardHandler)})
				if err != nil || !strings.Contains(out.String(), shape.want) || strings.Contains(out.String(), "Other") {
					t.Errorf("got %v\n%s\nwant %s", err, out.String(), shape.want)
				}
			})
		}
	}
}

// serveOPCUA runs a server until the test ends, with a certificate and the user of the recipes, and returns its host and port.
func serveOPCUA(t *testing.T, product, directory, nodes, path string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	certificate, key := filepath.Join(directory, "server.pem"), filepath.Join(directory, "server-key.pem")
	writeServerCertificate(t, certificate, key)
	const password = "secret"
	if err := os.WriteFile(filepath.Join(directory, "password"), []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const scripts = "../source/opcua/testdata/"
	program, script := "node", scripts+"node_opcua_server.cjs"
	environment := os.Environ()
	if product == "asyncua" {
		program, script = testenv.Python(t, product), scripts+"asyncua_server.py"
	} else {
		environment = append(environment, "NODE_PATH="+testenv.NodeModules(t, product), "OPCUA_DIRECTORY="+directory)
	}
	_, port, _ := net.SplitHostPort(address)
	server := exec.Command(program, script, "--port", port, "--cert", certificate, "--key", key, "--user", "iotmon", "--password", password, "--nodes", nodes, "--path", path)
	server.Env = environment
	input, err := server.StdinPipe() // The server ends when it does.
	if err != nil {
		t.Fatal(err)
	}
	output, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		input.Close()
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	for lines := bufio.NewScanner(output); lines.Scan(); {
		if lines.Text() == "ready" {
			return address
		}
	}
	t.Fatal("the server does not start")
	return ""
}

func writeServerCertificate(t *testing.T, certificate, key string) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "plc"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment | x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, URIs: []*url.URL{{Scheme: "urn", Opaque: "plc"}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(fmt.Errorf("%s: %w", file, err))
		}
	}
}
