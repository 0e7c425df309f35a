package opcua

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
)

// flattener makes points of one value.
type flattener struct {
	types *types
	// base has everything of the points but their values.
	base   mapping.Point
	points []mapping.Point
	// absent is whether there is a value that is no number and no text: nothing at all, or NaN.
	absent bool
	// elements counts the elements and fields of the structures of a notification.
	elements int
	// left is how many points the value may still become, depth how many structures are being decoded.
	left, depth int
	// undecoded is a structure that cannot be decoded, and reason why.
	undecoded structure
	reason    string
}

// add appends the points of a value whose parts have the given path behind the item's: the index of an element, the name of a field.
// The error is that of the connection.
func (f *flattener) add(ctx context.Context, v *value, path string) error {
	switch {
	case v.isArray:
		for i := range v.elements {
			if err := f.add(ctx, &v.elements[i], below(path, index(i, v))); err != nil {
				return err
			}
		}
	case v.kind == typeStructure:
		return f.structure(ctx, v.rare.structure, path)
	default:
		f.scalar(v, path)
	}
	return nil
}

// index returns the level of an element, or its levels if the array has several dimensions.
func index(i int, v *value) string {
	if v.rare == nil || len(v.rare.dimensions) < 2 {
		return strconv.Itoa(i)
	}
	d := v.rare.dimensions
	all := make([]string, len(d))
	for at := len(d) - 1; at >= 0; at-- {
		size := int(max(1, d[at]))
		all[at] = strconv.Itoa(i % size)
		i /= size
	}
	return strings.Join(all, "/")
}

func (f *flattener) structure(ctx context.Context, s structure, path string) error {
	if s.body == nil {
		f.undecoded, f.reason = s, fmt.Sprintf("a structure of the encoding %v without a binary body", s.encoding)
		return nil
	}
	t, err := f.types.of(ctx, s.encoding)
	if err != nil {
		return err
	}
	if t == nil {
		f.undecoded, f.reason = s, fmt.Sprintf("a structure whose type is not known: the server has no definition of the encoding %s", f.types.server.name(s.encoding))
		return nil
	}
	r := reader{b: s.body, elements: f.elements}
	parts := t.decode(&r, path, nil)
	f.elements = r.elements
	if r.err != nil {
		f.undecoded, f.reason = s, fmt.Sprintf("a structure of the encoding %s that cannot be decoded: %v", f.types.server.name(s.encoding), r.err)
		return nil
	}
	if f.depth++; f.depth > maxDepth {
		f.undecoded, f.reason = s, errNested.Error()
		return nil
	}
	defer func() { f.depth-- }()
	for i := range parts {
		if err := f.add(ctx, &parts[i].value, parts[i].path); err != nil {
			return err
		}
	}
	return nil
}

func (f *flattener) scalar(v *value, path string) {
	if v.kind == typeNull || math.IsNaN(v.number) || math.IsInf(v.number, 0) {
		f.absent = true
		return
	}
	if f.left--; f.left < 0 {
		return
	}
	p := f.base
	if path != "" {
		p.Topic, p.Field = below(p.Topic, path), below(p.Field, path)
	}
	if p.Value, p.ValueText = v.number, v.text; v.text == "" && v.kind >= typeString && v.kind != typeDateTime {
		p.ValueText = " " // An empty text would mean that the value is the number.
	}
	f.points = append(f.points, p)
}

// below returns the path of what is below another.
func below(path, rest string) string {
	if path == "" {
		return rest
	}
	return path + "/" + rest
}

// absentReport is the report about a device whose value is no number: there is nothing that a reading could have.
func absentReport(status uint32) *iot.StatusReport {
	reason := statusName(status)
	if quality(status) == "" {
		reason = "the value is not a number"
	}
	return &iot.StatusReport{Status: iot.ReportedBad, Reason: reason}
}
