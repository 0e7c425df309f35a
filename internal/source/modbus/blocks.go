package modbus

import (
	"cmp"
	"slices"
	"time"
)

// The protocol's limits of one request.
const (
	maxRegisters = 125
	maxBits      = 2000
)

// block is what one request reads.
type block struct {
	kind Kind
	// registers are in the order of their offsets, and may overlap.
	registers []*Register
	// retryAt is when a block that the device has refused is requested again.
	retryAt time.Time
}

func (b *block) offset() int { return int(b.registers[0].Offset) }

// length returns how many addresses the request asks for.
func (b *block) length() int {
	end := 0
	for _, r := range b.registers {
		end = max(end, r.end())
	}
	return end - b.offset()
}

// makeBlocks groups registers into blocks of at most maxBlock addresses, without gaps of more than maxGap addresses. For coils and
// discrete inputs both limits are 16 times as high, since 16 of them need as much room as a register.
func makeBlocks(registers []*Register, maxGap, maxBlock int) []*block {
	sorted := slices.Clone(registers)
	slices.SortStableFunc(sorted, func(a, b *Register) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Offset, b.Offset)) })
	var blocks []*block
	var last *block
	end := 0
	for _, r := range sorted {
		gap, limit := maxGap, min(maxBlock, maxRegisters)
		if r.Kind.bits() {
			gap, limit = 16*gap, min(16*maxBlock, maxBits)
		}
		// A value is never cut in two: both halves must be of the same moment.
		fits := last != nil && last.kind == r.Kind && int(r.Offset)-end <= gap && max(end, r.end())-last.offset() <= limit
		if !fits {
			last, end = &block{kind: r.Kind}, 0
			blocks = append(blocks, last)
		}
		last.registers = append(last.registers, r)
		end = max(end, r.end())
	}
	return blocks
}

// split cuts the block in two where it has its largest gap, or else in the middle. It returns nil if the registers overlap everywhere, or
// if there is only one.
func (b *block) split() []*block {
	best, gap, distance := 0, -1, 0
	end := b.registers[0].end()
	for i := 1; i < len(b.registers); i++ {
		r := b.registers[i]
		hole := int(r.Offset) - end
		fromMiddle := max(i-len(b.registers)/2, len(b.registers)/2-i)
		if hole > gap || hole == gap && hole >= 0 && fromMiddle < distance {
			best, gap, distance = i, hole, fromMiddle
		}
		end = max(end, r.end())
	}
	if gap < 0 {
		return nil
	}
	return []*block{{kind: b.kind, registers: b.registers[:best:best]}, {kind: b.kind, registers: b.registers[best:]}}
}
