package sourcetest

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"iotmon/internal/iot"
	"iotmon/internal/source"
)

// memory is a log in memory: what counts of it are the numbers.
type memory struct {
	mu      sync.Mutex
	numbers map[int]bool
	highest int
}

func newMemory() *memory { return &memory{numbers: make(map[int]bool), highest: -1} }

// Append notes the numbers.
func (m *memory) Append(_ context.Context, readings []iot.Reading) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range readings {
		number := int(readings[i].Value)
		m.numbers[number] = true
		m.highest = max(m.highest, number)
	}
	return nil
}

// Report does nothing.
func (m *memory) Report(context.Context, []source.Report) error { return nil }

// Reject does nothing: the status has what was rejected.
func (m *memory) Reject(context.Context, []source.Rejected) error { return nil }

func (m *memory) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.numbers)
}

func (m *memory) has(number int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.numbers[number]
}

// after reports whether there is a number from the given one on.
func (m *memory) after(number int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.highest >= number
}

// usage is what a process uses.
type usage struct {
	goroutines int
	heap       uint64
}

func used() usage {
	var stats runtime.MemStats
	for range 3 { // Finalizers free what is freed by the next collection.
		runtime.GC()
	}
	runtime.ReadMemStats(&stats)
	return usage{runtime.NumGoroutine(), stats.HeapAlloc}
}

func (u usage) String() string {
	return fmt.Sprintf("%d goroutines and %d KiB", u.goroutines, u.heap>>10)
}
