package payload

import (
	"iotmon/internal/iot"
	"iotmon/internal/mapping"
)

// The programs whose shapes are known.
const (
	shapeTelegraf    = "Telegraf"
	shapeThingsBoard = "ThingsBoard"
	shapeShelly      = "Shelly"
	shapeTasmota     = "Tasmota"
	// ShapeReading is that of this system's own readings.
	ShapeReading = "a reading"
)

// known walks through an object in the shape of a known program; false if it is in no such shape.
func (d *Decoder) known(index int) (bool, error) {
	switch {
	case d.isReading(index):
		return true, d.ownReading(index)
	case d.isTelegraf(index):
		return true, d.telegraf(index)
	case d.isThingsBoard(index):
		return true, d.thingsBoard(index, nil)
	case d.isGateway(index):
		return true, d.gateway(index)
	}
	params := d.tree.member(index, "params")
	if params >= 0 && d.tree.nodes[params].kind == object && d.tree.scalar(index, "method") >= 0 {
		return true, d.shelly(index, params)
	}
	return false, nil
}

// isReading reports whether an object of JSON is one of this system's own readings.
func (d *Decoder) isReading(index int) bool {
	if d.tree.nodes[index].text == nil {
		return false
	}
	found := 0
	for i := range d.tree.children(index) {
		switch string(d.tree.nodes[i].name) {
		case "device_id", "device_type", "value":
			found++
		}
	}
	return found == 3
}

func (d *Decoder) ownReading(index int) error {
	d.shape = ShapeReading
	r := new(iot.Reading)
	if err := d.reading.Decode(d.tree.nodes[index].text, r); err != nil {
		return err
	}
	if len(d.out)-d.before >= MaxPoints {
		return iot.Invalid("", "more than %d values", MaxPoints)
	}
	d.out = append(d.out, mapping.Point{Field: valueField, Reading: r, Group: d.group})
	return nil
}

// isTelegraf reports whether a node is {"name":…,"tags":{…},"fields":{…},"timestamp":…}.
func (d *Decoder) isTelegraf(index int) bool {
	if d.tree.nodes[index].kind != object {
		return false
	}
	fields := d.tree.member(index, "fields")
	if fields < 0 || d.tree.nodes[fields].kind != object {
		return false
	}
	name := d.tree.member(index, "name")
	return name >= 0 && d.tree.nodes[name].kind == text && len(d.tree.nodes[name].text) > 0
}

func (d *Decoder) telegraf(index int) error {
	d.shape = shapeTelegraf
	d.group++
	a := about{measurement: d.strings.of(d.tree.nodes[d.tree.member(index, "name")].text), tags: d.tags(d.tree.member(index, "tags"))}
	d.time(d.tree.scalar(index, "timestamp"), &a)
	return d.fromRoot(d.tree.member(index, "fields"), &a)
}

// fromRoot walks through an object whose members are the first level of the path.
func (d *Decoder) fromRoot(index int, a *about) error {
	before := string(d.path)
	d.path = d.path[:0]
	err := d.object(index, a, -1)
	d.path = append(d.path[:0], before...)
	return err
}

// tags returns the members of an object as tags; never nil.
func (d *Decoder) tags(index int) map[string]string {
	tags := make(map[string]string)
	if index < 0 || d.tree.nodes[index].kind != object {
		return tags
	}
	for i := range d.tree.children(index) {
		if n := &d.tree.nodes[i]; n.scalar() {
			tags[d.strings.of(n.name)] = d.strings.of(n.text)
		}
	}
	return tags
}

// isThingsBoard reports whether a node is {"ts":…,"values":{…}}.
func (d *Decoder) isThingsBoard(index int) bool {
	if d.tree.nodes[index].kind != object || d.tree.scalar(index, "ts") < 0 {
		return false
	}
	values := d.tree.member(index, "values")
	return values >= 0 && d.tree.nodes[values].kind == object
}

func (d *Decoder) thingsBoard(index int, tags map[string]string) error {
	d.shape = shapeThingsBoard
	a := about{tags: tags}
	d.time(d.tree.scalar(index, "ts"), &a)
	return d.fromRoot(d.tree.member(index, "values"), &a)
}

// isGateway reports whether an object is what a gateway of ThingsBoard sends, {"device":[{"ts":…,"values":{…}}]}.
func (d *Decoder) isGateway(index int) bool {
	found := false
	for i := range d.tree.children(index) {
		if d.tree.nodes[i].kind != array {
			return false
		}
		for j := range d.tree.children(i) {
			if found = d.isThingsBoard(j); !found {
				return false
			}
		}
	}
	return found
}

// gateway emits what a gateway of ThingsBoard sends. The name of each device is the tag device.
func (d *Decoder) gateway(index int) error {
	for i := range d.tree.children(index) {
		tags := map[string]string{"device": d.strings.of(d.tree.nodes[i].name)}
		for j := range d.tree.children(i) {
			d.group++
			if err := d.thingsBoard(j, tags); err != nil {
				return err
			}
		}
	}
	return nil
}

// shelly emits a notification of a Shelly of the second generation or later: {"src":…,"method":"NotifyStatus","params":{"ts":…,…}}.
func (d *Decoder) shelly(index, params int) error {
	d.shape = shapeShelly
	a := about{tags: make(map[string]string), unitOf: shellyUnit}
	for _, name := range []string{"src", "method"} {
		if i := d.tree.scalar(index, name); i >= 0 {
			a.tags[name] = d.strings.of(d.tree.nodes[i].text)
		}
	}
	at := d.tree.scalar(params, "ts")
	d.time(at, &a)
	return d.object(params, &a, at)
}

func shellyUnit(name []byte) string {
	switch string(name) {
	case "tC":
		return "°C"
	case "tF":
		return "°F"
	}
	return ""
}

// tasmotaUnits are the members with which a Tasmota says in which units its temperatures and pressures are.
var tasmotaUnits = []string{"TempUnit", "PressureUnit"}

// tasmota sets the units of a payload that has them as Tasmota does.
func (d *Decoder) tasmota(index int, a *about) {
	unit := func(name string) string {
		if i := d.tree.scalar(index, name); i >= 0 {
			return d.strings.of(d.tree.nodes[i].text)
		}
		return ""
	}
	temperature, pressure := unit(tasmotaUnits[0]), unit(tasmotaUnits[1])
	if temperature == "" && pressure == "" {
		return
	}
	d.shape = shapeTasmota
	a.unitOf = func(name []byte) string {
		switch {
		case fold(name, "Temperature", "DewPoint"):
			return temperature
		case fold(name, "Pressure", "SeaPressure"):
			return pressure
		}
		return ""
	}
}
