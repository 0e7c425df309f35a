//go:build unix

package push

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// BenchmarkStorm has 5,000 clients connect at once to a hub of 1,000 devices, 20 readings/s and 100 viewers, and measures how old
// readings are for those viewers meanwhile, against a quiet time before and with all of them connected, and how long it takes until everybody who came
// has the whole snapshot. Those who come are in a process of their own, as they would be: in this one their goroutines would
// stand in line with the hub's.
func BenchmarkStorm(b *testing.B) {
	const viewers, storm, devices = 100, 5000, 1000
	for range b.N {
		var mu sync.Mutex
		var ages []time.Duration
		c := gather(b, viewers, devices, func(int) string { return `{"type":"filter"}` }, func(_ int, r io.Reader) {
			readAges(r, func(age time.Duration) {
				mu.Lock()
				defer mu.Unlock()
				ages = append(ages, age)
			})
		})
		stop := make(chan struct{})
		var sending sync.WaitGroup
		sending.Go(func() {
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			for next := 0; ; next = (next + 1) % devices {
				select {
				case <-stop:
					return
				case now := <-tick.C:
					c.hub.Apply(c.states(next, 1, now))
				}
			}
		})
		quantiles := func(when string) {
			mu.Lock()
			defer mu.Unlock()
			slices.Sort(ages)
			for _, q := range []int{50, 99} {
				b.ReportMetric(float64(ages[len(ages)*q/100].Microseconds())/1000, fmt.Sprintf("%s-p%d-ms", when, q))
			}
			ages = ages[:0]
		}
		time.Sleep(2 * time.Second)
		quantiles("quiet")
		before := cpu(b)
		began := time.Now()
		away := c.storm(b, storm)
		b.ReportMetric(time.Since(began).Seconds(), "s-until-all-have-all")
		b.ReportMetric((cpu(b) - before).Seconds(), "cpu-s")
		quantiles("storm")
		time.Sleep(2 * time.Second)
		quantiles("after")
		away()
		close(stop)
		sending.Wait()
	}
}

// storm has another process connect clients, all at once, and returns when each has its snapshot, with what ends that process.
func (c *crowd) storm(b *testing.B, clients int) (away func()) {
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	command := exec.Command(self)
	command.Env = append(os.Environ(), stormAddress+"="+c.address, stormClients+"="+strconv.Itoa(clients))
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	for c.connected() < len(c.conns)+clients || c.arriving() {
		time.Sleep(10 * time.Millisecond)
	}
	return func() {
		if err := errors.Join(input.Close(), command.Wait()); err != nil {
			b.Error(err)
		}
	}
}
