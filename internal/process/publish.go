package process

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"iotmon/internal/aggregate"
	"iotmon/internal/fleet"
	"iotmon/internal/iot"
)

// advance moves the watermark to seen less the lateness and publishes the windows that closes.
func (p *Partition) advance(seen time.Time, out Output) {
	for _, closed := range p.windows.Advance(seen.Add(-p.Lateness)) {
		p.counts.Windows++
		p.publishClosed(closed, out)
	}
}

// publishClosed sends the final summaries of a window: one for each type that the partition has devices of, because those
// that have all fallen silent are worth telling too.
func (p *Partition) publishClosed(closed aggregate.Closed, out Output) {
	p.fleet.Types(func(t iot.DeviceType, _ fleet.Counts) {
		if closed.Summaries[t] == nil {
			closed.Summaries[t] = new(iot.Summary)
		}
	})
	for _, t := range slices.Sorted(maps.Keys(closed.Summaries)) {
		p.publishSummary(closed, t, true, out)
		if p.gap.covers(closed.Window) {
			p.late[windowKey{t, closed.Start.UnixMicro()}] = p.position()
		}
	}
}

// PublishWindows sends the open windows that have changed since the last call.
func (p *Partition) PublishWindows(out Output) {
	if p.quiet() {
		return
	}
	for _, window := range p.windows.Changed() {
		for t := range window.Summaries {
			p.publishSummary(window, t, false, out)
		}
	}
}

func (p *Partition) publishSummary(window aggregate.Closed, t iot.DeviceType, final bool, out Output) {
	summary := iot.WindowSummary{
		Type:     t,
		Window:   window.Window,
		Position: p.position(),
		Final:    final,
		Summary:  *window.Summaries[t],
	}
	counts := p.fleet.Count(t)
	summary.Online, summary.Offline = counts.Online, counts.Offline
	summary.AlertCount, summary.Alerts = p.alerts.top(t)
	out.Summary(&summary)
}

// PublishStates sends the state of every device that has changed since the last call.
func (p *Partition) PublishStates(out Output) {
	position := p.position()
	p.fleet.Publish(func(device *fleet.Device) {
		device.Position = position
		out.State(&device.DeviceState)
	})
}

// Changed returns how many devices PublishStates would send.
func (p *Partition) Changed() int { return p.fleet.Dirty() }

// publishLate announces the windows for which a reading came too late, each once a batch.
func (p *Partition) publishLate(out Output) {
	if len(p.late) == 0 {
		return
	}
	keys := slices.SortedFunc(maps.Keys(p.late), func(a, b windowKey) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.Type, b.Type))
	})
	for _, key := range keys {
		out.Summary(&iot.WindowSummary{
			Type:     key.Type,
			Window:   iot.Window{Start: time.UnixMicro(key.start).UTC(), Length: p.Window},
			Position: p.late[key],
			Late:     true,
		})
	}
	clear(p.late)
}

// quiet reports whether the partition still rebuilds what was before its restart.
func (p *Partition) quiet() bool { return p.next < p.quietBelow }

// gap is a stretch of event time of which readings were lost from the log before they were processed.
type gap struct {
	// open means that the end is not known yet: the first live record tells it.
	open     bool
	from, to time.Time
}

// covers reports whether readings of the window may have been lost.
func (g *gap) covers(w iot.Window) bool {
	return !g.open && w.End().After(g.from) && w.Start.Before(g.to)
}

// maxGapWindows bounds the windows marked at once: two days of them. Older ones lie before every default retention.
const maxGapWindows = 5760

// markGap closes the gap at the log's clock and marks every window in it for recomputation, as whole windows may have been
// lost. Those still open are marked once more when they close.
func (p *Partition) markGap(out Output) {
	p.gap.open = false
	p.gap.to = p.clock.Add(p.Admission.Skew)
	oldest := p.gap.to.Add(-maxGapWindows * p.Window)
	if p.gap.from.Before(oldest) {
		p.gap.from = oldest
	}
	for w := iot.WindowOf(p.gap.from, p.Window); w.Start.Before(p.gap.to); w = w.Next() {
		for _, t := range p.Admission.Catalog.Types() {
			p.late[windowKey{t, w.Start.UnixMicro()}] = p.position()
		}
	}
	p.publishLate(out)
}
