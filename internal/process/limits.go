package process

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"time"

	"iotmon/internal/iot"
)

// limits are limits in force, and the Admission by them. Their Revision is that of the settings record that has put them in force, 0 if
// none has: the partition began with those of its owner.
type limits struct {
	*iot.SettingsInForce
	admission *iot.Admission
}

// limitsHistory has limits in force, oldest first: the newest ones and those before them. Records that may be read again were admitted by
// earlier limits, and an archiver that has stored nothing yet may ask for the limits at any earlier offset.
type limitsHistory []*limits

// maxLimits is the maximum length of a limitsHistory.
const maxLimits = 8

// from returns the limits that hold at an offset or later.
func (h limitsHistory) from(offset int64) limitsHistory {
	for len(h) > 1 && h[1].Since <= offset {
		h = h[1:]
	}
	return h
}

func (h limitsHistory) newest() *limits { return h[len(h)-1] }

// knows reports whether it has the limits that hold at an offset. Earlier ones may have been removed.
func (h limitsHistory) knows(offset int64) bool { return offset >= h[0].Since }

// at returns the limits that hold at an offset that it knows.
func (h limitsHistory) at(offset int64) *limits {
	i := len(h) - 1
	for i > 0 && h[i].Since > offset {
		i--
	}
	return h[i]
}

// find returns the limits that hold since an offset, nil if there are none.
func (h limitsHistory) find(since int64) *limits {
	for _, l := range h {
		if l.Since == since {
			return l
		}
	}
	return nil
}

// beginLimits makes the limits in force those that were restored, or those of the configuration if there are none: in a new partition,
// and after an older version.
func (p *Partition) beginLimits() {
	h := p.inForce.limits
	slices.SortFunc(h, func(a, b *limits) int { return cmp.Compare(a.Since, b.Since) })
	switch {
	case len(h) == 0:
		p.addLimits(&iot.SettingsInForce{Settings: iot.Settings{Window: p.Window, Limits: p.configuredLimits()}})
	case h.newest().Since > p.rebuildBelow: // Of an earlier log: in this one they hold from its start on.
		for _, l := range h {
			p.inForce.changeLimits(l.Since)
		}
		last := *h.newest().SettingsInForce
		last.Since = 0
		p.inForce.limits = nil
		p.addLimits(&last)
	}
	before := p.fingerprint
	p.followLimits()
	if before == 0 || before == p.fingerprint {
		return
	}
	p.counts.Readmits = true
	if p.rebuilding() { // An older version has counted open windows under other limits, so the archive recomputes them.
		p.gap.extend(p.windows.Watermark(), p.clock.Add(p.maxSkew()))
	}
}

// configuredLimits returns the limits of the configuration.
func (p *Partition) configuredLimits() *iot.Limits {
	if p.configuredCopy == nil {
		configured, err := p.Admission.Limits(p.Lateness)
		if err != nil {
			panic(fmt.Sprintf("configured limits: %v", err)) // Options says that they are valid.
		}
		p.configuredCopy = configured
	}
	return p.configuredCopy
}

// addLimits puts limits in force, as the newest ones.
func (p *Partition) addLimits(s *iot.SettingsInForce) {
	p.restoreLimits(s)
	p.inForce.changeLimits(s.Since)
}

// restoreLimits adds limits to the history.
func (p *Partition) restoreLimits(s *iot.SettingsInForce) {
	admission, err := p.Admission.Under(s.Limits)
	if err != nil {
		panic(fmt.Sprintf("limits in force: %v", err)) // They were decoded, and so checked.
	}
	p.inForce.limits = append(p.inForce.limits, &limits{s, admission})
}

// followLimits lets the newest limits apply.
func (p *Partition) followLimits() {
	p.limits = p.inForce.limits.newest()
	p.fleet.Disorder = p.limits.Limits.Lateness
	p.fingerprint = p.limits.admission.Fingerprint()
}

// configuredInForce reports whether the limits of the configuration are in force. What people have decided is not in it.
func (p *Partition) configuredInForce() bool {
	configured := *p.configuredLimits()
	configured.Decided = p.limits.Limits.Decided
	return reflect.DeepEqual(&configured, p.limits.Limits)
}

// applyLimits puts what a settings record says of the limits in force; see iot.Limits.Follow. Nothing else than the records before decides
// that, so that the archiver decides alike.
func (p *Partition) applyLimits(s *iot.Settings, offset int64, out Output) error {
	next, revision, refused := p.limits.Limits.Follow(s, p.limits.Revision)
	if reflect.DeepEqual(next, p.limits.Limits) {
		if revision != p.limits.Revision {
			p.limits.Revision = revision
			p.inForce.changeLimits(p.limits.Since)
		}
		return refused
	}
	inForce := iot.SettingsInForce{Settings: p.limits.Settings, Since: offset + 1}
	if s.Limits != nil {
		inForce.Settings = *s
	}
	inForce.Revision, inForce.Limits = revision, next
	p.addLimits(&inForce)
	if h := p.inForce.limits; len(h) > maxLimits {
		if len(p.limitsInUse()) == len(h) { // Records that were admitted by the oldest ones cannot be admitted again; see rebuild.
			p.gap.extend(p.windows.Watermark(), p.clock.Add(p.maxSkew()))
		}
		p.inForce.changeLimits(h[0].Since)
		p.inForce.limits = h[1:]
	}
	p.followLimits()
	p.compileRules()
	p.reselect(nil, out)
	return refused
}

// limitsInUse returns those of the history by which records were admitted that may be read again.
func (p *Partition) limitsInUse() limitsHistory {
	return p.inForce.limits.from(p.windows.RebuildFrom(p.next))
}

// maxSkew returns how far ahead of its append time a reading in an open window may be.
func (p *Partition) maxSkew() time.Duration {
	var most time.Duration
	for _, l := range p.limitsInUse() {
		most = max(most, l.Limits.Skew)
	}
	return most
}

// OutdatedLimitsWait reports whether the configured limits differ from those in force, are newer, and have to wait for a record of
// iot.KindLevel, because programs that do not know limits in the log may still share the partitions.
func (p *Partition) OutdatedLimitsWait() bool {
	return p.level < LevelRules && len(p.OtherLimits()) > 0 && p.Revision > p.limits.Revision
}

// OverruledLimits reports whether the configured limits differ from those in force without being newer. It returns both revisions.
func (p *Partition) OverruledLimits() (configured, inForce int64, overruled bool) {
	if p.limits == nil {
		return 0, 0, false
	}
	return p.Revision, p.limits.Revision, !p.Alone && p.Revision <= p.limits.Revision && len(p.OtherLimits()) > 0
}

// OtherLimits says which limits in force are others than the configured ones, for people; nil if all are the same, and before the first
// Process.
func (p *Partition) OtherLimits() []string {
	if p.limits == nil {
		return nil
	}
	return differences(p.limits.Limits, p.configuredLimits())
}

// maxDifferences limits how many device types differences lists.
const maxDifferences = 10

func differences(inForce, configured *iot.Limits) []string {
	var differ []string
	for _, limit := range []struct {
		key                 string
		inForce, configured any
	}{
		{"aggregation.allowed_lateness", inForce.Lateness, configured.Lateness},
		{"aggregation.max_clock_skew", inForce.Skew, configured.Skew},
		{"archive.retention.readings", inForce.Retention, configured.Retention},
		{"ingest.max_text_bytes", orOwn(inForce.MaxText), orOwn(configured.MaxText)},
		{"ingest.earliest_year", orOwn(inForce.Earliest), orOwn(configured.Earliest)},
	} {
		if limit.inForce != limit.configured {
			differ = append(differ, fmt.Sprintf("%s: %v in force, %v configured", limit.key, limit.inForce, limit.configured))
		}
	}
	var types []string
	configuredTypes := typesOf(configured)
	for _, t := range inForce.Types {
		switch other, found := configuredTypes[t.Name]; {
		case !found:
			types = append(types, fmt.Sprintf("device type %s: not configured", t.Name))
		case !reflect.DeepEqual(t, other):
			types = append(types, fmt.Sprintf("device type %s: otherwise configured", t.Name))
		}
		delete(configuredTypes, t.Name)
	}
	for _, t := range configured.Types {
		if _, left := configuredTypes[t.Name]; left {
			types = append(types, fmt.Sprintf("device type %s: not in force", t.Name))
		}
	}
	if more := len(types) - maxDifferences; more > 0 {
		types = append(types[:maxDifferences], fmt.Sprintf("%d more device types", more))
	}
	if len(types) == 0 && !reflect.DeepEqual(inForce.Types, configured.Types) {
		types = []string{"order of the device types"}
	}
	return append(differ, types...)
}

// orOwn returns a limit, or what holds if the limits do not have it.
func orOwn[T comparable](limit T) any {
	var none T
	if limit == none {
		return "that of each program"
	}
	return limit
}

func typesOf(l *iot.Limits) map[iot.DeviceType]iot.TypeSpec {
	types := make(map[iot.DeviceType]iot.TypeSpec, len(l.Types))
	for _, t := range l.Types {
		types[t.Name] = t
	}
	return types
}
