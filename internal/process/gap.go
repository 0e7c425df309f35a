package process

import (
	"time"

	"iotmon/internal/iot"
)

// gap is a stretch of event time whose readings were lost from the log before they were processed. It is part of the
// checkpoint, because its windows may close after a restart.
type gap struct {
	// open means that the end is not known yet: the next record sets it.
	open     bool
	from, to time.Time
	// next is the start of the next window to be marked, zero once all are.
	next time.Time
}

// begin opens the gap at from, before which nothing was lost.
func (g *gap) begin(from time.Time) {
	if g.to.IsZero() || from.Before(g.from) {
		g.from = from
	}
	g.open = true
}

// extend enlarges the gap to include the stretch.
func (g *gap) extend(from, to time.Time) {
	if g.to.IsZero() || from.Before(g.from) {
		g.from = from
	}
	if to.After(g.to) {
		g.to = to
	}
}

// covers reports whether readings of the window may have been lost.
func (g *gap) covers(w iot.Window) bool {
	return !g.open && w.End().After(g.from) && w.Start.Before(g.to)
}

// endGap removes the gap once all of its windows have closed.
func (p *Partition) endGap() {
	if p.gap.open || p.gap.to.IsZero() || !p.gap.next.IsZero() {
		return
	}
	if last := p.windows.WindowOf(p.gap.to); !last.End().After(p.windows.Watermark()) {
		p.gap = gap{}
	}
}

// maxGapWindows is the maximum number of windows marked for one gap: more than two weeks of half minutes, the default
// retention of readings. The archive has no readings to recompute older windows from.
const maxGapWindows = 45_000

// marksPerBatch is the maximum number of windows of the gap marked in one batch, so that the transaction ends before its
// timeout.
const marksPerBatch = 2000

// boundGap sets the end of the gap to the log's clock. Whole windows may have been lost, so every window in the gap is
// marked for recomputation, a few with each batch. Windows that are still open are marked again when they close.
func (p *Partition) boundGap() {
	p.gap.open = false
	p.gap.to = p.clock.Add(p.maxSkew())
	oldest := p.gap.to.Add(-maxGapWindows * p.windows.Lengths().Newest())
	if p.gap.from.Before(oldest) {
		p.gap.from = oldest
	}
	p.gap.next = p.windows.WindowOf(p.gap.from).Start
}

// recomputeOpen has every window marked that may be open, also those to which no further reading comes.
func (p *Partition) recomputeOpen() {
	if p.gap.open || !p.gap.next.IsZero() {
		return // They will be marked.
	}
	p.gap.extend(p.windows.Watermark(), p.clock.Add(p.maxSkew()))
	p.gap.next = p.windows.WindowOf(p.gap.from).Start
}

// markGap marks the next windows of the gap, each with one mark for all types: nobody knows of which types readings were lost,
// and a catalog may have thousands.
func (p *Partition) markGap() {
	for marked := 0; !p.gap.next.IsZero() && marked < marksPerBatch; marked++ {
		w := p.windows.WindowOf(p.gap.next)
		p.markLate("", w)
		p.gap.next = w.End()
		if !p.gap.next.Before(p.gap.to) {
			p.gap.next = time.Time{}
		}
	}
}
