// Package chat sends messages to the chat services of plant teams, by the formats that their vendors publish. The texts are plain, so that nothing in
// them is read as markup or calls on people.
package chat

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"iotmon/internal/notify"
	"iotmon/internal/notify/post"
)

// Service is a chat service.
type Service string

// The services.
const (
	DingTalk Service = "dingtalk"
	WeCom    Service = "wecom"
	Feishu   Service = "feishu"
	Slack    Service = "slack"
	Teams    Service = "teams"
	Telegram Service = "telegram"
)

// Options configure a Sender.
type Options struct {
	Service Service
	// URL is the address of the robot or webhook, which contains its key; for Telegram it is that of the API.
	URL post.Secret
	// Secret signs messages to DingTalk and Feishu; nil means that they are not signed. Of Telegram it is the token of the bot.
	Secret post.Secret
	// Chat is the chat of Telegram.
	Chat   string
	Writer notify.Writer
	Client *post.Client
	Now    func() time.Time
}

// limits are the maximum lengths of a text in bytes, somewhat below those of the services.
var limits = map[Service]int{DingTalk: 8000, WeCom: 2000, Feishu: 8000, Slack: 3500, Teams: 8000, Telegram: 3800}

// Sender is a deliver.Sender.
type Sender struct{ Options }

// New returns a sender, whose texts are as long as the service allows.
func New(o Options) *Sender {
	o.Writer.Most = limits[o.Service]
	return &Sender{o}
}

// services make the request of a message.
var services = map[Service]func(s *Sender, address, text string) (string, any, error){
	DingTalk: (*Sender).dingTalk, WeCom: (*Sender).weCom, Feishu: (*Sender).feishu, Slack: (*Sender).slack, Teams: (*Sender).teams, Telegram: (*Sender).telegram,
}

// Send implements deliver.Sender.
func (s *Sender) Send(ctx context.Context, _ string, m *notify.Message) (string, error) {
	address, err := s.URL()
	if err != nil {
		return "", fmt.Errorf("read the address: %w", err)
	}
	subject := s.Writer.Subject(m)
	writer := s.Writer
	writer.Most -= len(subject) + 1
	address, content, err := services[s.Service](s, strings.TrimSpace(address), subject+"\n"+writer.Text(m))
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(content)
	if err != nil {
		return "", notify.Refused(fmt.Errorf("encode the message: %w", err))
	}
	answer, err := s.Client.JSON(ctx, address, http.Header{}, body)
	if err != nil {
		return "", err
	}
	return post.Shown(answer), s.refusal(answer)
}

// refusal returns the error in an answer with a status of success: most of the services say by the body whether they have taken a message.
func (s *Sender) refusal(answer []byte) error {
	var said struct {
		ErrCode *int  `json:"errcode"`
		Code    *int  `json:"code"`
		Status  *int  `json:"StatusCode"`
		OK      *bool `json:"ok"`
	}
	parsed := json.Unmarshal(answer, &said) == nil
	taken := true
	switch s.Service {
	case DingTalk, WeCom:
		taken = parsed && said.ErrCode != nil && *said.ErrCode == 0
	case Feishu:
		taken = parsed && (said.Code != nil && *said.Code == 0 || said.Code == nil && said.Status != nil && *said.Status == 0)
	case Telegram:
		taken = parsed && said.OK != nil && *said.OK
	case Slack:
		taken = strings.TrimSpace(string(answer)) == "ok"
	}
	if !taken {
		return fmt.Errorf("the service has not taken the message: %s", post.Shown(answer))
	}
	return nil
}
