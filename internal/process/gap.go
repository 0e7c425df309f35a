package process

import (
	"time"

	"iotmon/internal/iot"
)

// gap is a stretch of event time of which readings were lost from the log before they were processed. It is part of the
// checkpoint: windows in it may close after a restart.
type gap struct {
	// open means that the end is not known yet: the first live record tells it.
	open     bool
	from, to time.Time
	// next is the window that is to be marked next, zero once all in the gap are.
	next time.Time
}

// begin opens the gap at a moment up to which nothing was lost.
func (g *gap) begin(from time.Time) {
	if g.to.IsZero() || from.Before(g.from) {
		g.from = from
	}
	g.open = true
}

// extend has the gap cover a stretch as well.
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

// endGap ends a gap whose windows have all closed.
func (p *Partition) endGap() {
	if p.gap.open || p.gap.to.IsZero() || !p.gap.next.IsZero() {
		return
	}
	if last := p.windows.WindowOf(p.gap.to); !last.End().After(p.windows.Watermark()) {
		p.gap = gap{}
	}
}

// maxGapWindows bounds the windows marked for one gap: more than two weeks of half minutes, for which readings are kept by
// default. Of older windows the archive has nothing to recompute them from.
const maxGapWindows = 45_000

// marksPerBatch bounds the marks of a batch, so that a transaction does not outlive its time.
const marksPerBatch = 2000

// boundGap ends the gap at the log's clock. Whole windows may have been lost, so every window in it is marked for
// recomputation, some with each batch. Those still open are marked once more when they close.
func (p *Partition) boundGap() {
	p.gap.open = false
	p.gap.to = p.clock.Add(p.Admission.Skew)
	oldest := p.gap.to.Add(-maxGapWindows * p.windows.Lengths().Newest())
	if p.gap.from.Before(oldest) {
		p.gap.from = oldest
	}
	p.gap.next = p.windows.WindowOf(p.gap.from).Start
}

// markGap marks the next windows of the gap.
func (p *Partition) markGap() {
	types := p.Admission.Catalog.Types()
	for marked := 0; !p.gap.next.IsZero() && marked < marksPerBatch; marked += len(types) {
		w := p.windows.WindowOf(p.gap.next)
		for _, t := range types {
			p.markLate(t, w)
		}
		p.gap.next = w.End()
		if !p.gap.next.Before(p.gap.to) {
			p.gap.next = time.Time{}
		}
	}
}
