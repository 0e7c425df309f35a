package process_test

import (
	"testing"

	"iotmon/internal/process"
)

func TestOffsetsWithoutRecordsAreSkipped(t *testing.T) {
	p := process.New(options(t), 0, process.Checkpoint{}, false)
	p.Skip(3)
	if got := p.Next(); got != 3 {
		t.Errorf("got next %d, want 3", got)
	}
	p.Skip(2)
	if got := p.Checkpoint(); p.Next() != 3 || got.Offset != 3 || got.Position != 3 {
		t.Errorf("got next %d and checkpoint %+v, want 3 throughout: it never goes back", p.Next(), got)
	}
}
