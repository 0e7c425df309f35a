package process

import "time"

// setBackAfter is how long, by append times, the log's clock must have been behind what it was before that counts as wrong.
const setBackAfter = 30 * time.Second

// advanceClock moves the log's clock, and forgives a silence that was the system's own.
func (p *Partition) advanceClock(appended time.Time, out Output) {
	switch {
	case p.clock.Sub(appended) > p.Admission.Skew:
		p.advanceBehind(appended, out)
		return
	case appended.After(p.clock):
		if !p.clock.IsZero() && appended.Sub(p.clock) > Standstill {
			p.fleet.RestartSilence(appended)
		}
		p.clock = appended
	}
	p.behind = time.Time{}
}

// advanceBehind handles an append time that lies before others by more than the skew. One of them may be a straggler; if they
// go on the log's clock had run ahead, as that of a gateway that starts with a wrong date, and is set back.
func (p *Partition) advanceBehind(appended time.Time, out Output) {
	if p.behind.IsZero() || appended.Before(p.behind) {
		p.behind = appended
	}
	if appended.Sub(p.behind) < setBackAfter {
		return
	}
	p.counts.SetBack = p.clock.Sub(appended)
	for _, closed := range p.windows.SetBack(appended.Add(-p.Lateness)) {
		p.counts.Windows++
		p.publishClosed(closed, out)
		for t := range closed.Summaries {
			p.markLate(t, closed.Window)
		}
	}
	// The windows that were closed too early are recomputed with each reading that came too late. Those that open once more,
	// up to where the clock had run, begin with what comes from here on.
	ahead := min(p.clock.Sub(appended), maxGapWindows*p.windows.Lengths().Newest())
	p.gap.extend(p.windows.Watermark(), appended.Add(ahead+p.Admission.Skew))
	// So are configurations that were given under the wrong clock: newer ones must not wait for it.
	p.windows.SetLengths(p.windows.Lengths().Before(appended.Add(p.Admission.Skew)))
	p.revision = min(p.revision, appended.UnixMicro())
	p.clock, p.behind = appended, time.Time{}
	p.fleet.SetBack(appended)
}
