// Package mail sends messages by SMTP.
package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	smtp "github.com/wneessen/go-mail"

	"iotmon/internal/notify"
	"iotmon/internal/notify/post"
)

// Encryption is how connections are encrypted.
type Encryption string

// The ways of encryption. StartTLS refuses a server that does not offer it.
const (
	StartTLS Encryption = "starttls"
	Implicit Encryption = "tls"
	None     Encryption = "none"
)

// Options configure a Sender. An empty Username means that there is no login.
type Options struct {
	Host       string
	Port       int
	Encryption Encryption
	// TLS returns how to encrypt; it is called for each connection. Nil means the system's certificates.
	TLS      func() (*tls.Config, error)
	Username string
	Password post.Secret
	// From is the address of the sender, which may have a name: iotmon <iotmon@plant.example>.
	From   string
	Writer notify.Writer
}

// Sender is a deliver.Sender. It sends one message to one recipient on a connection of its own.
type Sender struct{ Options }

// Send implements deliver.Sender.
func (s *Sender) Send(ctx context.Context, recipient string, m *notify.Message) (string, error) {
	message, err := s.message(recipient, m)
	if err != nil {
		return "", notify.Refused(err)
	}
	encryption, err := s.encryption()
	if err != nil {
		return "", err
	}
	sending, cancel := context.WithCancel(ctx)
	client, err := s.client(encryption, func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := s.dial(ctx, network, address, encryption)
		if err == nil { // The library leaves a connection open if the exchange fails, and looks at ctx only to make it.
			context.AfterFunc(sending, func() { _ = conn.Close() })
		}
		return conn, err
	})
	if err == nil {
		err = exchange(ctx, client, message)
	}
	cancel()
	if message.IsDelivered() {
		return message.ServerResponse(), nil
	}
	return "", classified(err)
}

// exchange connects and sends.
func exchange(ctx context.Context, client *smtp.Client, message *smtp.Msg) error {
	if err := client.DialWithContext(ctx); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if err := client.Send(message); err != nil {
		return err
	}
	_ = client.Close() // The server has taken the message; how the connection ends does not matter.
	return nil
}

// classified marks the error of a server that refuses the recipient or the message as final. A login that is refused is not: somebody may correct the
// password.
func classified(err error) error {
	if err == nil {
		return errors.New("the server has not taken the message")
	}
	failed, ok := errors.AsType[*smtp.SendError](err)
	if !ok {
		return errors.New(oneLine(err.Error()))
	}
	plain := errors.New(oneLine(failed.Error()))
	if code := failed.ErrorCode(); code >= 500 && code < 600 && code != 530 && code != 535 {
		return notify.Refused(plain)
	}
	return plain
}

func oneLine(text string) string { return post.Shown([]byte(text)) }

func (s *Sender) encryption() (*tls.Config, error) {
	config := new(tls.Config)
	if s.TLS != nil {
		given, err := s.TLS()
		if err != nil {
			return nil, err
		}
		if given != nil {
			config = given.Clone()
		}
	}
	if config.ServerName == "" {
		config.ServerName = s.Host
	}
	config.MinVersion = tls.VersionTLS12
	return config, nil
}

func (s *Sender) dial(ctx context.Context, network, address string, encryption *tls.Config) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: notify.ConnectTimeout}
	if s.Encryption == Implicit {
		return (&tls.Dialer{NetDialer: dialer, Config: encryption}).DialContext(ctx, network, address)
	}
	return dialer.DialContext(ctx, network, address)
}

func (s *Sender) client(encryption *tls.Config, dial smtp.DialContextFunc) (*smtp.Client, error) {
	// Opportunistic is for a connection that is encrypted from the beginning: the library looks at it, and offers its mechanisms of login.
	policy := map[Encryption]smtp.TLSPolicy{StartTLS: smtp.TLSMandatory, Implicit: smtp.TLSOpportunistic, None: smtp.NoTLS}[s.Encryption]
	options := []smtp.Option{
		smtp.WithPort(s.Port), smtp.WithTimeout(notify.SendTimeout), smtp.WithTLSConfig(encryption), smtp.WithTLSPolicy(policy), smtp.WithDialContextFunc(dial),
		smtp.WithoutNoop(),
	}
	if s.Username != "" {
		password, err := s.Password()
		if err != nil {
			return nil, fmt.Errorf("read the password: %w", err)
		}
		options = append(options, smtp.WithUsername(s.Username), smtp.WithPassword(password), smtp.WithSMTPAuth(smtp.SMTPAuthAutoDiscover))
	}
	client, err := smtp.NewClient(s.Host, options...)
	if err != nil {
		return nil, fmt.Errorf("mail server %s: %w", net.JoinHostPort(s.Host, strconv.Itoa(s.Port)), err)
	}
	return client, nil
}

// message returns the mail. Its Message-ID derives from the id of the message and the recipient, so that a mail program shows it once.
func (s *Sender) message(recipient string, m *notify.Message) (*smtp.Msg, error) {
	message := smtp.NewMsg(smtp.WithNoDefaultUserAgent())
	if err := message.From(s.From); err != nil {
		return nil, fmt.Errorf("sender: %w", err)
	}
	if err := message.To(recipient); err != nil {
		return nil, fmt.Errorf("recipient: %w", err)
	}
	domain := "iotmon.invalid"
	if addresses := message.GetFrom(); len(addresses) > 0 {
		if _, after, ok := strings.Cut(addresses[0].Address, "@"); ok {
			domain = after
		}
	}
	message.SetMessageIDWithValue(m.ID + "@" + domain)
	if len(m.Groups) == 1 && m.Kind != notify.Digest { // All mails about one group are one conversation.
		reference := "<" + m.Groups[0].Group + "@" + domain + ">"
		message.SetGenHeader("In-Reply-To", reference)
		message.SetGenHeader("References", reference)
	}
	message.SetGenHeader("Auto-Submitted", "auto-generated")
	message.SetGenHeader("X-Iotmon-Message", m.ID)
	message.SetDateWithValue(m.Time)
	message.Subject(s.Writer.Subject(m))
	message.SetBodyString(smtp.TypeTextPlain, s.Writer.Text(m))
	return message, nil
}
