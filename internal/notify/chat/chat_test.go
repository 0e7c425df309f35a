package chat_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/notify"
	"iotmon/internal/notify/chat"
	"iotmon/internal/notify/post"
)

var message = notify.Message{ID: "msg_1", Kind: notify.Raised, Time: time.Unix(1_700_000_000, 0), Groups: []notify.View{{
	Group: "g", Key: notify.Key{Severity: iot.Critical, Rule: "high"}, Open: 1, New: 1,
	Alerts: []notify.Alert{{ID: "a", Rule: "high", Device: `<!channel> *b* [c](http://d) <at user_id="all">`, Severity: iot.Critical, Text: "温度"}},
}}}

// The signatures were computed by Python's hmac module from the vendors' descriptions.
func TestRequestsAreWhatTheServicesDescribe(t *testing.T) {
	for _, test := range []struct {
		service        chat.Service
		secret, answer string
		path, query    string
		body           []string // Parts of the body.
		not            string
	}{
		{chat.DingTalk, "SECtest", `{"errcode":0,"errmsg":"ok"}`, "/hook", "access_token=key&sign=lrMq5E54T40t3FfGVjxdvoqIbXlWY6mzkZYiVoI6emk%3D&timestamp=1700000000123", []string{`"msgtype":"text"`, `"text":{"content":"`}, "@@"},
		{chat.WeCom, "", `{"errcode":0,"errmsg":"ok"}`, "/hook", "access_token=key", []string{`"msgtype":"text"`, `"text":{"content":"`}, "@@"},
		{chat.Feishu, "feishu-secret", `{"code":0,"msg":"success"}`, "/hook", "access_token=key", []string{`"timestamp":"1700000000"`, `"sign":"OrBzY1Y01Gq+HgJsl+7OfWcMVwc7YocohQm5iiZwjhU="`, `"msg_type":"text"`, `"content":{"text":"`}, "<at"},
		{chat.Slack, "", "ok", "/hook", "access_token=key", []string{`"text":"`, `&lt;!channel&gt;`}, "<!channel>"},
		{chat.Teams, "", "", "/hook", "access_token=key", []string{`"contentType":"application/vnd.microsoft.card.adaptive"`, `"type":"AdaptiveCard"`, `\\*b\\* \\[c\\]`}, "<at"},
		{chat.Telegram, "123:token", `{"ok":true,"result":{}}`, "/hook/bot123:token/sendMessage", "", []string{`"chat_id":"-100"`, `"text":"`}, "parse_mode"},
	} {
		t.Run(string(test.service), func(t *testing.T) {
			answer := test.answer
			var got *http.Request
			var body []byte
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got = r
				body, _ = io.ReadAll(r.Body)
				_, _ = io.WriteString(w, answer)
			}))
			defer server.Close()
			address := server.URL + "/hook?access_token=key"
			o := chat.Options{
				Service: test.service, URL: post.Text(address), Chat: "-100", Client: post.New(post.Options{}),
				Now: func() time.Time { return time.UnixMilli(1_700_000_000_123) },
			}
			if test.secret != "" {
				o.Secret = post.Text(test.secret)
			}
			if test.service == chat.Telegram {
				o.URL = post.Text(server.URL + "/hook")
			}
			sender := chat.New(o)
			if _, err := sender.Send(t.Context(), "", &message); err != nil {
				t.Fatal(err)
			}
			if got.URL.Path != test.path || got.URL.RawQuery != test.query {
				t.Errorf("got %s?%s, want %s?%s", got.URL.Path, got.URL.RawQuery, test.path, test.query)
			}
			var decoded any
			if err := json.Unmarshal(body, &decoded); err != nil {
				t.Fatal(err)
			}
			plain, _ := json.Marshal(decoded)
			text := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(plain))
			for _, part := range test.body {
				if !strings.Contains(text, part) {
					t.Errorf("got %s, want %s in it", text, part)
				}
			}
			if strings.Contains(text, test.not) {
				t.Errorf("got %s, with %s", text, test.not)
			}
			if test.service == chat.Teams {
				return // Its status says all.
			}
			// A service says with a status of success that it has not taken the message.
			answer = `{"errcode":310000,"errmsg":"sign not match","code":19021,"ok":false}`
			if _, err := sender.Send(t.Context(), "", &message); err == nil || strings.Contains(err.Error(), "key") {
				t.Errorf("refused: got %v, want an error without the key", err)
			}
		})
	}
}

func TestTextsAreAsLongAsTheServicesAllow(t *testing.T) {
	long := message
	long.Groups = nil
	for range 200 {
		long.Groups = append(long.Groups, message.Groups[0])
	}
	var length int
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Text struct{ Content string } }
		_ = json.NewDecoder(r.Body).Decode(&body)
		length = len(body.Text.Content)
		_, _ = io.WriteString(w, `{"errcode":0}`)
	}))
	defer server.Close()
	sender := chat.New(chat.Options{Service: chat.WeCom, URL: post.Text(server.URL), Client: post.New(post.Options{}), Now: time.Now})
	if _, err := sender.Send(t.Context(), "", &long); err != nil || length > 2048 || length < 1500 {
		t.Errorf("got %d bytes, %v, want at most 2048", length, err)
	}
}
