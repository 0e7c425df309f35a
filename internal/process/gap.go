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
}

// lose opens the gap at a moment up to which nothing was lost.
func (g *gap) lose(from time.Time) {
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

// passGap ends a gap whose windows have all closed.
func (p *Partition) passGap() {
	if p.gap.open || p.gap.to.IsZero() {
		return
	}
	if last := p.windows.Of(p.gap.to); !last.End().After(p.windows.Watermark()) {
		p.gap = gap{}
	}
}

// maxGapWindows bounds the windows marked at once: two days of half minutes. Older ones lie before every default retention.
const maxGapWindows = 5760

// markGap closes the gap at the log's clock and marks every window in it for recomputation, as whole windows may have been
// lost. Those still open are marked once more when they close.
func (p *Partition) markGap(out Output) {
	p.gap.open = false
	p.gap.to = p.clock.Add(p.Admission.Skew)
	oldest := p.gap.to.Add(-maxGapWindows * p.windows.Lengths().Newest())
	if p.gap.from.Before(oldest) {
		p.gap.from = oldest
	}
	for w := p.windows.Of(p.gap.from); w.Start.Before(p.gap.to); w = p.windows.Of(w.End()) {
		for _, t := range p.Admission.Catalog.Types() {
			p.markLate(t, w)
		}
	}
	p.publishLate(out)
}
