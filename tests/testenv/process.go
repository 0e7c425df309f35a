package testenv

import (
	"bytes"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// startPatience is how long a server may take to start. The machine may be busy.
const startPatience = time.Minute

// Redis returns the URL of an empty Redis of this test alone, without files, which ends with the test. Tests that stop their
// Redis use Own.
func Redis(t testing.TB) string {
	t.Helper()
	program := provide(t, "redis-server", RedisServer)
	return "redis://" + listen(t, func(address string) *exec.Cmd {
		_, port, _ := net.SplitHostPort(address)
		return exec.Command(program, "--port", port, "--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", "", "--appendonly", "no")
	}) + "/0"
}

// RedisCluster returns the addresses of the three nodes of an empty Redis Cluster, which ends with the test.
func RedisCluster(t testing.TB) []string {
	t.Helper()
	program := provide(t, "redis-server", RedisServer)
	var nodes []string
	for range 3 {
		nodes = append(nodes, listen(t, func(address string) *exec.Cmd {
			_, port, _ := net.SplitHostPort(address)
			// By default the nodes' own connections use the port 10,000 above, which may not exist.
			_, busPort, _ := net.SplitHostPort(Address(t))
			return exec.Command(program, "--port", port, "--cluster-port", busPort, "--bind", "127.0.0.1", "--dir", t.TempDir(),
				"--save", "", "--appendonly", "no", "--cluster-enabled", "yes")
		}))
	}
	client := provide(t, "redis-cli", RedisServer)
	create := exec.Command(client, append([]string{"--cluster", "create", "--cluster-yes"}, nodes...)...)
	if output, err := create.CombinedOutput(); err != nil {
		t.Fatalf("create the cluster: %v\n%s", err, output)
	}
	for _, node := range nodes {
		for deadline := time.Now().Add(startPatience); ; time.Sleep(20 * time.Millisecond) {
			output, err := exec.Command(client, "-u", "redis://"+node, "cluster", "info").CombinedOutput()
			if err == nil && bytes.Contains(output, []byte("cluster_state:ok")) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("the cluster does not come up: %v\n%s", err, output)
			}
		}
	}
	return nodes
}

// RedisSentinel returns the address of a sentinel that knows an empty Redis as the master of that name. Both end with the test.
func RedisSentinel(t testing.TB, master string) string {
	t.Helper()
	server, err := url.Parse(Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	program := provide(t, "redis-server", RedisServer)
	return listen(t, func(address string) *exec.Cmd {
		_, port, _ := net.SplitHostPort(address)
		// A sentinel writes its state into its configuration.
		file := filepath.Join(t.TempDir(), "sentinel.conf")
		text := fmt.Sprintf("port %s\nbind 127.0.0.1\nsentinel monitor %s %s %s 1\n", port, master, server.Hostname(), server.Port())
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return exec.Command(program, file, "--sentinel")
	})
}

// Nginx starts an nginx that ends with the test, and returns its address. config gets the address to listen on, and returns the
// http block of the configuration.
func Nginx(t testing.TB, config func(address string) string) string {
	t.Helper()
	program := provide(t, "nginx", "nginx")
	return listen(t, func(address string) *exec.Cmd {
		dir := t.TempDir()
		text := nginxUser() + "daemon off;\nerror_log stderr warn;\npid pid;\nevents { worker_connections 4096; }\nhttp {\naccess_log off;\n"
		for _, temporary := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
			text += fmt.Sprintf("%s_temp_path %s;\n", temporary, filepath.Join(dir, temporary))
		}
		file := filepath.Join(dir, "nginx.conf")
		if err := os.WriteFile(file, []byte(text+config(address)+"\n}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return exec.Command(program, "-p", dir, "-c", file, "-e", "stderr")
	})
}

// nginxUser keeps nginx's workers, which give up root, able to enter the directory of a test.
func nginxUser() string {
	if os.Geteuid() == 0 {
		return "user root;\n"
	}
	return ""
}

// provide returns where a program is, installed if it is missing.
func provide(t testing.TB, program, server string) string {
	t.Helper()
	skip(t)
	find := func() (string, error) {
		path, err := exec.LookPath(program)
		if err != nil {
			// The PATH of a user may not have the directory of programs for administrators.
			path, err = exec.LookPath(filepath.Join("/usr/sbin", program))
		}
		return path, err
	}
	path, err := find()
	if err == nil {
		return path
	}
	if _, err := script("", nil, "provision", server); err != nil {
		t.Fatal(err)
	}
	if path, err = find(); err != nil {
		t.Fatal(err)
	}
	return path
}

// listen starts a server on a free address of the loopback, until the test ends, and returns the address once it listens.
func listen(t testing.TB, prepare func(address string) *exec.Cmd) string {
	t.Helper()
	address := Address(t)
	if err := start(t, prepare(address), address); err != nil {
		t.Fatal(err)
	}
	return address
}

// start starts a server that ends with the test, and returns when the server accepts connections.
func start(t testing.TB, command *exec.Cmd, address string) error {
	t.Helper()
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	// The server also ends when the test's process ends without its cleanups, for example by a kill.
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := command.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	var result error
	go func() {
		defer close(ended)
		result = command.Wait()
	}()
	t.Cleanup(func() {
		// An error means that the process has already ended.
		_ = command.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			_ = command.Process.Kill()
			<-ended
		}
	})
	deadline := time.After(startPatience)
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ended:
			return fmt.Errorf("%s: %w\n%s", command.Path, result, &output)
		case <-deadline:
			return fmt.Errorf("%s does not listen on %s: %w", command.Path, address, err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
