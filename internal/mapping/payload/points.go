package payload

import (
	"bytes"
	"iter"
	"strconv"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/wire"
)

// The names of members that say something about the values beside them, in any case.
var (
	timeNames    = []string{"timestamp", "ts", "time", "datetime", "last_seen"}
	unitNames    = []string{"unit", "units"}
	qualityNames = []string{"quality", "q"}
	// An element of an array that has one of idNames and one of valueNames is a value with a name.
	idNames    = []string{"name", "id"}
	valueNames = []string{valueField, "val", "v"}
	// shortTimes are also names of times there.
	shortTimes = append([]string{"t"}, timeNames...)
)

// about is what holds for all values of a part of a payload.
type about struct {
	measurement string
	tags        map[string]string
	time        time.Time
	timeText    string
	unit        string
	quality     iot.Quality
	// unitOf returns the unit of a field by its last name, in the shapes that define it; may be nil.
	unitOf func(name []byte) string
}

// children returns the indexes of what an object or an array contains.
func (t *tree) children(index int) iter.Seq[int] {
	return func(yield func(int) bool) {
		end := int(t.nodes[index].end)
		for i := index + 1; i < end; i = int(t.nodes[i].end) {
			if !yield(i) {
				return
			}
		}
	}
}

// member returns the index of the member of an object that has the first of the names; -1 if it has none.
func (t *tree) member(object int, names ...string) int {
	for _, name := range names {
		for i := range t.children(object) {
			if fold(t.nodes[i].name, name) {
				return i
			}
		}
	}
	return -1
}

// scalar is member for members that are neither null, nor objects, nor arrays.
func (t *tree) scalar(object int, names ...string) int {
	if i := t.member(object, names...); i >= 0 && t.nodes[i].scalar() {
		return i
	}
	return -1
}

// points appends the values of the tree.
func (d *Decoder) points(points []mapping.Point) ([]mapping.Point, error) {
	d.path, d.out, d.before = d.path[:0], points, len(points)
	d.group++
	err := d.whole()
	out := d.out
	d.out = nil
	return out, err
}

// whole walks through the whole payload.
func (d *Decoder) whole() error {
	if d.tree.nodes[0].kind != array {
		return d.element(0)
	}
	for i := range d.tree.children(0) {
		known := false
		if d.tree.nodes[i].kind == object {
			var err error
			if known, err = d.known(i); err != nil {
				return err
			}
		}
		if !known {
			return d.array(0, 0, &about{})
		}
		d.group++
	}
	return nil
}

// element walks through what is a payload.
func (d *Decoder) element(index int) error {
	a := about{}
	if d.tree.nodes[index].kind != object {
		return d.any(index, 0, &a)
	}
	if known, err := d.known(index); known || err != nil {
		return err
	}
	if d.valued(index) {
		return d.value(index, &a)
	}
	timeAt := d.tree.scalar(index, timeNames...)
	d.time(timeAt, &a)
	d.tasmota(index, &a)
	return d.object(index, &a, timeAt)
}

// any walks through a value of any kind. outer is the length of the path without the last level.
func (d *Decoder) any(index, outer int, a *about) error {
	switch n := &d.tree.nodes[index]; {
	case n.kind == null:
		return nil
	case n.scalar():
		return d.emit(index, a, false)
	case n.kind == array:
		return d.array(index, outer, a)
	case d.valued(index):
		return d.value(index, a)
	}
	return d.object(index, a, -1)
}

// object walks through the members of an object. The one at the index note, if it is not -1, says something about the others.
func (d *Decoder) object(index int, a *about, note int) error {
	for i := range d.tree.children(index) {
		n := &d.tree.nodes[i]
		outer := d.enter(n.name)
		var err error
		if i == note || a.unitOf != nil && fold(n.name, tasmotaUnits...) {
			err = d.emit(i, &about{measurement: a.measurement, tags: a.tags}, true)
		} else {
			err = d.any(i, outer, a)
		}
		if err != nil {
			return err
		}
		d.path = d.path[:outer]
	}
	return nil
}

// array walks through the elements of an array. A value with a name goes by it, instead of by the name of the array and its index.
func (d *Decoder) array(index, outer int, a *about) error {
	position := 0
	for i := range d.tree.children(index) {
		inside := d.enter(strconv.AppendInt(nil, int64(position), 10))
		var err error
		switch {
		case d.isTelegraf(i):
			err = d.telegraf(i)
		case d.named(i):
			path := bytes.Clone(d.path)
			d.path = d.path[:outer]
			d.enter(d.tree.nodes[d.tree.scalar(i, idNames...)].text)
			err = d.namedValue(i, a)
			d.path = append(d.path[:0], path...)
		default:
			err = d.any(i, inside, a)
		}
		if err != nil {
			return err
		}
		d.path = d.path[:inside]
		position++
	}
	return nil
}

// enter appends a level to the path and returns the length that it had before.
func (d *Decoder) enter(name []byte) int {
	length := len(d.path)
	if length > 0 {
		d.path = append(d.path, '.')
	}
	d.path = append(d.path, name...)
	return length
}

// valued reports whether an object is one value, with what is to say about it: nothing else is in it.
func (d *Decoder) valued(index int) bool {
	found := false
	for i := range d.tree.children(index) {
		n := &d.tree.nodes[i]
		switch {
		case n.kind == object || n.kind == array:
			return false
		case fold(n.name, valueField):
			found = true
		case !fold(n.name, timeNames...) && !fold(n.name, unitNames...) && !fold(n.name, qualityNames...):
			return false
		}
	}
	return found
}

// value emits an object that is one value.
func (d *Decoder) value(index int, outer *about) error {
	return d.annotated(index, d.tree.scalar(index, valueField), timeNames, outer)
}

// annotated emits the value at the index value with what the object says about it.
func (d *Decoder) annotated(index, value int, times []string, outer *about) error {
	if value < 0 {
		return nil
	}
	a := *outer
	if i := d.tree.scalar(index, times...); i >= 0 {
		d.time(i, &a)
	}
	if i := d.tree.scalar(index, unitNames...); i >= 0 {
		a.unit = d.strings.of(d.tree.nodes[i].text)
	}
	if i := d.tree.scalar(index, qualityNames...); i >= 0 {
		a.quality = quality(&d.tree.nodes[i])
	}
	return d.emit(value, &a, false)
}

// quality returns a quality, which admission checks. Some programs say true or false.
func quality(n *node) iot.Quality {
	if n.kind != boolean {
		return iot.Quality(n.text)
	}
	if n.text[0] == 't' {
		return iot.Good
	}
	return iot.Bad
}

// named reports whether a node is a value with a name.
func (d *Decoder) named(index int) bool {
	if d.tree.nodes[index].kind != object {
		return false
	}
	id := d.tree.scalar(index, idNames...)
	if id < 0 || len(d.tree.nodes[id].text) == 0 {
		return false
	}
	value := d.tree.member(index, valueNames...)
	return value >= 0 && (d.tree.nodes[value].scalar() || d.tree.nodes[value].kind == null)
}

// namedValue emits a value with a name, and the other members of the object under that name.
func (d *Decoder) namedValue(index int, a *about) error {
	value := d.tree.member(index, valueNames...)
	if !d.tree.nodes[value].scalar() {
		value = -1
	}
	if err := d.annotated(index, value, shortTimes, a); err != nil {
		return err
	}
	id := d.tree.scalar(index, idNames...)
	for i := range d.tree.children(index) {
		n := &d.tree.nodes[i]
		if i == value || i == id || fold(n.name, shortTimes...) || fold(n.name, unitNames...) || fold(n.name, qualityNames...) {
			continue
		}
		outer := d.enter(n.name)
		if err := d.any(i, outer, a); err != nil {
			return err
		}
		d.path = d.path[:outer]
	}
	return nil
}

// time sets the time by the value at the index; it does nothing if that is -1.
func (d *Decoder) time(index int, a *about) {
	if index < 0 {
		return
	}
	written := string(d.tree.nodes[index].text)
	a.time, a.timeText = time.Time{}, ""
	at, problem := wire.ParseTime(written)
	if problem != "" {
		a.timeText = written
		return
	}
	a.time = at
}

// emit appends a point. A note is a point that says something about others.
func (d *Decoder) emit(index int, a *about, note bool) error {
	n := &d.tree.nodes[index]
	if n.kind == null || n.kind == text && len(n.text) == 0 {
		return nil
	}
	switch {
	case len(d.path) > MaxField:
		return iot.Invalid("", "a value whose path is longer than %d bytes (%s)", MaxField, iot.Quote(string(d.path)))
	case len(d.out)-d.before >= MaxPoints:
		return iot.Invalid("", "more than %d values", MaxPoints)
	}
	p := mapping.Point{
		Measurement: a.measurement, Field: valueField, Tags: a.tags, Time: a.time, TimeText: a.timeText, Unit: a.unit, Quality: a.quality,
		Group: d.group, Note: note,
	}
	if len(d.path) > 0 {
		p.Field = d.strings.of(d.path)
	}
	if p.Unit == "" && a.unitOf != nil {
		p.Unit = a.unitOf(d.path[bytes.LastIndexByte(d.path, '.')+1:])
	}
	if n.kind == number {
		p.Value = n.number
	} else {
		p.ValueText = d.strings.of(n.text)
	}
	d.out = append(d.out, p)
	return nil
}
