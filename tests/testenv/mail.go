package testenv

import (
	"os/exec"
	"strconv"
	"testing"
)

// The login of a MailServer.
const (
	MailUser     = "iotmon"
	MailPassword = "päss word"
)

// NewMailServer starts a mail server, which offers STARTTLS with the certificate and key in the files and wants a login. The mails that it takes are files in
// the directory; testdata/aiosmtpd_server.py says more.
func NewMailServer(t testing.TB, directory, certificate, key string) *Server {
	t.Helper()
	python, script := Python(t, "aiosmtpd"), ofTestenv(t, "aiosmtpd_server.py")
	return NewServer(t, func(address string) *exec.Cmd {
		return exec.Command(python, script, "--port", strconv.Itoa(portOf(t, address)), "--directory", directory, "--cert", certificate, "--key", key)
	})
}

// NewAlertmanager starts a Prometheus Alertmanager that notifies nobody, with the configuration in a file.
func NewAlertmanager(t testing.TB, directory, configuration string) *Server {
	t.Helper()
	program := provide(t, "prometheus-alertmanager", "alertmanager")
	return NewServer(t, func(address string) *exec.Cmd {
		return exec.Command(program, "--config.file="+configuration, "--storage.path="+directory, "--web.listen-address="+address, "--cluster.listen-address=")
	})
}
