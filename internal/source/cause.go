package source

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"syscall"
)

// Cause is the kind of what is wrong with a connection, for those who do not read the words of an error. Empty is any other kind.
type Cause string

// The causes.
const (
	// CauseName means that the name of the other side has no address.
	CauseName Cause = "name"
	// CauseRefused means that nothing accepts connections there, CauseUnreachable that no way leads there.
	CauseRefused     Cause = "refused"
	CauseUnreachable Cause = "unreachable"
	// CauseSilent means that the other side does not answer in time, CauseClosed that it has ended the connection.
	CauseSilent Cause = "silent"
	CauseClosed Cause = "closed"
	// CauseCertificate means that one side does not accept the certificate of the other, CauseLogin that the login is refused.
	CauseCertificate Cause = "certificate"
	CauseLogin       Cause = "login"
)

// causeOf returns the cause of an error. The errors of a protocol may say it by a method Cause.
func causeOf(err error) Cause {
	if said, ok := errors.AsType[interface {
		error
		Cause() string
	}](err); ok && said.Cause() != "" {
		return Cause(said.Cause())
	}
	if isAny[*net.DNSError](err) {
		return CauseName
	}
	if isAny[*tls.CertificateVerificationError](err) || isAny[x509.UnknownAuthorityError](err) || isAny[x509.HostnameError](err) || isAny[x509.CertificateInvalidError](err) || isAny[tls.AlertError](err) {
		return CauseCertificate
	}
	for _, known := range []struct {
		err   error
		cause Cause
	}{
		{syscall.ECONNREFUSED, CauseRefused}, {syscall.EHOSTUNREACH, CauseUnreachable}, {syscall.ENETUNREACH, CauseUnreachable},
		{syscall.ECONNRESET, CauseClosed}, {syscall.EPIPE, CauseClosed}, {io.EOF, CauseClosed}, {io.ErrUnexpectedEOF, CauseClosed}, {context.DeadlineExceeded, CauseSilent},
	} {
		if errors.Is(err, known.err) {
			return known.cause
		}
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return CauseSilent
	}
	return ""
}

// isAny reports whether an error of a type is in the chain.
func isAny[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}

// causedError is an error of a known cause.
type causedError struct {
	error
	cause Cause
}

func (e *causedError) Unwrap() error { return e.error }
func (e *causedError) Cause() string { return string(e.cause) }

// WithCause returns an error with the cause, of which the adapter of a protocol knows more than can be found out from it; the error itself if the cause
// is empty.
func WithCause(err error, cause Cause) error {
	if cause == "" {
		return err
	}
	return &causedError{err, cause}
}
