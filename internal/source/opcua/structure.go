package opcua

import (
	"context"
	"fmt"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"
)

// maxTypes is how many types of structures are remembered, maxFields how many fields one may have.
const maxTypes, maxFields = 1000, 500

// typeTimeout is how long it may take to find out a type, which a server can make refer to ever more others.
const typeTimeout = 15 * time.Second

// structureType is how the values of a structure are encoded.
type structureType struct {
	// kind is the StructureType of Part 3: 0 structure, 1 with optional fields, 2 union. The others have subtypes of their fields' types.
	kind   uint32
	fields []field
}

// field is one field of a structure. Its type is a built-in one, or that of the structure nested.
type field struct {
	name     string
	kind     byte
	nested   *structureType
	rank     int32
	optional bool
}

// types finds out how structures are encoded, by asking the server (Part 3, 8.49). It belongs to one goroutine.
type types struct {
	client *client
	server *server
	// byEncoding has the type of each encoding, nil if it cannot be found out; byID that of each data type.
	byEncoding, byID map[nodeID]*structureType
}

func newTypes(c *client, s *server) *types {
	return &types{client: c, server: s, byEncoding: make(map[nodeID]*structureType), byID: make(map[nodeID]*structureType)}
}

// of returns the type of structures with an encoding; nil if the server does not say, or not within typeTimeout. The error is that of the connection.
func (t *types) of(ctx context.Context, encoding nodeID) (*structureType, error) {
	if known, ok := t.byEncoding[encoding]; ok || len(t.byEncoding) >= maxTypes {
		return known, nil
	}
	asking, cancel := context.WithTimeout(ctx, typeTimeout)
	defer cancel()
	found, err := t.ask(asking, encoding)
	if err != nil && (ctx.Err() != nil || asking.Err() == nil) {
		return nil, err
	}
	t.byEncoding[encoding] = found
	return found, nil
}

func (t *types) ask(ctx context.Context, encoding nodeID) (*structureType, error) {
	dataType, err := t.parent(ctx, encoding, id.HasEncoding)
	if err != nil {
		return nil, err
	}
	if dataType.kind == 0 {
		return nil, nil
	}
	return t.definition(ctx, dataType, 0)
}

// parent returns the node that refers to a node; kind 0 if there is none.
func (t *types) parent(ctx context.Context, node nodeID, reference uint32) (found nodeID, err error) {
	req := &ua.BrowseRequest{View: &ua.ViewDescription{ViewID: ua.NewTwoByteNodeID(0)}, RequestedMaxReferencesPerNode: 1, NodesToBrowse: []*ua.BrowseDescription{{
		NodeID: node.ua(), BrowseDirection: ua.BrowseDirectionInverse, ReferenceTypeID: standard(reference).ua(), ResultMask: uint32(ua.BrowseResultMaskAll),
	}}}
	r, err := t.client.ask(ctx, req, id.BrowseResponse_Encoding_DefaultBinary)
	if err != nil {
		return found, unlessRefused(err)
	}
	if r.count(8) == 1 {
		r.u32()
		r.bytes()
		if r.count(20) > 0 {
			r.nodeID()
			r.bool()
			found, _, _ = r.expandedNodeID()
		}
	}
	return found, r.err
}

// unlessRefused returns nil if the server has answered that it does not do what it was asked for.
func unlessRefused(err error) error {
	if _, refused := err.(statusError); refused {
		return nil
	}
	return err
}

// definition returns how a data type is encoded; nil if it is no structure, or not known.
func (t *types) definition(ctx context.Context, dataType nodeID, depth int) (*structureType, error) {
	if known, ok := t.byID[dataType]; ok || len(t.byID) >= maxTypes || depth > maxDepth {
		return known, nil
	}
	t.byID[dataType] = nil // A type that contains itself is not known.
	values, err := t.client.read(ctx, t.server.limits.read, []attribute{{dataType, ua.AttributeIDDataTypeDefinition}})
	if err != nil {
		return nil, unlessRefused(err)
	}
	v := &values[0]
	if v.kind != typeStructure || v.isArray || v.rare.structure.encoding != standard(id.StructureDefinition_Encoding_DefaultBinary) {
		return nil, nil
	}
	found, fieldTypes, err := decodeDefinition(v.rare.structure.body)
	if err != nil {
		return nil, nil // A definition that cannot be decoded is none.
	}
	for i := range found.fields {
		if err := t.field(ctx, &found.fields[i], fieldTypes[i], depth); err != nil {
			return nil, err
		}
		if f := &found.fields[i]; f.kind == typeNull && f.nested == nil {
			return nil, nil
		}
	}
	t.byID[dataType] = found
	return found, nil
}

// decodeDefinition decodes a StructureDefinition. The types of its fields are returned beside it.
func decodeDefinition(body []byte) (*structureType, []nodeID, error) {
	r := reader{b: body}
	r.nodeID()
	r.nodeID()
	found := &structureType{kind: r.u32()}
	n := r.count(20)
	if n > maxFields || found.kind > 2 {
		return nil, nil, fmt.Errorf("structures of kind %d with %d fields are not supported", found.kind, n)
	}
	types := make([]nodeID, n)
	for i := range types {
		f := field{name: r.string()}
		r.localizedText()
		types[i], f.rank = r.nodeID(), int32(r.u32())
		r.u32s()
		r.u32()
		f.optional = r.bool()
		found.fields = append(found.fields, f)
	}
	return found, types, r.err
}

// field finds out how the values of a field are encoded.
func (t *types) field(ctx context.Context, f *field, dataType nodeID, depth int) (err error) {
	for range maxDepth { // Up from a derived type, such as an enumeration, to what it is encoded as.
		if dataType.namespace == 0 {
			if kind := builtin(dataType.number); kind != typeNull {
				f.kind = kind
				return nil
			}
		}
		if f.nested, err = t.definition(ctx, dataType, depth+1); err != nil || f.nested != nil {
			return err
		}
		if dataType, err = t.parent(ctx, dataType, id.HasSubtype); err != nil || dataType.kind == 0 {
			return err
		}
	}
	return nil
}

// builtin returns the built-in type as which values of a data type of the standard are encoded; 0 if that is not its own.
func builtin(number uint32) byte {
	switch {
	case number >= 1 && number <= 23 && number != 22:
		return byte(number)
	case number == 24 || number == 26 || number == 27 || number == 28: // Any type, any number, any integer.
		return typeVariant
	case number == 29: // Any enumeration.
		return typeInt32
	case number == 290: // Duration
		return typeDouble
	case number == 294: // UtcTime
		return typeDateTime
	}
	return typeNull
}

// part is one value of a structure, with the names that lead to it.
type part struct {
	path  string
	value value
}

// decode decodes a structure, and appends its values to parts.
func (t *structureType) decode(r *reader, path string, parts []part) []part {
	defer r.leave()
	if !r.enter() || !r.spend(len(t.fields)) {
		return parts
	}
	var present uint32
	if t.kind != 0 {
		present = r.u32() // Which optional fields there are, or which field of a union.
	}
	bit := 0
	for i := range t.fields {
		f := &t.fields[i]
		switch {
		case t.kind == 2 && present != uint32(i)+1:
			continue
		case t.kind == 1 && f.optional:
			bit++
			if present>>(bit-1)&1 == 0 {
				continue
			}
		}
		if parts = f.decode(r, join(path, f.name), parts); r.err != nil {
			return parts
		}
	}
	return parts
}

func (f *field) decode(r *reader, path string, parts []part) []part {
	if f.rank < 1 { // A scalar.
		return f.one(r, path, parts)
	}
	if f.rank > 1 { // Arrays of several dimensions have their lengths before them.
		r.u32s()
	}
	size := 1
	if f.nested == nil {
		size = minSizes[f.kind]
	}
	n := r.count(size)
	if !r.spend(n) {
		return parts
	}
	for i := range n {
		if r.err != nil {
			break
		}
		parts = f.one(r, join(path, fmt.Sprint(i)), parts)
	}
	return parts
}

func (f *field) one(r *reader, path string, parts []part) []part {
	if f.nested != nil {
		return f.nested.decode(r, path, parts)
	}
	p := part{path: path}
	r.scalar(f.kind, &p.value)
	if len(parts) >= maxElements {
		return parts
	}
	return append(parts, p)
}
