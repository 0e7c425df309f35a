package modbus

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkPoll is the cost of 100 float32 in two requests, from the bytes of the answers to the values of the readings.
func BenchmarkPoll(b *testing.B) {
	u := Unit{ID: 1, Every: time.Second}
	for i := range 100 {
		r := register(b, "float32", "CDAB")
		r.Offset, r.Field, r.Scale = uint16(2*i), fmt.Sprint("r", i), 0.1
		u.Registers = append(u.Registers, *r)
	}
	polled := newUnit(u)
	data := make([]byte, 2*maxRegisters)
	for i := range data {
		data[i] = byte(i*37 + 11)
	}
	now := time.Now()
	polled.connect(now)
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Second)
		polled.begin(now, 0)
		for _, block := range polled.waiting {
			polled.take(block, data)
		}
		polled.waiting = nil
		if m := polled.values(now); m == nil {
			b.Fatal("no values")
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/reading")
}
