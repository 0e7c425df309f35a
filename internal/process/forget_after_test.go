package process_test

import (
	"testing"

	"iotmon/internal/process"
)

// A partition in which no device is online gets ticks only when something is due. Such a pause is no standstill of the system: a device that nobody
// registered is forgotten all the same.
func TestADeviceIsForgottenInAPartitionWithoutOthers(t *testing.T) {
	var j journal
	j.reading(0, "a", 0, 20)
	p, out := process.New(options(t), 3, process.Checkpoint{}, false), newRecorder()
	ticks := 0
	for second := 1.0; ; second++ {
		if err := p.Process(j[p.Next():], out); err != nil {
			t.Fatal(err)
		}
		p.PublishStates(out)
		if state, known := out.states["a"]; known && state == nil {
			if second < 300 || second > 310 || ticks > 60 {
				t.Errorf("forgotten after %v s, with %d ticks; want it after 300 s, without ticks in between", second, ticks)
			}
			return
		}
		if second > 2000 {
			t.Fatalf("not forgotten after %v s, with %d ticks", second, ticks)
		}
		if p.NeedsTicks(at(second)) {
			j.tick(second)
			ticks++
		}
	}
}
