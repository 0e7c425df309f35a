package modbus

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/source"
)

func drawRegisters(t *rapid.T) []*Register {
	kinds := []string{"int16", "float32", "float64", "bit(3)", "string(9)"}
	var all []*Register
	for range rapid.IntRange(1, 40).Draw(t, "count") {
		r := register(&testing.T{}, rapid.SampledFrom(kinds).Draw(t, "type"), "")
		r.Kind = Kind(rapid.IntRange(0, 3).Draw(t, "kind"))
		if r.Kind.bits() {
			r.Type = plainTypes["bool"]
		}
		r.Offset = uint16(rapid.IntRange(0, 400).Draw(t, "offset"))
		all = append(all, r)
	}
	return all
}

// Every register is in exactly one block, whole; no block exceeds the limits, or has a hole that is too large; and cutting a block until
// nothing is left to cut loses none of it.
func TestBlocksHaveEveryRegister(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		registers := drawRegisters(t)
		maxGap, maxBlock := rapid.IntRange(0, 20).Draw(t, "gap"), rapid.IntRange(5, 200).Draw(t, "block")
		blocks := makeBlocks(registers, maxGap, maxBlock)
		for i := 0; i < len(blocks); i++ {
			b := blocks[i]
			limit, gap := min(maxBlock, maxRegisters), maxGap
			if b.kind.bits() {
				limit, gap = min(16*maxBlock, maxBits), 16*maxGap
			}
			if b.length() > limit || b.length() < 1 {
				t.Fatalf("a block of %d addresses, want at most %d", b.length(), limit)
			}
			end := b.offset()
			for _, r := range b.registers {
				if r.Kind != b.kind || int(r.Offset) < b.offset() || r.end() > b.offset()+b.length() || int(r.Offset)-end > gap {
					t.Fatalf("%v at %d in a block of %d from %d, after %d", r.Kind, r.Offset, b.length(), b.offset(), end)
				}
				end = max(end, r.end())
			}
		}
		seen := make(map[*Register]int)
		for len(blocks) > 0 {
			b := blocks[0]
			blocks = blocks[1:]
			if halves := b.split(); halves != nil {
				blocks = append(blocks, halves...)
				continue
			}
			for _, r := range b.registers {
				seen[r]++
			}
		}
		if len(seen) != len(registers) {
			t.Fatalf("got %d registers in blocks, want %d", len(seen), len(registers))
		}
		for r, times := range seen {
			if times != 1 {
				t.Fatalf("%v at %d is in %d blocks", r.Kind, r.Offset, times)
			}
		}
	})
}

func TestAFewRequestsReadManyRegisters(t *testing.T) {
	var registers []*Register
	for i := range 200 {
		r := register(t, "float32", "")
		r.Offset = uint16(2 * i)
		registers = append(registers, r)
	}
	if got := makeBlocks(registers, 0, maxRegisters); len(got) != 4 || got[0].length() != 124 {
		t.Errorf("got %d blocks, the first of %d registers; want 4 of 124", len(got), got[0].length())
	}
}

func TestTheGridIsTheSameForEverybody(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 400_000_000, time.UTC)
	second := func(s int) time.Time { return time.Date(2026, 3, 1, 12, 0, s, 0, time.UTC) }
	g := grid{every: time.Second}
	g.start(start)
	for _, step := range []struct {
		at      time.Time
		running time.Duration
		instant time.Time
		skipped int64
	}{
		{start.Add(500 * time.Millisecond), 500 * time.Millisecond, time.Time{}, 0},
		{second(1), 600 * time.Millisecond, second(1), 0},
		{second(1).Add(time.Millisecond), 601 * time.Millisecond, time.Time{}, 0},
		{second(2).Add(300 * time.Millisecond), 1900 * time.Millisecond, second(2), 0},
		{second(5).Add(900 * time.Millisecond), 5500 * time.Millisecond, second(5), 2},
		{second(4).Add(900 * time.Millisecond), 6 * time.Second, time.Time{}, 0},   // A small step back repeats no instant.
		{start.Add(-time.Hour), 7 * time.Second, time.Time{}, 0},                   // A large one begins anew,
		{second(1).Add(-time.Hour), 8 * time.Second, second(1).Add(-time.Hour), 0}, // at the next instant.
		{second(30), 11 * time.Second, second(30), 3},                              // A step ahead has skipped what the time that has really passed had room for.
	} {
		instant, skipped, ok := g.due(step.at, step.running)
		if !instant.Equal(step.instant) || skipped != step.skipped || ok != !step.instant.IsZero() {
			t.Errorf("at %v: got %v, %d skipped, want %v, %d", step.at, instant, skipped, step.instant, step.skipped)
		}
	}
}

func TestValuesKeepTheirRoomUntilTheyAreDone(t *testing.T) {
	r := register(t, "uint16", "")
	r.Offset, r.Field = 0, "counter"
	polled := newUnit(Unit{ID: 1, Every: time.Second, Registers: []Register{*r}})
	now := time.Now()
	polled.connect(now)
	poll := func(content byte) *source.Message {
		now = now.Add(time.Second)
		polled.begin(now, 0)
		for _, block := range polled.waiting {
			polled.take(block, []byte{0, content})
		}
		polled.waiting = nil
		return polled.values(now)
	}
	first, second := poll(1), poll(2)
	first.Done(nil)
	third := poll(3)
	if &third.Points[0] != &first.Points[:1][0] {
		t.Error("the third poll has room of its own, want that of the first, which is done")
	}
	if got := second.Points[0].Value; got != 2 {
		t.Errorf("the second poll, which is not done, has the value %v, want 2", got)
	}
	second.Done(errors.New("ended"))
	for range 10 { // More than is kept.
		m := poll(4)
		m.Done(nil)
		if fourth := poll(5); fourth.Points[0].Value != 5 || len(fourth.Points) != 1 {
			t.Fatalf("a poll has the points %+v, want one with the value 5", fourth.Points)
		}
	}
}
