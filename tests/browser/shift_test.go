package browser

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/gorilla/websocket"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// recorded is how long the messages of the plant are recorded: four windows, so that the recording can be repeated without a seam.
const recorded = 2 * time.Minute

// BenchmarkShift shows the page the messages of eight hours of 1,000 devices every five seconds, as fast as it reads them, with the drawer of
// a device open, and reports the heap after each hour, with its garbage collected. The messages are those of the real program: two minutes
// of them, 240 times, each time with later timestamps, higher numbers and other alerts.
func BenchmarkShift(b *testing.B) {
	path, err := binary()
	if err != nil {
		b.Fatal(err)
	}
	config := filepath.Join(b.TempDir(), "shift.yaml")
	if err := os.WriteFile(config, []byte("aggregation: {window_seconds: 30}\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	plant := newPlant(b, path, "-devices", "1000", "-interval", "5s", "-config", config)
	recording := plant.record(b)
	for b.Loop() {
		showShift(b, plant, recording)
	}
}

// showShift has a page read a shift and reports its heap.
func showShift(b *testing.B, plant *plant, recording *recording) {
	b.Helper()
	const repetitions, anHour = int(8 * time.Hour / recorded), int(time.Hour / recorded)
	sockets := make(chan *websocket.Conn, 1)
	server := plant.serve(b, sockets)
	tab := plant.open(options{addr: strings.TrimPrefix(server.URL, "http://"), path: "/docs"})
	const count = `{
		const Real = window.WebSocket;
		window.read = 0;
		window.WebSocket = class extends Real { constructor(...how) { super(...how); this.addEventListener("message", () => read++); } };
	}`
	call(tab, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: count})
	// Reporting each message to the test would be work of the page.
	call(tab, network.Disable, cdp.Empty{})
	tab.do(chromedp.Navigate(server.URL + "/?device=device_001"))
	socket := <-sockets
	sent := 0
	send := func(frames []string, repetition int) {
		for chunk := range slices.Chunk(frames, 100) {
			for _, frame := range chunk {
				if err := socket.WriteMessage(websocket.TextMessage, []byte(recording.shifted(frame, repetition))); err != nil {
					b.Fatal(err)
				}
			}
			sent += len(chunk)
			tab.until("read >= " + strconv.Itoa(sent))
		}
	}
	send(recording.snapshot, 0)
	tab.until(`document.querySelector("#drawer")?.open && document.querySelector("#device-chart canvas") !== null`)
	began := time.Now()
	for i := range repetitions {
		send(recording.changes, i)
		if hour := (i + 1) / anHour; (i+1)%anHour == 0 {
			left := tab.live()
			b.Logf("hour %d: %.2f MB, %d nodes, %d listeners", hour, left.HeapBytes/1e6, left.Nodes, left.Listeners)
			b.ReportMetric(left.HeapBytes/1e6, "MB-hour-"+strconv.Itoa(hour))
		}
	}
	b.ReportMetric(float64(sent), "messages")
	b.ReportMetric((8*time.Hour).Seconds()/time.Since(began).Seconds(), "×speed")
}

// serve runs a server of the plant's page whose WebSocket connections it leaves to the test.
func (p *plant) serve(b *testing.B, sockets chan<- *websocket.Conn) *httptest.Server {
	target, err := url.Parse(p.url("/"))
	if err != nil {
		b.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", httputil.NewSingleHostReverseProxy(target))
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		socket, err := new(websocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			b.Error(err)
			return
		}
		sockets <- socket
	})
	server := httptest.NewServer(mux)
	b.Cleanup(server.Close)
	return server
}

// recording is the messages of a plant for a while.
type recording struct {
	// snapshot is what a page is sent at first, changes what follows.
	snapshot, changes []string
	// numbers is how many numbers of the sequence the changes have.
	numbers uint64
}

// record returns what the plant sends a page: its present state, and the changes for as long as recorded. Alerts whose beginning or end is
// not in it are left out, as there would be more of them open with each repetition.
func (p *plant) record(b *testing.B) *recording {
	b.Helper()
	socket, _, err := websocket.DefaultDialer.Dial("ws://"+p.addr+"/ws?batch=true", nil)
	if err != nil {
		b.Fatal(err)
	}
	defer socket.Close()
	r := new(recording)
	var first, last uint64
	var end time.Time
	stages := make(map[string]int)
	for {
		_, frame, err := socket.ReadMessage()
		if err != nil {
			b.Fatal(err)
		}
		var m wire.AlertMessage // Whatever the type of the message, its envelope.
		if err := json.Unmarshal(frame, &m); err != nil {
			b.Fatal(err)
		}
		if m.Type == wire.TypeHello || m.Snapshot {
			r.snapshot = append(r.snapshot, string(frame))
			continue
		}
		if end.IsZero() {
			first, end = m.Seq, m.Timestamp.Add(recorded)
		}
		if m.Timestamp.After(end) {
			break
		}
		last = max(last, m.Seq)
		r.changes = append(r.changes, string(frame))
		for _, alert := range m.Alerts {
			if alert.State == iot.Raised || alert.State == iot.Cleared {
				stages[alert.ID]++
			}
		}
	}
	r.numbers = last - first + 1
	for i, frame := range r.changes {
		r.changes[i] = withoutHalfAlerts(b, frame, stages)
	}
	return r
}

// withoutHalfAlerts returns the message without alerts that have not been both raised and cleared.
func withoutHalfAlerts(b *testing.B, frame string, stages map[string]int) string {
	b.Helper()
	var m wire.AlertMessage
	if err := json.Unmarshal([]byte(frame), &m); err != nil {
		b.Fatal(err)
	}
	if m.Type != wire.TypeAlert {
		return frame
	}
	whole := m.Alerts[:0]
	for _, alert := range m.Alerts {
		if stages[alert.ID] == 2 {
			whole = append(whole, alert)
		}
	}
	m.Alerts = whole
	text, err := json.Marshal(m)
	if err != nil {
		b.Fatal(err)
	}
	return string(text)
}

// changing finds in a message what differs from repetition to repetition: its number, times, and the ids of alerts.
var changing = regexp.MustCompile(`"seq":\d+|"\d{4}-\d\d-\d\dT[0-9:.]+Z"|[{,]"id":"`)

// shifted returns a message as it would have come so many repetitions later.
func (r *recording) shifted(frame string, repetition int) string {
	return changing.ReplaceAllStringFunc(frame, func(found string) string {
		if number, is := strings.CutPrefix(found, `"seq":`); is {
			seq, _ := strconv.ParseUint(number, 10, 64)
			return `"seq":` + strconv.FormatUint(seq+uint64(repetition)*r.numbers, 10)
		}
		if strings.HasSuffix(found, `"id":"`) {
			return found + strconv.Itoa(repetition) + "-"
		}
		at, err := time.Parse(`"`+time.RFC3339Nano+`"`, found)
		if err != nil {
			return found
		}
		return at.Add(time.Duration(repetition) * recorded).Format(`"` + time.RFC3339Nano + `"`)
	})
}
