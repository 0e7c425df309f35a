package api

import (
	"cmp"
	"slices"
	"time"

	"iotmon/internal/alert"
	"iotmon/internal/iot"
)

const (
	// maxRuleMedians is how many medians are listed, and maxWithoutMedian how many devices without one.
	maxRuleMedians   = 100
	maxWithoutMedian = 20
)

// ruleMedians are the medians that a rule of the kind deviation compares values with.
type ruleMedians struct {
	Groups  int             `json:"groups" doc:"Of how many areas the rule watches devices that have a median."`
	Items   []ruleMedian    `json:"items" nullable:"false" doc:"Their medians, by area, at most 100."`
	Devices int             `json:"devices_without" doc:"How many watched devices have no median: their values are not judged."`
	Without []withoutMedian `json:"without" nullable:"false" doc:"The first of these devices, by area and id, at most 20."`
}

// ruleMedian is the median of one area.
type ruleMedian struct {
	DeviceType iot.DeviceType `json:"device_type"`
	Area       iot.Area       `json:"area" doc:"The whole path, empty for devices without an area."`
	Median     float64        `json:"median"`
	Devices    int            `json:"devices" doc:"How many devices it is the median of."`
	Watched    int            `json:"watched" doc:"How many devices of the area the rule watches and judges by it."`
	Newest     time.Time      `json:"newest" doc:"When the newest of the values came."`
	Until      time.Time      `json:"until" doc:"When it ends, unless another one follows."`
}

// withoutMedian is a device that has no median.
type withoutMedian struct {
	DeviceID iot.DeviceID `json:"device_id"`
	Area     iot.Area     `json:"area"`
	Reason   noMedian     `json:"reason" enum:"few_devices,many_groups,none_in_force" doc:"Too few devices of the area and type are online with good values; the device's partition has as many medians as it keeps; or none has been appended, or put in force, yet."`
	Online   int          `json:"online" doc:"How many devices of the area and type are online with good values. A median needs 5."`
}

// noMedian is why a device has no median.
type noMedian string

const (
	fewDevices  noMedian = "few_devices"
	manyGroups  noMedian = "many_groups"
	noneInForce noMedian = "none_in_force"
)

// peersShown is what is known of peers of which a rule watches devices.
type peersShown struct {
	online  int
	median  *iot.ReferenceInForce
	watched int
	without []watchedPeer
}

// watchedPeer is a watched device in that partition.
type watchedPeer struct {
	id        iot.DeviceID
	partition int32
}

// mediansOf returns the medians by which a rule judges; nil if it is of another kind, or watches nothing.
func (s *server) mediansOf(rule *iot.Rule) *ruleMedians {
	if rule.Kind != iot.Deviation || rule.Disabled || s.o.Entries == nil {
		return nil
	}
	groups := make(map[iot.Peers]*peersShown)
	s.o.Fleet.Scan("", false, func(d *iot.DeviceState) bool {
		if d.Latest.Type != rule.Type {
			return true
		}
		entry := s.o.Entries.Device(d.Latest.Identity())
		if entry != nil && entry.Retired {
			return true
		}
		peers := alert.PeersOf(entry, &d.Latest.Device)
		group := groups[peers]
		if group == nil {
			group = new(peersShown)
			groups[peers] = group
		}
		if d.Status == iot.Online && (d.Latest.Quality == "" || d.Latest.Quality == iot.Good) {
			group.online++
		}
		if alert.SelectsPeer(rule, entry, peers, d.Latest.ID) {
			group.watch(s.o.Entries.Reference(peers, d.Partition), watchedPeer{d.Latest.ID, d.Partition})
		}
		return true
	})
	return s.toRuleMedians(groups)
}

// watch adds a watched device, and the median in force for it, nil for none. Of the medians of several partitions the newest is shown.
func (g *peersShown) watch(median *iot.ReferenceInForce, device watchedPeer) {
	if median == nil {
		g.without = append(g.without, device)
		return
	}
	if g.watched++; g.median == nil || median.Newest.After(g.median.Newest) {
		g.median = median
	}
}

func (s *server) toRuleMedians(groups map[iot.Peers]*peersShown) *ruleMedians {
	out := &ruleMedians{Items: []ruleMedian{}, Without: []withoutMedian{}}
	for peers, group := range groups {
		if m := group.median; m != nil {
			out.Items = append(out.Items, ruleMedian{peers.Type, peers.Area, m.Median, m.Devices, group.watched, m.Newest, m.Until()})
		}
		for _, device := range group.without {
			reason := noneInForce
			switch {
			case group.online < iot.MinPeers:
				reason = fewDevices
			case s.o.Entries.CountReferences(device.partition) >= iot.MaxReferences:
				reason = manyGroups
			}
			out.Without = append(out.Without, withoutMedian{device.id, peers.Area, reason, group.online})
		}
	}
	slices.SortFunc(out.Items, func(a, b ruleMedian) int { return cmp.Compare(a.Area, b.Area) })
	slices.SortFunc(out.Without, func(a, b withoutMedian) int {
		return cmp.Or(cmp.Compare(a.Area, b.Area), cmp.Compare(a.DeviceID, b.DeviceID))
	})
	out.Groups, out.Devices = len(out.Items), len(out.Without)
	out.Items, out.Without = out.Items[:min(len(out.Items), maxRuleMedians)], out.Without[:min(len(out.Without), maxWithoutMedian)]
	return out
}
