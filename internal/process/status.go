package process

import (
	"fmt"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// processStatus processes a status report. It returns an error if the record is not a valid one.
func (p *Partition) processStatus(rec *Record, out Output) error {
	identity, err := wire.DecodeDeviceKey(rec.Key)
	if err != nil {
		return fmt.Errorf("status report: %w", err)
	}
	report, err := wire.DecodeStatusReport(rec.Value, rec.Appended, p.limits.admission)
	if err != nil {
		return fmt.Errorf("status report: %w", err)
	}
	device, turned := p.fleet.Report(identity, &report, p.clock)
	if report.Interval != 0 {
		if turned {
			p.engine.ClearOffline(&device.RuleStates, p.clock, iot.RuleChanged, p.events(out))
		}
		return nil
	}
	if device != nil && report.Status != iot.ReportedOffline {
		p.endSilence(device, out)
	}
	if !turned {
		return nil
	}
	if device.Status == iot.Offline {
		p.raiseOffline(device, device.Since, out)
	} else {
		p.engine.ClearOffline(&device.RuleStates, device.Since, "", p.events(out))
	}
	return nil
}
