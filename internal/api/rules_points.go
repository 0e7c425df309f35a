package api

import (
	"cmp"
	"slices"
	"time"

	"iotmon/internal/alert"
	"iotmon/internal/iot"
)

const (
	// maxRulePoints is how many points are listed, and maxWithoutPoint how many devices that lack one.
	maxRulePoints   = 100
	maxWithoutPoint = 20
)

// rulePoints are the points of machines that the expression of a rule names.
type rulePoints struct {
	Names    []string       `json:"names" nullable:"false" doc:"The names by which the expression refers to points."`
	Machines int            `json:"machines" doc:"Of how many machines, which are areas, the rule watches devices."`
	Found    int            `json:"found" doc:"How many points of these machines have a value in force."`
	Items    []rulePoint    `json:"items" nullable:"false" doc:"These points, by area and name, at most 100."`
	Devices  int            `json:"devices_without" doc:"How many watched devices lack a point: what needs its value is not judged."`
	Without  []withoutPoint `json:"without" nullable:"false" doc:"The first of these devices, by area and id, at most 20."`
}

// rulePoint is a point of one machine that has a value in force.
type rulePoint struct {
	Area       iot.Area       `json:"area" doc:"The machine: the whole path."`
	Point      string         `json:"point" doc:"Its name in the expression."`
	DeviceID   iot.DeviceID   `json:"device_id" doc:"The device that is the point."`
	DeviceType iot.DeviceType `json:"device_type" doc:"Empty if the device is not known any more."`
	Value      float64        `json:"value"`
	LastSeen   time.Time      `json:"last_seen" doc:"When the device had sent last."`
	Age        float64        `json:"age_seconds" doc:"The seconds since then."`
	Until      time.Time      `json:"until" doc:"When the point ends, unless the device sends again."`
	Watched    int            `json:"watched" doc:"How many devices of the machine the rule watches and judges by it."`
}

// withoutPoint is a watched device that lacks points.
type withoutPoint struct {
	DeviceID iot.DeviceID   `json:"device_id"`
	Area     iot.Area       `json:"area" doc:"Empty for a device without an area, which is of no machine."`
	Missing  []missingPoint `json:"missing" nullable:"false" doc:"The points that it lacks, by name."`
}

// missingPoint is a point that a device lacks.
type missingPoint struct {
	Point    string       `json:"point"`
	Reason   noPoint      `json:"reason" enum:"no_area,no_such_point,several,never_sent,offline,not_good,many_points,none_in_force" doc:"The watched device has no area; no device of the machine has the id, label or type; several match alike, so none is the point; the device that is has never sent, is offline, or its newest value is not good; the rules of the machine name, or the partition of the watched device has, as many points as are kept; or none has been appended, or put in force, yet."`
	Devices  int          `json:"devices,omitempty" doc:"How many devices match alike, if there are several."`
	DeviceID iot.DeviceID `json:"device_id,omitempty" doc:"The device that is the point, if there is one."`
	LastSeen *time.Time   `json:"last_seen,omitempty" doc:"When that device has sent last; absent if it never has."`
}

// noPoint is why a device lacks a point.
type noPoint string

const (
	noArea          noPoint = "no_area"
	noSuchPoint     noPoint = "no_such_point"
	severalPoints   noPoint = "several"
	pointNeverSent  noPoint = "never_sent"
	pointOffline    noPoint = "offline"
	pointNotGood    noPoint = "not_good"
	manyPoints      noPoint = "many_points"
	pointNotInForce noPoint = "none_in_force"
)

// machineShown is what is known of a machine of which a rule watches devices: its watched devices, and its points in the order of the names.
type machineShown struct {
	watched []watchedPeer
	points  []pointShown
}

// pointShown is what is known of a point of one machine.
type pointShown struct {
	alert.PointDevice

	// What follows is of that device, if there is one.
	lastSeen     time.Time
	online, good bool
	// inForce is the newest one that a partition of a watched device has, nil for none with a value. It is that of so many watched devices.
	inForce *iot.Point
	judged  int
}

// lackingDevice is a watched device that lacks a point of its machine, which is nil without an area.
type lackingDevice struct {
	watchedPeer
	iot.Machine
	of *machineShown
}

// pointsOf returns the points by which a rule judges; nil if its expression names none, or if it watches nothing.
func (s *server) pointsOf(rule *iot.Rule) *rulePoints {
	names := slices.Sorted(slices.Values(alert.ExpressionPoints(rule)))
	if len(names) == 0 || rule.Disabled || s.o.Entries == nil {
		return nil
	}
	machines, lacking := s.watchedMachines(rule, len(names))
	s.matchPoints(machines, names)
	out := &rulePoints{Names: names, Machines: len(machines), Items: []rulePoint{}}
	for machine, of := range machines {
		for _, device := range of.watched {
			if !s.judgesBy(of, machine, device, names) {
				lacking = append(lacking, lackingDevice{device, machine, of})
			}
		}
		for i := range of.points {
			if point := of.points[i].inForce; point != nil {
				out.Items = append(out.Items, rulePoint{
					Area: machine.Area, Point: names[i], DeviceID: point.Device, Value: point.Value, LastSeen: point.Seen, Until: point.Until(), Watched: of.points[i].judged,
				})
			}
		}
	}
	slices.SortFunc(out.Items, func(a, b rulePoint) int { return cmp.Or(cmp.Compare(a.Area, b.Area), cmp.Compare(a.Point, b.Point)) })
	slices.SortFunc(lacking, func(a, b lackingDevice) int { return cmp.Or(cmp.Compare(a.Area, b.Area), cmp.Compare(a.id, b.id)) })
	out.Found, out.Devices = len(out.Items), len(lacking)
	out.Items = out.Items[:min(len(out.Items), maxRulePoints)]
	now := s.o.Now()
	for i := range out.Items {
		item := &out.Items[i]
		item.Age = max(now.Sub(item.LastSeen).Seconds(), 0)
		if state, known := s.o.Fleet.Device(item.DeviceID); known {
			item.DeviceType = state.Latest.Type
		}
	}
	out.Without = s.toWithoutPoint(lacking[:min(len(lacking), maxWithoutPoint)], names)
	return out
}

// watchedMachines returns the machines of which the rule watches devices, with room for so many points, and the watched devices that are of none.
func (s *server) watchedMachines(rule *iot.Rule, points int) (machines map[iot.Machine]*machineShown, withoutArea []lackingDevice) {
	machines = make(map[iot.Machine]*machineShown)
	s.o.Fleet.Scan("", false, func(d *iot.DeviceState) bool {
		if rule.Type != "" && d.Latest.Type != rule.Type {
			return true
		}
		entry := s.o.Entries.Device(d.Latest.Identity())
		peers := alert.PeersOf(entry, &d.Latest.Device)
		if entry != nil && entry.Retired || !alert.SelectsPeer(rule, entry, peers, d.Latest.ID) {
			return true
		}
		device, at := watchedPeer{d.Latest.ID, d.Partition}, iot.Machine{Tenant: peers.Tenant, Area: peers.Area}
		if at.Area == "" {
			withoutArea = append(withoutArea, lackingDevice{watchedPeer: device})
			return true
		}
		if machines[at] == nil {
			machines[at] = &machineShown{points: make([]pointShown, points)}
		}
		machines[at].watched = append(machines[at].watched, device)
		return true
	})
	return machines, withoutArea
}

// matchPoints finds the devices of the points of machines, as control does.
func (s *server) matchPoints(machines map[iot.Machine]*machineShown, names []string) {
	if len(machines) == 0 {
		return
	}
	s.o.Fleet.Scan("", false, func(d *iot.DeviceState) bool {
		entry := s.o.Entries.Device(d.Latest.Identity())
		peers := alert.PeersOf(entry, &d.Latest.Device)
		of := machines[iot.Machine{Tenant: peers.Tenant, Area: peers.Area}]
		if of == nil {
			return true
		}
		for i, name := range names {
			point := &of.points[i]
			point.Offer(name, entry, &d.Latest.Device)
			if device, ok := point.Device(); ok && device.ID == d.Latest.ID {
				point.lastSeen, point.online = d.LastSeen, d.Status == iot.Online
				point.good = d.Latest.Quality == "" || d.Latest.Quality == iot.Good
			}
		}
		return true
	})
}

// judgesBy notes by which points in force a device of a machine is judged, and reports whether it lacks none.
func (s *server) judgesBy(of *machineShown, machine iot.Machine, device watchedPeer, names []string) (all bool) {
	inForce := s.o.Entries.Points(machine, device.partition)
	all = true
	for i, name := range names {
		point := goodPoint(inForce, name)
		if point == nil {
			all = false
			continue
		}
		shown := &of.points[i]
		if shown.judged++; shown.inForce == nil || point.Seen.After(shown.inForce.Seen) {
			shown.inForce = point
		}
	}
	return all
}

// goodPoint returns the point of a name, nil if there is none with a value.
func goodPoint(inForce *iot.PointsInForce, name string) *iot.Point {
	if inForce == nil {
		return nil
	}
	if point := inForce.Find(name); point != nil && point.Good {
		return point
	}
	return nil
}

// toWithoutPoint says which points devices lack, and why.
func (s *server) toWithoutPoint(lacking []lackingDevice, names []string) []withoutPoint {
	registered := s.registeredPoints(lacking, names)
	full := make(map[int32]bool) // By partition, as it is counted among the points of all machines.
	out := make([]withoutPoint, len(lacking))
	for i := range lacking {
		device := &lacking[i]
		out[i] = withoutPoint{DeviceID: device.id, Area: device.Area, Missing: []missingPoint{}}
		if device.of == nil {
			for _, name := range names {
				out[i].Missing = append(out[i].Missing, missingPoint{Point: name, Reason: noArea})
			}
			continue
		}
		inForce := s.o.Entries.Points(device.Machine, device.partition)
		for j, name := range names {
			if goodPoint(inForce, name) == nil {
				missing := device.of.points[j].missing(registered[machinePoint{device.Machine, name}])
				missing.Point = name
				if missing.Reason == pointNotInForce && s.full(full, inForce, device.partition, name) {
					missing.Reason = manyPoints
				}
				out[i].Missing = append(out[i].Missing, missing)
			}
		}
	}
	return out
}

// missing says why a point has no value in force. registered is the device that is the point and has never sent, empty for none.
func (p *pointShown) missing(registered iot.DeviceID) missingPoint {
	device, ok := p.Device()
	switch {
	case p.Alike() > 1:
		return missingPoint{Reason: severalPoints, Devices: p.Alike()}
	case !ok && registered != "":
		return missingPoint{Reason: pointNeverSent, DeviceID: registered}
	case !ok:
		return missingPoint{Reason: noSuchPoint}
	}
	missing := missingPoint{Reason: pointNotInForce, DeviceID: device.ID, LastSeen: &p.lastSeen}
	if !p.online {
		missing.Reason = pointOffline
	} else if !p.good {
		missing.Reason = pointNotGood
	}
	return missing
}

// full reports whether a partition has no room for a point of a machine that has those in force. known are the partitions that were asked about before.
func (s *server) full(known map[int32]bool, inForce *iot.PointsInForce, partition int32, name string) bool {
	switch {
	case inForce == nil: // The machine has room.
	case inForce.Find(name) != nil:
		return false
	case len(inForce.Points) >= iot.MaxMachinePoints:
		return true
	}
	full, counted := known[partition]
	if !counted {
		full = s.o.Entries.CountPoints(partition) >= iot.MaxPoints
		known[partition] = full
	}
	return full
}

// machinePoint is a name in a machine.
type machinePoint struct {
	iot.Machine
	name string
}

// registeredPoints returns the registered devices that are points of the machines of devices and have never sent, where no device that has is the point.
func (s *server) registeredPoints(lacking []lackingDevice, names []string) map[machinePoint]iot.DeviceID {
	unknown := make(map[iot.Machine]*machineShown)
	for i := range lacking {
		if of := lacking[i].of; of != nil && slices.ContainsFunc(of.points, func(p pointShown) bool { return p.Alike() == 0 }) {
			unknown[lacking[i].Machine] = of
		}
	}
	found := make(map[machinePoint]iot.DeviceID)
	if len(unknown) == 0 {
		return found
	}
	s.o.Entries.Devices(func(device iot.Identity, entry *iot.DeviceEntry) bool {
		at := iot.Machine{Tenant: device.Tenant, Area: entry.Area}
		of := unknown[at]
		if of == nil {
			return true
		}
		for i, name := range names {
			if of.points[i].Alike() > 0 || alert.MatchPoint(name, entry, device.ID, "") == alert.NoPoint {
				continue
			}
			key := machinePoint{at, name}
			if before := found[key]; before == "" || device.ID < before {
				found[key] = device.ID
			}
		}
		return true
	})
	return found
}
