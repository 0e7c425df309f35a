package integration

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"iotmon/internal/iot"
)

// viewer is a browser that goes to the next web instance whenever its connection ends, and resumes there.
type viewer struct {
	running sync.WaitGroup
	quit    chan struct{}

	mu sync.Mutex
	// windows has the last count that was received for each closed window.
	windows map[windowKey]int64
	wrong   []string
	visits  int
}

// startViewer looks at the instances in turn until the test ends.
func startViewer(t *testing.T, instances ...*server) *viewer {
	v := &viewer{quit: make(chan struct{}), windows: make(map[windowKey]int64)}
	v.running.Go(func() {
		session, since := "", uint64(0)
		for i := 0; ; i++ {
			session, since = v.visit(instances[i%len(instances)].addr, session, since)
			select {
			case <-v.quit:
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
	t.Cleanup(func() {
		v.stop()
		for _, wrong := range v.wrong {
			t.Error(wrong)
		}
		t.Logf("the viewer saw %d closed windows on %d connections", len(v.windows), v.visits)
	})
	return v
}

func (v *viewer) stop() {
	close(v.quit)
	v.running.Wait()
}

// closed returns how many closed windows the viewer has seen.
func (v *viewer) closed() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.windows)
}

// visited returns how often the viewer has connected.
func (v *viewer) visited() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.visits
}

// differs lists the windows for which the viewer has not received the expected count.
func (v *viewer) differs(truth map[windowKey]*stat) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var wrong []string
	for key, want := range truth {
		if got := v.windows[key]; got != want.count {
			wrong = append(wrong, fmt.Sprintf("%s %v: saw %d readings, want %d", key.kind, time.UnixMicro(key.start).UTC(), got, want.count))
		}
	}
	return wrong
}

// pushed is a message, as far as the viewer looks at it.
type pushed struct {
	Type        string    `json:"type"`
	Seq         uint64    `json:"seq"`
	Session     string    `json:"session"`
	Resumed     bool      `json:"resumed"`
	Snapshot    bool      `json:"snapshot"`
	WindowStart time.Time `json:"window_start"`
	Final       bool      `json:"final"`
	Data        map[iot.DeviceType]struct {
		Count int64 `json:"count"`
	} `json:"data"`
}

// visit reads from one instance until the connection ends, and returns where to resume.
func (v *viewer) visit(addr, session string, since uint64) (string, uint64) {
	query := url.Values{}
	if session != "" {
		query.Set("session", session)
		query.Set("since", strconv.FormatUint(since, 10))
	}
	conn, _, err := websocket.DefaultDialer.Dial("ws://"+addr+"/ws?"+query.Encode(), nil)
	if err != nil {
		return session, since
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-v.quit:
		case <-ended:
		}
		conn.Close()
	}()
	v.mu.Lock()
	v.visits++
	v.mu.Unlock()
	for {
		_, text, err := conn.ReadMessage()
		if err != nil {
			return session, since
		}
		var m pushed
		if err := json.Unmarshal(text, &m); err != nil {
			v.complain(fmt.Sprintf("%v in %s", err, text))
			continue
		}
		if m.Type == "hello" {
			session = m.Session
			if !m.Resumed {
				since = 0
			}
		}
		if m.Seq < since {
			v.complain(fmt.Sprintf("%s: seq %d after %d", m.Type, m.Seq, since))
		}
		since = m.Seq
		v.apply(&m)
	}
}

func (v *viewer) apply(m *pushed) {
	if m.Type != "aggregated_data" || !m.Final {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for kind, data := range m.Data {
		v.windows[windowKey{kind, m.WindowStart.UnixMicro()}] = data.Count
	}
}

func (v *viewer) complain(what string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.wrong = append(v.wrong, what)
}
