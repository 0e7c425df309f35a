//go:build unix

package push

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"iotmon/internal/iot"
	"iotmon/internal/view"
	"iotmon/internal/view/viewtest"
	"iotmon/internal/wire"
)

// cpu returns the time that this process, clients included, has spent on its cores.
func cpu(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// crowd is a hub with many clients over loopback.
type crowd struct {
	hub  *Hub
	sent atomic.Int64
	// bytes counts what was sent.
	bytes  atomic.Int64
	script viewtest.Script
	// address is where the hub can be reached.
	address string
	// conns keeps connections open that nobody reads.
	conns []*websocket.Conn
}

// gather connects clients, each with the filter that filterOf gives it; watch gets what each reads.
func gather(b *testing.B, clients, devices int, filterOf func(int) string, watch func(int, io.Reader)) *crowd {
	b.Helper()
	return gatherBy(b, websocket.DefaultDialer, clients, devices, filterOf, watch)
}

// gatherBy is gather with connections that a dialer makes; the hub compresses if the dialer offers that.
func gatherBy(b *testing.B, dialer *websocket.Dialer, clients, devices int, filterOf func(int) string, watch func(int, io.Reader)) *crowd {
	b.Helper()
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		b.Fatal(err)
	}
	c := new(crowd)
	c.hub = NewHub(HubOptions{Catalog: catalog, View: view.New(view.Options{WindowLength: windowLength}),
		Limits:      Limits{PingInterval: time.Hour}, // These clients answer none.
		Compression: dialer.EnableCompression,
		Metrics: Metrics{
			Sent: func(_ string, bytes int) { c.sent.Add(1); c.bytes.Add(int64(bytes)) },
		}})
	c.hub.Apply(c.states(0, devices, time.Now()))
	server := httptest.NewServer(c.hub)
	c.address = "ws" + strings.TrimPrefix(server.URL, "http") + "/ws"
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = c.hub.Run(ctx) })
	for i := range clients {
		address := c.address + "?" + url.Values{"filter": {filterOf(i)}}.Encode()
		conn, _, err := dialer.Dial(address, nil)
		if err != nil {
			b.Fatal(err)
		}
		c.conns = append(c.conns, conn)
		running.Go(func() { watch(i, conn.NetConn()) })
	}
	b.Cleanup(func() {
		for _, conn := range c.conns {
			conn.Close()
		}
		stop()
		running.Wait()
		server.Close()
	})
	for c.arriving() {
		time.Sleep(10 * time.Millisecond)
	}
	return c
}

// connected returns how many clients there are.
func (c *crowd) connected() int {
	c.hub.shared.mu.Lock()
	defer c.hub.shared.mu.Unlock()
	return c.hub.shared.viewers.count()
}

// arriving reports whether some client has not got its whole snapshot yet.
func (c *crowd) arriving() bool {
	c.hub.shared.mu.Lock()
	defer c.hub.shared.mu.Unlock()
	for _, v := range c.hub.shared.viewers.byNumber {
		if v.backfill.section != noSection || !v.greeted {
			return true
		}
	}
	return len(c.hub.shared.feed.pending.statuses.list) > 0
}

// states returns new states of the devices numbered from first, with the time in place of the reading's own.
func (c *crowd) states(first, n int, now time.Time) view.Batch {
	var b view.Batch
	for i := range n {
		s := c.script.Says(fmt.Sprintf("device_%05d", first+i), iot.Temperature, "A栋", 21.5)
		s.Latest.Time = now
		b.States = append(b.States, s)
	}
	return b
}

func discard(_ int, r io.Reader) { _, _ = io.Copy(io.Discard, r) }

// BenchmarkFanOut measures the CPU time of one message delivered to one of 1,000 clients over loopback, the clients' own
// share included but for decompressing, at four changed devices a round and at a hundred.
func BenchmarkFanOut(b *testing.B) {
	const clients, most = 1000, 100
	one := func(int) string { return `{"type":"filter"}` }
	many := func(i int) string {
		return fmt.Sprintf(`{"type":"filter","device_ids":["device_00000","device_00001","device_00002","device_00003","device_%05d"]}`, most+i)
	}
	for _, bench := range []struct {
		name       string
		filterOf   func(int) string
		perRound   int
		compressed bool
	}{
		{"1 filter", one, 4, false},
		{"1 filter, compressed", one, 4, true},
		{"1 filter, 100 devices", one, most, false},
		{"1 filter, 100 devices, compressed", one, most, true},
		{"1000 filters", many, 4, false},
		{"1000 filters, compressed", many, 4, true},
	} {
		b.Run(bench.name, func(b *testing.B) {
			dialer := &websocket.Dialer{EnableCompression: bench.compressed}
			c := gatherBy(b, dialer, clients, clients+most, bench.filterOf, discard)
			b.ReportAllocs()
			before, sent, bytes := cpu(b), c.sent.Load(), c.bytes.Load()
			b.ResetTimer()
			for range b.N {
				until := c.sent.Load() + clients
				c.hub.Apply(c.states(0, bench.perRound, time.Now()))
				for c.sent.Load() < until {
					time.Sleep(time.Millisecond)
				}
			}
			b.ReportMetric(float64(cpu(b)-before)/float64(c.sent.Load()-sent), "cpu-ns/message")
			b.ReportMetric(float64(c.bytes.Load()-bytes)/float64(c.sent.Load()-sent), "B/message")
		})
	}
}

// BenchmarkLatency measures the time from Apply to a client's having read it, at the given rate of readings, with 1,000
// viewers without a filter, over loopback.
func BenchmarkLatency(b *testing.B) {
	for _, bench := range []struct{ viewers, devices, rate int }{
		{1, 1000, 200}, {1000, 1000, 200}, {1, 10_000, 100_000}, {1000, 10_000, 100_000},
	} {
		b.Run(fmt.Sprintf("viewers=%d/rate=%d", bench.viewers, bench.rate), func(b *testing.B) {
			var mu sync.Mutex
			var ages []time.Duration
			c := gather(b, bench.viewers, bench.devices, func(int) string { return `{"type":"filter"}` }, func(i int, r io.Reader) {
				if i%100 != 0 {
					discard(i, r)
					return
				}
				readAges(r, func(age time.Duration) {
					mu.Lock()
					defer mu.Unlock()
					ages = append(ages, age)
				})
			})
			before, began, sent := cpu(b), time.Now(), c.bytes.Load()
			mu.Lock()
			ages = nil
			mu.Unlock()
			// Every 10 ms comes what was read in that time.
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			next := 0
			for range b.N {
				for range 100 {
					now := <-tick.C
					n := bench.rate / 100
					c.hub.Apply(c.states(next, n, now))
					next = (next + n) % bench.devices
				}
			}
			took := time.Since(began)
			mu.Lock()
			defer mu.Unlock()
			slices.Sort(ages)
			if len(ages) > 0 {
				b.ReportMetric(float64(ages[len(ages)/2].Microseconds())/1000, "p50-ms")
				b.ReportMetric(float64(ages[len(ages)*99/100].Microseconds())/1000, "p99-ms")
			}
			b.ReportMetric(float64(cpu(b)-before)/float64(took)*100, "cpu-%")
			b.ReportMetric(float64(c.bytes.Load()-sent)/took.Seconds()/1e6, "MB/s")
			b.ReportMetric(float64(len(ages)), "samples")
		})
	}
}

// readAges calls note with the age of each live reading in the stream. It looks for timestamps in the bytes, because
// decoding a thousand streams would cost more than serving them.
func readAges(r io.Reader, note func(time.Duration)) {
	buffer := make([]byte, 0, 1<<20)
	live := false
	chunk := make([]byte, 64<<10)
	for {
		n, err := r.Read(chunk)
		if err != nil {
			return
		}
		now := time.Now()
		buffer = append(buffer, chunk[:n]...)
		for {
			at := bytes.Index(buffer, []byte(`"timestamp":"`))
			if at < 0 || len(buffer) < at+80 {
				break
			}
			text, _, _ := bytes.Cut(buffer[at+13:at+60], []byte(`"`))
			if before := buffer[max(0, at-60):at]; bytes.Contains(before, []byte(`"seq":`)) {
				live = !bytes.Contains(buffer[at:at+80], []byte(`"snapshot"`))
			} else if stamp, err := time.Parse(time.RFC3339Nano, string(text)); err == nil && live {
				note(now.Sub(stamp))
			}
			buffer = buffer[at+13:]
		}
		buffer = append(buffer[:0:0], buffer[max(0, len(buffer)-200):]...)
	}
}

// BenchmarkClientMemory measures the memory of an idle client, without the kernel's buffers. Both ends are in this process:
// the far one has no goroutine, but a connection with its buffers.
func BenchmarkClientMemory(b *testing.B) {
	const clients = 2000
	for range b.N {
		b.Run("", func(b *testing.B) {
			before := inUse()
			c := gather(b, clients, 100, func(int) string { return `{"type":"filter"}` }, func(int, io.Reader) {})
			b.ReportMetric(float64(inUse()-before)/clients, "B/client")
			runtime.KeepAlive(c)
		})
	}
}

func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc + stats.StackInuse
}

// BenchmarkDeflate measures compressing one message about so many devices.
func BenchmarkDeflate(b *testing.B) {
	for _, devices := range []int{1, 4, 100, 1000} {
		b.Run(fmt.Sprintf("devices=%d", devices), func(b *testing.B) {
			var p viewtest.Script
			var list []byte
			for n := range devices {
				s := p.Says(fmt.Sprintf("device_%05d", n), iot.Temperature, "A栋", 15+float64(n*7919%1000)/100)
				list = append(appendDevice(list, &s), ',')
			}
			e := wire.Envelope{Type: wire.TypeDeviceData, Seq: 1_700_000_000_000_000, Timestamp: noon}
			framed := append(appendEnvelope(make([]byte, frameHead), e), `,"devices":[`...)
			framed = append(append(framed, list[:len(list)-1]...), "]}"...)
			m := newMessage(e, framed)
			var d deflater
			b.SetBytes(int64(len(m.data)))
			b.ReportAllocs()
			for b.Loop() {
				m.deflated = nil
				d.deflate(m)
			}
			b.ReportMetric(float64(len(m.data)), "B")
			b.ReportMetric(float64(len(m.deflated)), "B-compressed")
		})
	}
}
