package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"iotmon/tests/testenv"
)

// redisCLI runs redis-cli, as an operator would.
func redisCLI(t *testing.T, url string, args ...string) string {
	t.Helper()
	output, err := exec.Command("redis-cli", append([]string{"-u", url}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("redis-cli %q: %v: %s", args, err, output)
	}
	return strings.TrimSpace(string(output))
}

// TestStatesAreInRedis runs the services on a Redis, and looks at it as other systems do; empties it, kills it, and starts
// web instances with it, with an empty one, and without one.
func TestStatesAreInRedis(t *testing.T) {
	if testing.Short() {
		t.Skip("needs real servers; make test brings them")
	}
	inTurn(t)
	servers := testenv.Own(t, testenv.RedisServer)
	redis := servers.RedisURL()
	common := joinCluster(t).config("readings") + fmt.Sprintf("postgres: {url: %q}\n", testenv.Postgres(t))
	config := common + fmt.Sprintf("redis: {url: %q, expiry: 2m}\ndevice_simulator: {faults: {offline: 0}}\n", redis)
	consumer := newProgram(t, "consumer", config)
	consumer.start()
	producer := newProgram(t, "producer", config, "-devices", "300", "-interval", "300ms")
	producer.start()
	const devices = 300
	cached := func() int {
		total := 0
		for p := range 10 {
			n, _ := strconv.Atoi(redisCLI(t, redis, "HLEN", fmt.Sprint("iotmon:states:", p)))
			total += max(n-2, 0) // Two of its fields say how far it is.
		}
		return total
	}
	waitFor(t, patience, "all devices are cached", func() bool { return cached() == devices })
	if ttl, _ := strconv.Atoi(redisCLI(t, redis, "TTL", "iotmon:device:device_001")); ttl < 60 || ttl > 120 {
		t.Errorf("redis.expiry: a device lives for another %d s, want up to 120", ttl)
	}
	producer.stop() // From here on nothing changes but by the passing of time.

	web := newProgram(t, "web", config)
	web.start()
	if !strings.Contains(web.log.String(), `"device states loaded from the cache" devices=300`) {
		t.Errorf("the web instance did not start from the cache:\n%s", web.log.String())
	}
	log := newProgram(t, "websocket", common+"redis: {url: ''}\n")
	log.start()
	other := newProgram(t, "websocket", config)
	other.start()
	if !strings.Contains(other.log.String(), `"device states loaded from the cache" devices=300`) {
		t.Errorf("the websocket instance did not start from the cache:\n%s", other.log.String())
	}
	fromLog, fromCache := snapshot(t, log), snapshot(t, other)
	if len(fromLog) != devices || !slices.Equal(fromLog, fromCache) {
		t.Errorf("got %d devices from the log, and %d from the cache, want the same 300", len(fromLog), len(fromCache))
	}
	for _, id := range []string{"device_001", "device_300"} {
		var last string
		same := func() bool { last = compareDevice(t, web, redis, id); return last == "" }
		if !eventually(patience, same) {
			t.Errorf("%s: %s", id, last)
		}
	}

	var normal time.Duration
	waitFor(t, patience, "the second answer comes from the cache", func() bool { // Of a Redis that answers in time.
		normal = askTwice(t, web)
		const hits = `iot_cache_answers_total{outcome="hit"} `
		metrics := fetch(t, web.base()+"/metrics")
		return strings.Contains(metrics, hits) && !strings.Contains(metrics, hits+"0")
	})

	redisCLI(t, redis, "FLUSHALL")
	empty := newProgram(t, "web", config)
	empty.start()
	waitFor(t, patience, "an emptied cache is filled again, though no device sends", func() bool { return cached() == devices })

	servers.Kill(testenv.RedisServer)
	for _, instance := range []*server{web, empty, consumer} {
		waitFor(t, patience, "the outage is mentioned", func() bool {
			return strings.Contains(fetch(t, instance.base()+"/ready"), `"degraded":[{"name":"redis"`)
		})
	}
	late := newProgram(t, "web", config)
	late.start()
	if got := len(list[device](t, late.base(), "/api/v1/devices", url.Values{})); got != devices {
		t.Errorf("without Redis: got %d devices, want %d", got, devices)
	}
	if took := askTwice(t, late); took > 5*time.Second+10*normal {
		t.Errorf("two answers without Redis took %v, and with it %v", took, normal)
	}
	servers.Start(testenv.RedisServer)
	waitFor(t, patience, "the cache is filled again after the outage", func() bool { return cached() == devices })
	waitFor(t, patience, "nothing is degraded", func() bool { return !strings.Contains(fetch(t, late.base()+"/ready"), "degraded") })
}

type device struct {
	ID     string  `json:"device_id"`
	Type   string  `json:"device_type"`
	Status string  `json:"status"`
	Time   string  `json:"timestamp"`
	Since  string  `json:"since"`
	Value  float64 `json:"value"`
	Alerts int     `json:"open_alerts"`
}

// compareDevice describes how a device's hash differs from the API's answer, "" if it does not.
func compareDevice(t *testing.T, web *server, redis, id string) string {
	t.Helper()
	var want device
	if err := json.Unmarshal([]byte(fetch(t, web.base()+"/api/v1/devices/"+id)), &want); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(redisCLI(t, redis, "HMGET", "iotmon:device:"+id, "device_id", "device_type", "timestamp", "value"), "\n")
	value, err := strconv.ParseFloat(lines[3], 64)
	if err != nil || lines[0] != want.ID || lines[1] != want.Type || lines[2] != want.Time || value != want.Value {
		return fmt.Sprintf("got %q, want %+v", lines, want)
	}
	return ""
}

// snapshot returns the devices of a viewer's first snapshot, sorted.
func snapshot(t *testing.T, s *server) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, _, err := websocket.DefaultDialer.DialContext(ctx, "ws://"+s.addr+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var devices []string
	for {
		_, text, err := conn.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		var message struct {
			Type     string
			Snapshot bool
			Devices  []device
		}
		if err := json.Unmarshal(text, &message); err != nil {
			t.Fatal(err)
		}
		if message.Type == "device_data" && message.Snapshot {
			for _, d := range message.Devices {
				devices = append(devices, fmt.Sprintf("%+v", d))
			}
			if len(devices) >= 300 {
				slices.Sort(devices)
				return devices
			}
		}
	}
}

// askTwice requests the same closed range twice, expects the same answer, and returns the time of the second request.
func askTwice(t *testing.T, web *server) time.Duration {
	t.Helper()
	to := time.Now().Add(-5 * time.Minute).UTC().Truncate(time.Second)
	path := fmt.Sprintf("/api/v1/summaries?from=%s&to=%s", to.Add(-time.Hour).Format(time.RFC3339), to.Format(time.RFC3339))
	begun := time.Now()
	one, other := fetch(t, web.base()+path), fetch(t, web.base()+path)
	if one != other {
		t.Errorf("got %s, then %s", one, other)
	}
	return time.Since(begun)
}
