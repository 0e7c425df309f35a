package integration

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// hook is a receiver of signed webhooks that fails and hangs as it is notified.
type hook struct {
	*httptest.Server
	key []byte
	// mode is what it does: 0 takes messages, 1 answers 503, 2 takes them but ends the connection without an answer, 3 hangs, 4 answers 400.
	mode atomic.Int32

	mu sync.Mutex
	// received are the bodies by webhook-id, order the ids in the order of their first arrival; repeated counts those that came again.
	received map[string]hooked
	order    []string
	repeated int
	bad      []string
}

// hooked is what a receiver knows of a message.
type hooked struct {
	Type string `json:"type"`
	Data struct {
		ID     string `json:"id"`
		Groups []struct {
			Group  string `json:"group"`
			Rule   string `json:"alert_type"`
			Open   int    `json:"open"`
			New    int    `json:"new"`
			Over   int    `json:"over"`
			Passed int    `json:"passed"`
			Alerts []struct {
				ID      string     `json:"id"`
				Device  string     `json:"device_id"`
				Cleared *time.Time `json:"cleared"`
			} `json:"alerts"`
		} `json:"groups"`
	} `json:"data"`
	Text string `json:"text"`
}

func newHook(t *testing.T) *hook {
	t.Helper()
	h := &hook{key: []byte("0123456789abcdef0123456789abcdef"), received: make(map[string]hooked)}
	h.Server = httptest.NewServer(h)
	t.Cleanup(func() {
		h.mode.Store(0)
		h.CloseClientConnections()
		h.Close()
	})
	return h
}

// secret returns a file with the secret of the signatures.
func (h *hook) secret(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("whsec_"+base64.StdEncoding.EncodeToString(h.key)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mode := h.mode.Load()
	switch mode {
	case 1:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case 4:
		w.WriteHeader(http.StatusBadRequest)
		return
	case 3:
		select {
		case <-r.Context().Done():
		case <-time.After(time.Minute):
		}
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	id := r.Header.Get("webhook-id")
	mac := hmac.New(sha256.New, h.key)
	fmt.Fprintf(mac, "%s.%s.%s", id, r.Header.Get("webhook-timestamp"), body)
	h.mu.Lock()
	defer h.mu.Unlock()
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); r.Header.Get("webhook-signature") != want {
		h.bad = append(h.bad, "signature of "+id)
	}
	var message hooked
	if err := json.Unmarshal(body, &message); err != nil || message.Data.ID != id {
		h.bad = append(h.bad, fmt.Sprintf("message %s: %v, %s", id, err, body))
	}
	if before, known := h.received[id]; known {
		h.repeated++
		if fmt.Sprint(before) != fmt.Sprint(message) && message.Type != "alerts.from_memory" {
			h.bad = append(h.bad, "message "+id+" came again with another content")
		}
	} else {
		h.received[id] = message
		h.order = append(h.order, id)
	}
	if mode == 2 {
		panic(http.ErrAbortHandler)
	}
}

// open returns which devices stand, as far as the receiver has been notified in the order of arrival. Each group is of one device.
func (h *hook) open() map[string]bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	devices := make(map[string]bool)
	for _, id := range h.order {
		open := make(map[string]bool) // A digest may have a group that is over and the next one of the same device.
		for _, group := range h.received[id].Data.Groups {
			if len(group.Alerts) > 0 {
				device := group.Alerts[0].Device
				open[device] = open[device] || group.Open > 0
			}
		}
		maps.Copy(devices, open)
	}
	return devices
}

const notifyConfig = killConfig + `
notifications:
  language: en
  channels:
    - name: hook
      webhook: {url: %q, secret_file: %q}
  routes:
    - name: all
      channels: [hook]
      group_by: [rule, device]
      wait: 0s
      interval: 1s
`

// TestKillsLoseNoNotification kills the program that sends notifications while alerts come and go and the receiver fails, hangs and takes messages without
// saying so. At the end the receiver knows the truth, each message has come under one id with one content, and the messages about each device in order.
func TestKillsLoseNoNotification(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute; make test runs it")
	}
	t.Parallel()
	h := newHook(t)
	s := newServer(t, t.TempDir(), fmt.Sprintf(notifyConfig, h.URL, h.secret(t)), "-no-simulator")
	s.start()
	random := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	const devices = 12
	high := make([]bool, devices)
	send := func(change func(i int) bool) {
		t.Helper()
		at := time.Now() // Readings that are much older than usual notify nobody.
		var samples []sample
		for i := range high {
			high[i] = change(i)
			samples = append(samples, sample{device: fmt.Sprintf("boiler_%02d", i), kind: "temperature_sensor", at: at, value: map[bool]float64{false: 20, true: 40}[high[i]]})
		}
		if code, answer := call(t, s, "POST", "/api/v1/readings", string(encode(samples))); code != http.StatusOK {
			t.Fatalf("got %d %s", code, answer)
		}
	}
	for range 6 {
		for range 4 {
			send(func(i int) bool { return high[i] != (random.IntN(3) == 0) })
			h.mode.Store(random.Int32N(4))
			if h.mode.Load() == 3 {
				h.mode.Store(0)
				time.AfterFunc(100*time.Millisecond, func() { h.mode.CompareAndSwap(0, 3) })
			}
			time.Sleep(time.Duration(random.IntN(400)) * time.Millisecond)
		}
		s.kill()
		h.CloseClientConnections()
		s.start()
	}
	h.mode.Store(0)
	send(func(i int) bool { return i%2 == 0 })
	var wrong []string
	if !eventually(patience, func() bool {
		notified := h.open()
		wrong = nil
		for i := range high {
			if device := fmt.Sprintf("boiler_%02d", i); notified[device] != high[i] {
				wrong = append(wrong, fmt.Sprintf("%s was notified to stand: %v, and does: %v", device, notified[device], high[i]))
			}
		}
		return len(wrong) == 0
	}) {
		t.Errorf("the receiver does not know the truth: %q", wrong)
		t.Logf("the archive: %.6000s", fetch(t, s.base()+"/api/v1/alerts?limit=30"))
		t.Logf("the deliveries: %.6000s", fetch(t, s.base()+"/api/v1/notifications/deliveries?limit=10"))
	}
	h.mu.Lock()
	t.Logf("%d messages, %d of them came again", len(h.received), h.repeated)
	for _, bad := range h.bad {
		t.Error(bad)
	}
	h.mu.Unlock()
	// What became of each is shown, and nothing is left to send.
	waitFor(t, patience, "nothing is left to send", func() bool {
		return strings.Contains(fetch(t, s.base()+"/api/v1/notifications/deliveries?state=pending"), `"items":[]`)
	})
	metrics := fetch(t, s.base()+"/metrics")
	if !strings.Contains(metrics, `iot_notifications_waiting{channel="hook"} 0`) || !strings.Contains(metrics, "iot_notifications_sending 1") {
		t.Error("the metrics do not say that all was sent")
	}
	tryChannel(t, s, h)
}

// tryChannel tries the test button, and to send a message again.
func tryChannel(t *testing.T, s *server, h *hook) {
	t.Helper()
	var tried struct {
		Items []struct {
			ID, State, Outcome string
		} `json:"items"`
	}
	code, answer := call(t, s, "POST", "/api/v1/notifications/test", `{"channel":"hook"}`)
	if err := json.Unmarshal([]byte(answer), &tried); err != nil || code != http.StatusOK || len(tried.Items) != 1 || tried.Items[0].State != "sent" {
		t.Fatalf("test: got %d %s", code, answer)
	}
	if code, answer := call(t, s, "POST", "/api/v1/notifications/test", `{"channel":"other"}`); code != http.StatusNotFound {
		t.Errorf("an unknown channel: got %d %s", code, answer)
	}
	h.mu.Lock()
	before := h.repeated
	h.mu.Unlock()
	code, answer = call(t, s, "POST", "/api/v1/notifications/deliveries/"+tried.Items[0].ID+"/resend", "")
	h.mu.Lock()
	defer h.mu.Unlock()
	if code != http.StatusOK || !strings.Contains(answer, `"attempts":2`) || h.repeated != before+1 {
		t.Errorf("resend: got %d %s, and %d repeats, want one", code, answer, h.repeated-before)
	}
	if channels := fetch(t, s.base()+"/api/v1/notifications/channels"); !strings.Contains(channels, `"name":"hook","kind":"webhook"`) || strings.Contains(channels, h.URL) {
		t.Errorf("channels: got %s, want the hook without its address", channels)
	}
}
