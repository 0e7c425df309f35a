// Package webhook sends messages to a server of one's own, signed as Standard Webhooks describe it.
package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"iotmon/internal/notify"
	"iotmon/internal/notify/post"
)

// Options configure a Sender. Secret may be nil: then nothing is signed. Token may be nil.
type Options struct {
	// URL is where messages are posted.
	URL post.Secret
	// Secret is "whsec_" and the Base64 of 24 to 64 bytes.
	Secret post.Secret
	// Token is sent as Authorization: Bearer.
	Token  post.Secret
	Writer notify.Writer
	Client *post.Client
	Now    func() time.Time
}

// Sender is a deliver.Sender.
type Sender struct{ Options }

// body is what is posted.
type body struct {
	// Type is "alerts." and the kind of the message.
	Type      string          `json:"type"`
	Timestamp time.Time       `json:"timestamp"`
	Data      *notify.Message `json:"data"`
	// Subject and Text are the message for people.
	Subject string `json:"subject"`
	Text    string `json:"text"`
}

// Send implements deliver.Sender.
func (s *Sender) Send(ctx context.Context, _ string, m *notify.Message) (string, error) {
	address, err := s.URL()
	if err != nil {
		return "", fmt.Errorf("read the address: %w", err)
	}
	text, err := json.Marshal(body{
		Type: "alerts." + string(m.Kind), Timestamp: m.Time.UTC(), Data: m, Subject: s.Writer.Subject(m), Text: s.Writer.Text(m),
	})
	if err != nil {
		return "", notify.Refused(fmt.Errorf("encode the message: %w", err))
	}
	header, err := s.header(m.ID, text)
	if err != nil {
		return "", err
	}
	answer, err := s.Client.JSON(ctx, address, header, text)
	return post.Shown(answer), err
}

// header returns the headers of a message: its id, which is the same at every try, and the time and the signature of this try.
func (s *Sender) header(id string, text []byte) (http.Header, error) {
	header := make(http.Header)
	if s.Token != nil {
		token, err := s.Token()
		if err != nil {
			return nil, fmt.Errorf("read the token: %w", err)
		}
		header.Set("Authorization", "Bearer "+token)
	}
	at := strconv.FormatInt(s.Now().Unix(), 10)
	header.Set("webhook-id", id)
	header.Set("webhook-timestamp", at)
	if s.Secret == nil {
		return header, nil
	}
	secret, err := s.Secret()
	if err != nil {
		return nil, fmt.Errorf("read the secret: %w", err)
	}
	key, err := Key(secret)
	if err != nil {
		return nil, err
	}
	header.Set("webhook-signature", Sign(key, id, at, text))
	return header, nil
}

// The limits of a key in bytes.
const minKey, maxKey = 24, 64

// Key returns the key that a secret of Standard Webhooks stands for. The error does not show the secret.
func Key(secret string) ([]byte, error) {
	text, ok := strings.CutPrefix(secret, "whsec_")
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(key) < minKey || len(key) > maxKey {
		return nil, errors.New("the secret must be whsec_ and the Base64 of 24 to 64 bytes, such as made by: echo whsec_$(openssl rand -base64 32)")
	}
	return key, nil
}

// Sign returns the signature of a message.
func Sign(key []byte, id, at string, text []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + at + "."))
	mac.Write(text)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
