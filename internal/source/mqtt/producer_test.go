package mqtt_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
)

// publisher publishes with QoS 1 by a client library that is not ours, and connects again when it must.
type publisher struct {
	address string
	// will is that of the connection; nil for none.
	will *paho.WillMessage

	mu     sync.Mutex
	client *paho.Client
}

func newPublisher(t *testing.T, address string) *publisher {
	p := &publisher{address: address}
	t.Cleanup(p.close)
	return p
}

// publish returns when the broker has acknowledged the message.
func (p *publisher) publish(ctx context.Context, m *paho.Publish) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.client == nil {
		if err := p.connect(ctx); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	lost := p.client.Done() // Publish does not end by itself with the connection.
	go func() {
		select {
		case <-lost:
			cancel()
		case <-ctx.Done():
		}
	}()
	_, err := p.client.Publish(ctx, m)
	if err != nil {
		p.disconnect()
	}
	return err
}

// number publishes a number.
func (p *publisher) number(ctx context.Context, number int) error {
	return p.publish(ctx, &paho.Publish{Topic: fmt.Sprintf("plant/%d/current", number%3), QoS: 1, Payload: []byte(strconv.Itoa(number))})
}

func (p *publisher) connect(ctx context.Context) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", p.address)
	if err != nil {
		return err
	}
	client := paho.NewClient(paho.ClientConfig{Conn: packets.NewThreadSafeConn(conn)})
	_, err = client.Connect(ctx, &paho.Connect{
		ClientID: "publisher", CleanStart: true, KeepAlive: 30, Username: "user", UsernameFlag: true, Password: []byte("secret"), PasswordFlag: true,
		WillMessage: p.will,
	})
	if err == nil {
		p.client = client
	}
	return err
}

func (p *publisher) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.client != nil {
		p.disconnect()
	}
}

func (p *publisher) disconnect() {
	_ = p.client.Disconnect(&paho.Disconnect{})
	<-p.client.Done()
	p.client = nil
}

func writeFile(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
