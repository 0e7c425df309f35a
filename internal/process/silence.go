package process

import (
	"time"

	"iotmon/internal/fleet"
	"iotmon/internal/iot"
)

// observeSilence follows the silence of the device that has sent r, for rules of the kind NoData. Past readings end no silence.
func (p *Partition) observeSilence(o *fleet.Observed, r *iot.Reading, out Output) {
	if !p.engine.WatchesSilence() {
		return
	}
	live := o.Kind == fleet.Newest || o.Kind == fleet.SetBack || !r.Historical && o.Status != iot.Offline
	if live {
		p.endSilence(o.Device, out)
		return
	}
	p.watchSilence(o.Device) // The reading may be of another type, or the device's first.
}

// endSilence clears the alerts of the silence of a device, which has ended.
func (p *Partition) endSilence(device *fleet.Device, out Output) {
	if !p.engine.WatchesSilence() {
		return
	}
	if len(device.Alerts) > 0 {
		p.engine.EndSilence(p.rules(device, &device.Latest), &device.RuleStates, p.clock, p.events(out))
		p.fleet.Touch(device)
	}
	p.watchSilence(device)
}

// judgeSilence raises the alerts of the silence of a device. The rules watch it as they do now at the earliest since the given time.
func (p *Partition) judgeSilence(device *fleet.Device, earliest time.Time, out Output) {
	if p.engine.WatchesSilence() && !p.clock.IsZero() {
		since := p.fleet.SilentSince(device)
		if p.engine.Silent(p.rules(device, &device.Latest), &device.RuleStates, &device.Latest, since, p.clock, earliest, p.events(out)) {
			p.fleet.Touch(device)
		}
	}
	p.watchSilence(device)
}

// watchSilence has the fleet say when the device violates the next rule of the kind NoData.
func (p *Partition) watchSilence(device *fleet.Device) {
	var patience time.Duration
	if p.engine.WatchesSilence() {
		patience = p.rules(device, &device.Latest).Patience(&device.RuleStates)
	}
	p.fleet.SetPatience(device, patience)
}

// restoreSilence makes the fleet watch the restored devices as before. It raises nothing: what was due before the checkpoint is in their states.
func (p *Partition) restoreSilence() {
	if p.engine.WatchesSilence() {
		p.fleet.Each(p.watchSilence)
	}
}
