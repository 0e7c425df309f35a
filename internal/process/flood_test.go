package process_test

import (
	"fmt"
	"runtime"
	"testing"

	"iotmon/internal/iot"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

// flood has devices violate a rule and return, which nobody has acknowledged then, and as many commands as are remembered.
func flood(t fatal, devices int) *recorder {
	t.Helper()
	var j journal
	for _, value := range []float64{40, 20} {
		for i := range devices {
			j.reading(40-value, fmt.Sprintf("device_%05d", i), 40-value, value)
		}
	}
	for i := range iot.MaxOutcomes {
		c := iot.Command{ID: iot.Fingerprint(fmt.Sprint(i)), Key: "k-1", Request: iot.Fingerprint("r"), Action: iot.AddComment, Alert: "none", Reason: "power failure"}
		j.command(21, "device_00000", c)
	}
	return passWith(t, options(t), j)
}

// keptAfterAFlood returns what partition-state has of returned alerts and commands then, by key, and its size.
func keptAfterAFlood(t fatal) (kept map[string][]byte, size int) {
	t.Helper()
	kept = make(map[string][]byte)
	for key, value := range flood(t, 50_000).inForce {
		if of, _, ok := wire.SplitInForceKey([]byte(key)); value != nil && ok && (of == wire.ReturnedInForce || of == wire.OutcomeInForce) {
			kept[key], size = value, size+len(key)+len(value)
		}
	}
	return kept, size
}

// BenchmarkRestoreAfterAFlood restores a partition of which 50,000 alerts have returned: those that wait, and the last commands. It reports what both take
// in partition-state and in memory.
func BenchmarkRestoreAfterAFlood(b *testing.B) {
	kept, bytes := keptAfterAFlood(b)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&before)
	var p *process.Partition
	for b.Loop() {
		p = process.New(options(b), 3, process.Checkpoint{}, false)
		for key, value := range kept {
			f, err := process.DecodeInForce([]byte(key), value)
			if err != nil {
				b.Fatal(err)
			}
			p.RestoreInForce(f)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(p)
	b.ReportMetric(float64(len(kept)), "records")
	b.ReportMetric(float64(bytes)/1e6, "MB/log")
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB/heap")
}
