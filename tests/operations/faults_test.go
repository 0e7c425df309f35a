package operations

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"iotmon/tests/testenv"
)

// faults do harm until the test ends.
type faults struct {
	t    *testing.T
	ctx  context.Context
	done sync.WaitGroup
}

// every does something at once and then again and again.
func (f *faults) every(interval time.Duration, do func()) {
	f.done.Go(func() {
		for f.ctx.Err() == nil {
			do()
			select {
			case <-f.ctx.Done():
			case <-time.After(interval):
			}
		}
	})
}

// behindTheirTime posts readings of half of the devices that are seconds old; the others are silent.
func (f *faults) behindTheirTime(addr string) {
	var body strings.Builder
	at := time.Now().Add(-3 * time.Second).UTC().Format(time.RFC3339Nano)
	for i := range 5 {
		fmt.Fprintf(&body, `{"device_id":"oven-%d","device_type":"temperature_sensor","timestamp":%q,"value":20}`+"\n", i, at)
	}
	request, err := http.NewRequestWithContext(f.ctx, http.MethodPost, "http://"+addr+"/api/v1/readings", strings.NewReader(body.String()))
	if err != nil {
		return
	}
	request.Header.Set("Content-Type", "application/x-ndjson")
	if response, err := http.DefaultClient.Do(request); err == nil { // The metrics show what becomes of it.
		response.Body.Close()
	}
}

// pastTheDoor writes a record to Kafka that is not a reading.
func (f *faults) pastTheDoor(broker string) {
	command := exec.CommandContext(f.ctx, "kcat", "-b", broker, "-P", "-t", "device-data", "-q")
	command.Stdin = bytes.NewReader(bytes.Repeat([]byte("no reading\n"), 20))
	if output, err := command.CombinedOutput(); err != nil && f.ctx.Err() == nil {
		f.t.Errorf("kcat: %v\n%s", err, output)
	}
}

// mute connects more viewers than are let in, who read nothing and so answer no ping either.
func (f *faults) mute(addr string) {
	for range 12 {
		conn, response, err := websocket.DefaultDialer.DialContext(f.ctx, "ws://"+addr+"/ws", nil)
		if err == nil {
			context.AfterFunc(f.ctx, func() { conn.Close() })
		} else if response != nil {
			response.Body.Close()
		}
	}
}

// TestEachFaultRaisesItsAlert has devices behind their time, silent devices, garbage in Kafka, and viewers who do not read and
// are too many, all at once.
func TestEachFaultRaisesItsAlert(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute; make test runs it")
	}
	t.Parallel()
	broker := testenv.Address(t)
	_, port, err := net.SplitHostPort(broker)
	if err != nil {
		t.Fatal(err)
	}
	// What was processed is counted once for each transaction, which takes up to ten intervals. The rules are hurried, so is this.
	plant := serve(t, "iotmon", "IOTMON_DEVICE_SIMULATOR_ENABLED=false", "IOTMON_PROCESSOR_COMMIT_INTERVAL=100ms", "IOTMON_DATA_DIR="+t.TempDir(), "IOTMON_KAFKA_EMBEDDED_PORT="+port,
		"IOTMON_DEVICES_OFFLINE_AFTER=3s", "IOTMON_WEBSOCKET_MAX_CONNECTIONS=8", "IOTMON_WEBSOCKET_PING_INTERVAL=1s", "IOTMON_WEBSOCKET_PONG_TIMEOUT=2s")
	readings := startGateway(t, plant.addr)
	look(t, plant.addr)
	p := watch(t, plant)
	if !eventually(patience, func() bool { return len(p.query("iotmon:end_to_end_latency_seconds:p99_5m")) > 0 }) {
		t.Fatal("Prometheus does not see readings reach a viewer in time")
	}
	time.Sleep(5 * time.Second) // Whatever would fire without a fault has the time to.
	if names := p.firing(); len(names) > 0 {
		t.Errorf("without a fault these fire: %v", names)
	}

	readings.end()
	ctx, stop := context.WithCancel(t.Context())
	f := &faults{t: t, ctx: ctx}
	t.Cleanup(func() {
		stop()
		f.done.Wait()
	})
	f.every(200*time.Millisecond, func() { f.behindTheirTime(plant.addr) })
	f.every(500*time.Millisecond, func() { f.pastTheDoor(broker) })
	f.every(time.Second, func() { f.mute(plant.addr) })
	for _, alert := range []string{"IotmonEndToEndSlow", "IotmonDevicesOffline", "IotmonReadingsRejected", "IotmonViewersDropped", "IotmonViewersRefused"} {
		p.await(alert, true)
	}
}
