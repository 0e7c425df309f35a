package redis

import (
	"fmt"
	"testing"

	"iotmon/internal/statecache"
	"iotmon/tests/testenv"
)

// BenchmarkStates writes 10,000 states of a partition, and loads them.
func BenchmarkStates(b *testing.B) {
	s := States{open(b, testenv.Redis(b))}
	var states []statecache.State
	for i := range 10_000 {
		states = append(states, state(fmt.Sprintf("device_%05d", i), int64(i)))
	}
	perState := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(states)), "ns/state")
	}
	b.Run("apply", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Apply(b.Context(), first(0, 10_000, states...)); err != nil {
				b.Fatal(err)
			}
		}
		perState(b)
	})
	b.Run("load", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			n := 0
			if _, ok, err := s.Load(b.Context(), partition, func([]byte) { n++ }); !ok || err != nil || n != len(states) {
				b.Fatal(ok, err, n)
			}
		}
		perState(b)
	})
}
