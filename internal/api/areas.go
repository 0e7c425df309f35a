package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/iot"
)

// maxAreas is the maximum number of areas in one answer.
const maxAreas = 10_000

func (s *server) registerAreas(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "list-areas",
		Method:      http.MethodGet,
		Path:        Prefix + "/areas",
		Tags:        []string{"Devices"},
		Summary:     "The plant as a tree of areas",
		Errors:      []int{http.StatusServiceUnavailable},
		Description: "Each area with the number of devices in it and below, and what of them is abnormal. A device belongs to the area of its " +
			"registry entry, or else to that of its readings' building, floor and room. Devices whose area is unknown are counted at the " +
			"root, which is the answer.",
	}, s.listAreas)
}

type areasInput struct {
	Area  iot.Area `query:"area" doc:"Only this area and what is below it." maxLength:"1024"`
	Depth int      `query:"depth" doc:"How many levels below that to answer with; deeper ones are counted in the last." minimum:"0" maximum:"8" default:"8" example:"1"`
}

// area is a node of the tree. Its numbers include everything below it.
type area struct {
	Area      iot.Area `json:"area" doc:"The path; empty for the whole plant."`
	Name      string   `json:"name" doc:"The last level of the path."`
	Devices   int64    `json:"devices" doc:"Devices that have sent."`
	Online    int64    `json:"online"`
	Offline   int64    `json:"offline" doc:"Without those that are retired."`
	Retired   int64    `json:"retired" doc:"Devices that raise no alerts because they are retired."`
	NeverSent int64    `json:"never_sent" doc:"Devices with a registry entry that have never sent, without those that are retired."`
	Alerting  int64    `json:"alerting" doc:"Devices with open alerts."`
	Info      int64    `json:"info" doc:"Open alerts of this severity; so are warning and critical."`
	Warning   int64    `json:"warning"`
	Critical  int64    `json:"critical"`
	Children  []*area  `json:"children,omitempty" doc:"The areas one level below, by name."`
	Cut       bool     `json:"cut,omitempty" doc:"There are more areas below than one answer holds: ask for this area."`

	below map[string]*area
}

func (s *server) listAreas(ctx context.Context, in *areasInput) (*answer[area], error) {
	release, err := s.admitScan(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	t := areaTree{within: in.Area.Canonical(), depth: in.Depth, left: maxAreas}
	t.root = &area{Area: t.within, Name: string(t.within[strings.LastIndexByte(string(t.within), '/')+1:])}
	s.o.Fleet.Scan("", false, func(state *iot.DeviceState) bool {
		d := s.listed(state)
		t.count(d.area(), func(node *area) { node.countDevice(&d) })
		return true
	})
	for _, d := range s.neverSent() {
		if !d.entry.Retired {
			t.count(d.entry.Area, func(node *area) { node.NeverSent++ })
		}
	}
	t.root.sort()
	return &answer[area]{*t.root}, nil
}

// exported is a device of the registry, with the entry in force, which must not be changed.
type exported struct {
	id    iot.DeviceID
	entry *iot.DeviceEntry
}

// neverSent returns the devices with an entry in force that have never sent, or are forgotten, in no order.
func (s *server) neverSent() []exported {
	if s.o.Entries == nil {
		return nil
	}
	// The fleet is asked afterwards: each of the two has a lock, which the other's scan must not wait for.
	var all []exported
	s.o.Entries.Devices(func(device iot.Identity, entry *iot.DeviceEntry) bool {
		if device.Tenant == "" {
			all = append(all, exported{device.ID, entry})
		}
		return true
	})
	return slices.DeleteFunc(all, func(e exported) bool { return s.o.Fleet.Known(e.id) })
}

// areaTree collects areas.
type areaTree struct {
	root   *area
	within iot.Area
	depth  int
	// left is how many areas there is still room for.
	left int
}

// count calls add with every node on the way to an area, unless the area lies outside the tree.
func (t *areaTree) count(of iot.Area, add func(*area)) {
	if !of.Within(t.within) {
		return
	}
	add(t.root)
	path := strings.TrimPrefix(strings.TrimPrefix(string(of), string(t.within)), "/")
	if path == "" {
		return
	}
	node := t.root
	for level, name := range strings.Split(path, "/") {
		if level == t.depth {
			return
		}
		child := node.below[name]
		if child == nil {
			if t.left == 0 {
				node.Cut = true
				return
			}
			t.left--
			child = &area{Area: iot.Area(strings.TrimPrefix(string(node.Area)+"/"+name, "/")), Name: name}
			if node.below == nil {
				node.below = make(map[string]*area)
			}
			node.below[name] = child
		}
		add(child)
		node = child
	}
}

// countDevice counts a device that has sent.
func (a *area) countDevice(d *listed) {
	a.Devices++
	switch {
	case d.state.Status == iot.Online:
		a.Online++
	case d.entry == nil || !d.entry.Retired:
		a.Offline++
	}
	if d.entry != nil && d.entry.Retired {
		a.Retired++
	}
	open := false
	for i := range d.state.Alerts {
		raised := d.state.Alerts[i].Raised
		if raised == nil {
			continue
		}
		open = true
		switch raised.Severity {
		case iot.Critical:
			a.Critical++
		case iot.Warning:
			a.Warning++
		default:
			a.Info++
		}
	}
	if open {
		a.Alerting++
	}
}

// sort makes Children of below.
func (a *area) sort() {
	for _, child := range a.below {
		child.sort()
		a.Children = append(a.Children, child)
	}
	slices.SortFunc(a.Children, func(x, y *area) int { return cmp.Compare(x.Name, y.Name) })
}
