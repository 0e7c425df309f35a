package opcua

import (
	"context"
	"time"

	"github.com/gopcua/opcua/ua"
)

// SetRetry changes after how long nodes that could not be monitored are tried again.
func SetRetry(a *Adapter, d time.Duration) { a.retry = d }

// MakeIdentity makes a certificate and its key.
func MakeIdentity(certificateFile, keyFile string) error {
	return makeIdentity(certificateFile, keyFile)
}

// Gaps returns how often values may be missing. The source must have stopped.
func Gaps(a *Adapter) int { return a.gaps }

// Renew opens a channel, renews its token several times with requests in between, and returns what fails.
func Renew(ctx context.Context, a *Adapter) error {
	o, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer o.channel.close()
	l, err := createSession(ctx, o.channel, a.options.Endpoint, "renew")
	if err != nil {
		return err
	}
	c, err := l.activate(ctx, o.channel, o.endpoint, o.credentials)
	if err != nil {
		return err
	}
	for range 3 {
		if err := c.renew(ctx, ua.SecurityTokenRequestTypeRenew); err != nil {
			return err
		}
		for range 3 {
			if _, err := c.describe(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// Keep is for the test of what is found while a refused certificate is kept.
var Keep = keep
