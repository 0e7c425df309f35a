package modbus

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	client "github.com/simonvetter/modbus"

	"iotmon/internal/source"
)

// TLS names the files of an encrypted connection, for which Modbus requires certificates of both sides. They are read at each connection.
type TLS struct{ CAFile, CertFile, KeyFile string }

// Connection says how to reach a device or gateway.
type Connection struct {
	// Address is tcp://host:port, rtuovertcp://host:port or tls://host:port.
	Address string
	TLS     TLS
	// Timeout is how long a request may take. Connecting may take 5 s.
	Timeout time.Duration
}

// open connects. It looks the address up anew.
func (o *Connection) open() (*client.ModbusClient, error) {
	configuration := client.ClientConfiguration{
		URL: o.Address, Timeout: o.Timeout, Logger: log.New(io.Discard, "", 0), // Each error is returned as well.
	}
	if rest, encrypted := strings.CutPrefix(o.Address, "tls://"); encrypted {
		configuration.URL = "tcp+tls://" + rest
		authorities, certificate, err := o.TLS.load()
		if err != nil {
			return nil, err
		}
		configuration.TLSRootCAs, configuration.TLSClientCert = authorities, certificate
	}
	c, err := client.NewClient(&configuration)
	if err != nil {
		return nil, fmt.Errorf("modbus: %s: %w", o.Address, err)
	}
	opened := make(chan error, 1)
	go func() { opened <- c.Open() }()
	select {
	case err := <-opened:
		if err != nil {
			return nil, fmt.Errorf("connect: %w", err)
		}
		return c, nil
	case <-time.After(connectTimeout):
		// The library waits for 15 s for the other side of an encrypted connection, and cannot be interrupted.
		go func() {
			if <-opened == nil {
				_ = c.Close()
			}
		}()
		return nil, fmt.Errorf("connect: no answer within %v", connectTimeout)
	}
}

// connectTimeout is how long connecting may take. The library's own limit for connections that are not encrypted is the same.
const connectTimeout = 5 * time.Second

func (t *TLS) load() (*x509.CertPool, *tls.Certificate, error) {
	pem, err := os.ReadFile(t.CAFile)
	if err != nil {
		return nil, nil, fmt.Errorf("tls: ca_file: %w", err)
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(pem) {
		return nil, nil, fmt.Errorf("tls: ca_file: no certificate in %s", t.CAFile)
	}
	certificate, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, nil, fmt.Errorf("tls: cert_file, key_file: %w", err)
	}
	return authorities, &certificate, nil
}

// read requests the addresses of a block. The result has two bytes for each register, or one for each bit.
func read(c *client.ModbusClient, unit uint8, b *block) ([]byte, error) {
	return readAddresses(c, unit, b.kind, uint16(b.offset()), uint16(b.length()))
}

// readAddresses requests length addresses from offset on. The result is that of read.
func readAddresses(c *client.ModbusClient, unit uint8, kind Kind, offset, length uint16) ([]byte, error) {
	if err := c.SetUnitId(unit); err != nil {
		return nil, err
	}
	switch kind {
	case Holding:
		return c.ReadRawBytes(offset, 2*length, client.HOLDING_REGISTER)
	case Input:
		return c.ReadRawBytes(offset, 2*length, client.INPUT_REGISTER)
	case Coil:
		bits, err := c.ReadCoils(offset, length)
		return fromBits(bits), err
	default:
		bits, err := c.ReadDiscreteInputs(offset, length)
		return fromBits(bits), err
	}
}

func fromBits(bits []bool) []byte {
	bytes := make([]byte, len(bits))
	for i, bit := range bits {
		if bit {
			bytes[i] = 1
		}
	}
	return bytes
}

// verdict is what an error of a request says about the unit and the connection.
type verdict uint8

const (
	// refused means that the unit has answered with an exception to this request.
	refused verdict = iota
	// illegal means that the unit does not have what was requested, or not all of it.
	illegal
	// gone means that the gateway says that the unit does not answer.
	gone
	// broken means that there was no answer or a wrong one: then a late answer could be taken for that of the next request, so the
	// connection must be made anew.
	broken
)

func judge(err error) verdict {
	switch {
	case errors.Is(err, client.ErrIllegalDataAddress), errors.Is(err, client.ErrIllegalDataValue), errors.Is(err, client.ErrIllegalFunction):
		return illegal
	case errors.Is(err, client.ErrGWPathUnavailable), errors.Is(err, client.ErrGWTargetFailedToRespond):
		return gone
	case errors.Is(err, client.ErrServerDeviceFailure), errors.Is(err, client.ErrAcknowledge), errors.Is(err, client.ErrServerDeviceBusy),
		errors.Is(err, client.ErrMemoryParityError), strings.HasPrefix(err.Error(), "unknown exception code"):
		return refused
	}
	return broken
}

// causeOf returns the cause of an error of a request, for the status; empty if the error itself says it, or nobody knows.
func causeOf(err error) source.Cause {
	if errors.Is(err, client.ErrRequestTimedOut) || judge(err) == gone {
		return source.CauseSilent
	}
	return ""
}
