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

// advanceWatermark moves the watermark to seen minus the lateness and publishes the windows that this closes.
func (p *Partition) advanceWatermark(seen time.Time, out Output) {
	for _, closed := range p.windows.Advance(seen.Add(-p.limits.Limits.Lateness)) {
		p.counts.Windows++
		p.publishClosed(closed, out)
	}
	p.endGap()
}

// publishClosed publishes the final summaries of a window: one for each type that has devices in the partition, even if all
// of them are silent.
func (p *Partition) publishClosed(closed aggregate.Result, out Output) {
	p.fleet.Types(func(t iot.DeviceType, _ fleet.Counts) {
		if closed.Summaries[t] == nil {
			closed.Summaries[t] = new(iot.Summary)
		}
	})
	for _, t := range slices.Sorted(maps.Keys(closed.Summaries)) {
		p.publishSummary(closed, t, true, out)
		if p.gap.covers(closed.Window) {
			p.markLate(t, closed.Window)
		}
	}
}

// markLate marks a window of a type, or of all types if that is empty, for recomputation by the archive; publishLate publishes
// the mark.
func (p *Partition) markLate(t iot.DeviceType, w iot.Window) {
	p.late[windowKey{t, w.Start.UnixMicro()}] = p.position()
}

// PublishWindows publishes the open windows that have changed since the last call.
func (p *Partition) PublishWindows(out Output) {
	if p.rebuilding() {
		return
	}
	for _, window := range p.windows.Changed() {
		for t := range window.Summaries {
			p.publishSummary(window, t, false, out)
		}
	}
}

func (p *Partition) publishSummary(window aggregate.Result, t iot.DeviceType, final bool, out Output) {
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
	summary.Groups = p.divide(window, t)
	out.Summary(&summary)
}

// PublishStates publishes the state of every device, and everything in force, that has changed since the last call.
func (p *Partition) PublishStates(out Output) {
	p.begin(out)
	p.publishInForce(out)
	position := p.position()
	p.fleet.Publish(func(device *fleet.Device) {
		device.Position = position
		out.State(&device.DeviceState)
	}, out.Forget)
}

// Changed returns how many devices PublishStates would publish.
func (p *Partition) Changed() int { return p.fleet.Dirty() }

// publishLate publishes the marks of markLate, each once a batch.
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
			Window:   p.windows.WindowOf(time.UnixMicro(key.start).UTC()),
			Position: p.late[key],
			Late:     true,
		})
	}
	clear(p.late)
}

// rebuilding reports whether the partition still reads records from before its restart.
func (p *Partition) rebuilding() bool { return p.next < p.rebuildBelow }
