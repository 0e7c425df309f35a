package chat

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// sign returns the Base64 of the HMAC with SHA-256.
func sign(key, text string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// textMessage is a message of DingTalk and WeCom.
type textMessage struct {
	Type string      `json:"msgtype"`
	Text textContent `json:"text"`
}

type textContent struct {
	Content string `json:"content"`
}

// dingTalk signs the time in milliseconds and the secret with the secret; both are parameters of the address.
func (s *Sender) dingTalk(address, text string) (string, any, error) {
	content := textMessage{"text", textContent{text}}
	if s.Secret == nil {
		return address, content, nil
	}
	secret, err := s.Secret()
	if err != nil {
		return "", nil, fmt.Errorf("read the secret: %w", err)
	}
	to, err := url.Parse(address)
	if err != nil {
		return "", nil, errors.New("the address is not a URL")
	}
	at := strconv.FormatInt(s.Now().UnixMilli(), 10)
	query := to.Query()
	query.Set("timestamp", at)
	query.Set("sign", sign(secret, at+"\n"+secret))
	to.RawQuery = query.Encode()
	return to.String(), content, nil
}

// weCom is authorized by the key in the address.
func (s *Sender) weCom(address, text string) (string, any, error) {
	return address, textMessage{"text", textContent{text}}, nil
}

// feishuMessage is a message of Feishu and Lark.
type feishuMessage struct {
	Timestamp string `json:"timestamp,omitempty"`
	Sign      string `json:"sign,omitempty"`
	Type      string `json:"msg_type"`
	Content   struct {
		Text string `json:"text"`
	} `json:"content"`
}

// feishu signs nothing, with the time in seconds and the secret as the key.
func (s *Sender) feishu(address, text string) (string, any, error) {
	m := feishuMessage{Type: "text"}
	// The service knows tags such as <at user_id="all">, but no escape: a wide character stands for the bracket.
	m.Content.Text = strings.ReplaceAll(text, "<", "＜")
	if s.Secret == nil {
		return address, m, nil
	}
	secret, err := s.Secret()
	if err != nil {
		return "", nil, fmt.Errorf("read the secret: %w", err)
	}
	m.Timestamp = strconv.FormatInt(s.Now().Unix(), 10)
	m.Sign = sign(m.Timestamp+"\n"+secret, "")
	return address, m, nil
}

// slackEscape is what the service says must be escaped. Without it, <!channel> in a device's id would call on everybody.
var slackEscape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// slack posts to an incoming webhook.
func (s *Sender) slack(address, text string) (string, any, error) {
	return address, map[string]any{"text": slackEscape.Replace(text), "unfurl_links": false, "unfurl_media": false}, nil
}

// teamsEscape hides the Markdown that a TextBlock of a card knows.
var teamsEscape = strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "#", `\#`, "`", "\\`", "<", "＜")

// teams posts an adaptive card to a workflow, a line of the text in each block.
func (s *Sender) teams(address, text string) (string, any, error) {
	var blocks []any
	for i, line := range strings.Split(text, "\n") {
		block := map[string]any{"type": "TextBlock", "text": teamsEscape.Replace(line), "wrap": true, "spacing": "Small"}
		if i == 0 {
			block["weight"], block["size"] = "Bolder", "Medium"
		}
		blocks = append(blocks, block)
	}
	return address, map[string]any{"type": "message", "attachments": []any{map[string]any{
		"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": nil,
		"content": map[string]any{
			"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "body": blocks,
		},
	}}}, nil
}

// telegram calls the method sendMessage of a bot, whose token is part of the path.
func (s *Sender) telegram(address, text string) (string, any, error) {
	if s.Secret == nil {
		return "", nil, errors.New("there is no token")
	}
	token, err := s.Secret()
	if err != nil {
		return "", nil, fmt.Errorf("read the token: %w", err)
	}
	content := map[string]any{"chat_id": s.Chat, "text": text, "link_preview_options": map[string]bool{"is_disabled": true}}
	return strings.TrimRight(address, "/") + "/bot" + url.PathEscape(token) + "/sendMessage", content, nil
}
