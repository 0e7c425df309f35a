package process_test

import (
	"fmt"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/process"
)

// Two weeks of readings of 1,000 types were deleted. Each window has one mark. The marks are published in parts that fit into a
// transaction, and none is left out although the processor is restarted after each part.
func TestTheMarksOfALongGapComeInParts(t *testing.T) {
	const types = 1000
	var specs []iot.TypeSpec
	for i := range types {
		specs = append(specs, iot.TypeSpec{Name: iot.DeviceType(fmt.Sprint("type_", i)), Min: 0, Max: 1})
	}
	catalog, err := iot.NewCatalog(specs...)
	if err != nil {
		t.Fatal(err)
	}
	opts := &process.Options{
		Admission: &iot.Admission{Catalog: catalog, Skew: 10 * time.Second},
		Window:    30 * time.Second, Lateness: 5 * time.Second, OfflineAfter: 15 * time.Second,
	}
	const windows = 14 * 24 * 120
	from := process.Checkpoint{Offset: 10, Position: 20, Watermark: at(0), Clock: at(5)}
	p := process.New(opts, 0, from, true)
	marked := make(map[string]bool)
	offset := int64(20)
	for batch := 0; p.NeedsTicks(at(0)); batch++ {
		if batch > windows/2000+10 {
			t.Fatalf("after %d batches there is no end", batch)
		}
		out := &marks{marked: marked}
		p.Process([]process.Record{{Offset: offset, Appended: at(windows*30 + float64(batch)), RecordKind: tick}}, out)
		if out.count > 3000 {
			t.Fatalf("got %d marks in a batch, want no more than a transaction holds", out.count)
		}
		offset++
		checkpoint := p.Checkpoint()
		checkpoint, err := process.ParseCheckpoint(checkpoint.Offset, checkpoint.Metadata())
		if err != nil {
			t.Fatal(err)
		}
		p = process.New(opts, 0, checkpoint, false)
	}
	if len(marked) < windows || len(marked) > windows+2 {
		t.Errorf("got %d marks, want one for each of %d windows", len(marked), windows)
	}
}

// marks counts the windows that are announced.
type marks struct {
	ignored
	marked map[string]bool
	count  int
}

func (m *marks) Summary(s *iot.WindowSummary) {
	if s.Late {
		m.count++
		m.marked[fmt.Sprint(s.Type, s.Window.Start.Unix())] = true
	}
}
