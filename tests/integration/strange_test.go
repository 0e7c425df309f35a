package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"
	"golang.org/x/text/unicode/norm"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
	"iotmon/tests/testenv"
)

const strangeConfig = `
aggregation: {window_seconds: 2, allowed_lateness: 1s}
device_types:
  - {name: anything, min: -1.7976931348623157e308, max: 1.7976931348623157e308}
alerts:
  device_offline: "off"
  rules:
    - {name: anything_positive, device_type: anything, severity: critical, above: 0}
`

// TestTheStrangestReadingsStopNothing sends 10,000 alarming readings with the largest and strangest texts and values that admission lets
// through from HTTP to every window, alert, state, archive and socket, in one process, and again after it was killed.
func TestTheStrangestReadingsStopNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute; make test runs it")
	}
	inTurn(t)
	s := newServer(t, t.TempDir(), strangeConfig, "-no-simulator")
	s.start()
	sent := postStrange(t, s, 10_000)
	verifyStrange(t, s, sent)
	s.kill()
	s.start()
	verifyStrange(t, s, sent)
	postOrdinary(t, s, s)
}

// TestTheStrangestReadingsStopNoService does the same with fewer of them and Kafka, PostgreSQL and Redis, and kills the consumer.
func TestTheStrangestReadingsStopNoService(t *testing.T) {
	if testing.Short() {
		t.Skip("needs real servers; make test brings them")
	}
	inTurn(t)
	servers := testenv.Own(t, testenv.RedisServer)
	config := joinCluster(t).config("readings") + fmt.Sprintf("postgres: {url: %q}\nredis: {url: %q}\n", testenv.Postgres(t), servers.RedisURL()) + strangeConfig
	consumer, producer := newProgram(t, "consumer", config), newProgram(t, "producer", config, "-no-simulator")
	consumer.start()
	producer.start()
	sent := postStrange(t, producer, 2000)
	web := newProgram(t, "web", config)
	web.start()
	verifyStrange(t, web, sent)
	consumer.kill()
	consumer.start()
	postOrdinary(t, producer, web)
	again := newProgram(t, "web", config) // It loads the states from Redis.
	again.start()
	verifyStrange(t, again, sent)
}

// alphabets are sets of characters for texts. Each text is within the limit in bytes, and difficult for some part of the system.
var alphabets = []string{
	`<>&'"`, `"\`, "工业设备监测", "🏭🔥🔧", "العربية", "ก็ที่", "e\u0301a\u0308", "%{}$;--", "../?#&=+ ", "𝔘𝔫𝔦\U0001f1e8\U0001f1f3", "ⅷ①ﬁ",
}

// strangeText returns a text of one alphabet, as long as a field may be.
func strangeText(random *rand.Rand) string {
	letters := []rune(alphabets[random.IntN(len(alphabets))])
	text := "x"
	for {
		next := text + string(letters[random.IntN(len(letters))])
		if len(next) > iot.DefaultMaxText-1 {
			return text + "x"
		}
		text = next
	}
}

var strangeValues = []float64{math.MaxFloat64, math.MaxFloat64, 1e308, math.SmallestNonzeroFloat64, 1e-300, 0.1, 1 << 53, 1e22}

// postStrange sends a reading of each of so many devices, all beyond the threshold, and returns the accepted ones.
func postStrange(t *testing.T, in *server, devices int) map[iot.DeviceID]iot.Reading {
	t.Helper()
	random := rand.New(rand.NewPCG(11, 11))
	now := iot.CutTime(time.Now())
	sent := make(map[iot.DeviceID]iot.Reading)
	for first := 0; first < devices; first += 1000 {
		var body bytes.Buffer
		var batch []iot.Reading
		for i := range 1000 {
			level := random.Float64() * 100
			r := iot.Reading{
				Device: iot.Device{
					ID: strangeID(random, first+i), Type: "anything",
					Location: iot.Location{Building: strangeText(random), Floor: iot.MaxFloor - random.IntN(2*iot.MaxFloor), Room: strangeText(random)},
					Metadata: iot.Metadata{Model: strangeText(random), Firmware: strangeText(random), BatteryLevel: &level},
				},
				Time:       now.Add(time.Duration(random.IntN(1000)) * time.Microsecond),
				Value:      strangeValues[random.IntN(len(strangeValues))],
				Quality:    []iot.Quality{"", iot.Good, iot.Uncertain}[random.IntN(3)],
				ReceivedAt: time.Date(2000+random.IntN(7990), 12, 31, 23, 59, 59, 999_999_000, time.UTC),
			}
			batch = append(batch, r)
			body.Write(append(wire.AppendReading(nil, &r), '\n'))
		}
		response, err := http.Post(in.base()+"/api/v1/readings", "application/x-ndjson", &body)
		if err != nil {
			t.Fatal(err)
		}
		var answer wire.Ingested
		err = json.NewDecoder(response.Body).Decode(&answer)
		response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		for _, rejection := range answer.Rejected {
			batch[rejection.Index].ID = ""
		}
		for _, r := range batch {
			if r.ID != "" {
				sent[r.ID] = r
			}
		}
		if len(answer.Rejected) > 200 {
			t.Fatalf("%d of 1,000 are rejected, such as %+v: that tests little", len(answer.Rejected), answer.Rejected[0])
		}
	}
	return sent
}

// strangeID returns an id of 128 bytes at most that no other device has.
func strangeID(random *rand.Rand, number int) iot.DeviceID {
	text := fmt.Sprintf("%05d", number) + strangeText(random)
	for len(text) > iot.MaxIDLength-1 {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return iot.DeviceID(norm.NFC.String(strings.TrimSpace(text) + "x"))
}

// verifyStrange waits until all that was let in is there: devices, alerts, windows, archived readings, and a viewer's snapshot.
func verifyStrange(t *testing.T, web *server, sent map[iot.DeviceID]iot.Reading) {
	t.Helper()
	waitFor(t, patience, "all devices are known", func() bool {
		return len(list[device](t, web.base(), "/api/v1/devices", url.Values{"limit": {"500"}})) >= len(sent)
	})
	open := 0
	if !eventually(patience, func() bool {
		alerts := list[archivedAlert](t, web.base(), "/api/v1/alerts", url.Values{
			"from": {"2020-01-01T00:00:00Z"}, "to": {"2100-01-01T00:00:00Z"}, "limit": {"500"},
		})
		open = 0
		for _, a := range alerts {
			if _, ours := sent[iot.DeviceID(a.DeviceID)]; ours && a.ClearedAt == nil {
				open++
			}
		}
		return open == len(sent)
	}) {
		t.Fatalf("%d of %d devices have their alert in the archive", open, len(sent))
	}
	waitFor(t, patience, "the windows hold every reading", func() bool {
		counted, average := int64(0), 0.0
		for _, row := range summaries(t, web) {
			if row.DeviceType == "anything" && row.Data.Average != nil {
				counted += row.Data.Count
				average = max(average, *row.Data.Average)
			}
		}
		return counted >= int64(len(sent)) && average > 1e307 && average <= math.MaxFloat64
	})
	checked := 0
	for id, want := range sent {
		if checked++; checked > 40 {
			break
		}
		found := deviceReadings(t, web, string(id), time.Now())
		if got, ok := found[want.Time.UnixMicro()]; !ok || got != want.Value {
			t.Errorf("%q: got readings %v, want %v", id, found, want.Value)
		}
		var detail device
		if err := json.Unmarshal([]byte(fetch(t, web.base()+"/api/v1/devices/"+url.PathEscape(string(id)))), &detail); err != nil || detail.ID != string(id) || detail.Alerts != 1 {
			t.Errorf("%q: got %+v, %v, want the device with one alert", id, detail, err)
		}
	}
	if got := countSnapshot(t, web, len(sent)); got < len(sent) {
		t.Errorf("a viewer received %d devices, want %d", got, len(sent))
	}
	fetch(t, web.base()+"/api/v1/alerts?state=open")
}

// countSnapshot returns the number of devices in a viewer's first snapshot. It stops counting at enough.
func countSnapshot(t *testing.T, s *server, enough int) int {
	t.Helper()
	devices := make(map[string]bool)
	deadline := time.Now().Add(patience)
	for len(devices) < enough && time.Now().Before(deadline) {
		// Where a machine is so busy that the viewer is too slow, the server ends the connection. A page connects again, too.
		if err := receiveDevices(t, s, devices, enough, deadline); err != nil {
			t.Logf("a viewer with %d devices: %v", len(devices), err)
		}
	}
	return len(devices)
}

// receiveDevices adds the devices that a viewer is sent until there are enough, or the connection ends.
func receiveDevices(t *testing.T, s *server, devices map[string]bool, enough int, deadline time.Time) error {
	t.Helper()
	conn, _, err := websocket.DefaultDialer.Dial("ws://"+s.addr+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(deadline); err != nil {
		t.Fatal(err)
	}
	for len(devices) < enough {
		_, text, err := conn.ReadMessage()
		if err != nil {
			return err
		}
		var message struct {
			Type    string
			Devices []device
		}
		if err := json.Unmarshal(text, &message); err != nil {
			t.Fatalf("%v in %.200q", err, text)
		}
		for _, d := range message.Devices {
			devices[d.ID] = true
		}
	}
	return nil
}

// postOrdinary shows that everything goes on: a reading more is counted, and its window closes.
func postOrdinary(t *testing.T, in, web *server) {
	t.Helper()
	body := encode([]sample{{device: "ordinary", kind: iot.Temperature, at: iot.CutTime(time.Now()), value: 20}})
	response, err := http.Post(in.base()+"/api/v1/readings", "application/x-ndjson", bytes.NewReader(body))
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("got %v, %v, want the reading accepted", response, err)
	}
	response.Body.Close()
	waitFor(t, patience, "a window closes with an ordinary reading", func() bool {
		for _, row := range summaries(t, web) {
			if row.DeviceType == iot.Temperature && row.Data.Count == 1 {
				return true
			}
		}
		return false
	})
}
