package process

import "time"

// setBackAfter is how long append times must have been behind the log's clock until the clock is set back to them.
const setBackAfter = 30 * time.Second

// advanceClock moves the log's clock to an append time. After a standstill of the system it restarts the silence of all
// devices.
func (p *Partition) advanceClock(appended time.Time, out Output) {
	switch {
	case p.clock.Sub(appended) > p.limits.Limits.Skew:
		p.advanceBehind(appended, out)
		return
	case appended.After(p.clock):
		if !p.clock.IsZero() && p.ticking() && appended.Sub(p.clock) > Standstill {
			p.fleet.RestartSilence(appended)
			p.extendOutages(appended)
		}
		p.clock = appended
	}
	p.behind = time.Time{}
}

// ticking reports whether the partition gets ticks because a device is watched. Without any, it may be silent for long while the system works.
func (p *Partition) ticking() bool { return p.fleet.Watching() || p.anySilenced() }

// advanceBehind handles an append time that is behind the log's clock by more than the skew. A single one is ignored. If
// they continue for setBackAfter, the clock was wrong, for example because a gateway started with a wrong date, and is set
// back.
func (p *Partition) advanceBehind(appended time.Time, out Output) {
	if p.behind.IsZero() || appended.Before(p.behind) {
		p.behind = appended
	}
	if appended.Sub(p.behind) < setBackAfter {
		return
	}
	p.counts.SetBack = p.clock.Sub(appended)
	for _, closed := range p.windows.SetBack(appended.Add(-p.limits.Limits.Lateness)) {
		p.counts.Windows++
		p.publishClosed(closed, out)
		for t := range closed.Summaries {
			p.markLate(t, closed.Window)
		}
	}
	// Windows that were closed too early are recomputed with each late reading. Windows up to the old clock open again, but
	// without their earlier readings: the gap marks them for recomputation.
	ahead := min(p.clock.Sub(appended), maxGapWindows*p.windows.Lengths().Newest())
	p.gap.extend(p.windows.Watermark(), appended.Add(ahead+p.maxSkew()))
	// Settings made under the wrong clock are undone, so that newer settings do not have to wait for it.
	p.windows.SetLengths(p.windows.Lengths().Before(appended.Add(p.limits.Limits.Skew)))
	p.revision = min(p.revision, appended.UnixMicro())
	p.keepLengths(p.next)
	p.setBackOutages(p.clock.Sub(appended))
	p.setBackReferences(p.clock.Sub(appended))
	p.setBackPoints(p.clock.Sub(appended))
	p.clock, p.behind = appended, time.Time{}
	p.compileByDesign()
	p.fleet.SetBack(appended)
	p.startAreas(out)
}
