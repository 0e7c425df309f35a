package opcua

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"
)

// Found is a variable that List has found.
type Found struct {
	// Node is its id as ParseNodeName takes it, with the namespace's URI. Path is the names from the root on, with slashes between them.
	Node, Path string
	// DataType is the name of its type, such as Double, or the id if the type has no name. An array has [] behind it.
	DataType string
	// Value is its present value as a text. Status is the standard's name of the status code, empty for good.
	Value, Status string
	// Unit is the name of its EngineeringUnits, Range its EURange. Both may be missing.
	Unit  string
	Range *Range
}

// Range is from where to where a variable's values go.
type Range struct{ Low, High float64 }

// listReads is how many values are read with one request: their lengths are not known.
const listReads = 50

// List connects to the server, finds the variables below o.Browse, or below all objects if that is nil, and says what they are. It finds at
// most limit of them; truncated says why there may be more. It neither subscribes nor writes, and ends its session. The caller bounds its time by ctx.
func List(ctx context.Context, o Options, limit int) (found []Found, truncated string, err error) {
	browse := Browse{Root: NodeName{text: "i=85", id: standard(id.ObjectsFolder)}, Depth: DefaultDepth}
	if o.Browse != nil {
		browse = *o.Browse
	}
	browse.Max = limit
	a, err := New(o)
	if err != nil {
		return nil, "", err
	}
	opened, err := a.open(ctx)
	if err != nil {
		return nil, "", err
	}
	defer opened.channel.close()
	l, err := createSession(ctx, opened.channel, o.Endpoint, "iotmon "+o.Name)
	if err != nil {
		return nil, "", fmt.Errorf("creating a session: %w", err)
	}
	c, err := l.activate(ctx, opened.channel, opened.endpoint, opened.credentials)
	if err != nil {
		return nil, "", fmt.Errorf("logging in: %w", err)
	}
	defer c.closeSession(time.Second)
	s, err := c.describe(ctx)
	if err != nil {
		return nil, "", err
	}
	variables, truncated, err := c.browse(ctx, s, &browse)
	if err != nil {
		return nil, "", err
	}
	found, err = c.list(ctx, s, variables)
	return found, truncated, err
}

// list reads what variables are.
func (c *client) list(ctx context.Context, s *server, variables []variable) ([]Found, error) {
	nodes := make([]nodeID, len(variables))
	for i := range variables {
		nodes[i] = variables[i].node
	}
	properties, err := c.properties(ctx, s, nodes)
	if err != nil {
		return nil, err
	}
	var attributes []attribute
	for _, n := range nodes {
		attributes = append(attributes, attribute{n, ua.AttributeIDDataType}, attribute{n, ua.AttributeIDValue})
	}
	limit := uint32(listReads)
	if s.limits.read > 0 {
		limit = min(limit, s.limits.read)
	}
	values, err := c.read(ctx, limit, attributes)
	if err != nil {
		return nil, err
	}
	types, err := c.typeNames(ctx, s, values)
	if err != nil {
		return nil, err
	}
	found := make([]Found, len(variables))
	for i := range variables {
		v := &values[2*i+1]
		found[i] = Found{
			Node: s.name(nodes[i]), Path: variables[i].path, DataType: types[i], Value: show(&v.value), Unit: properties[i].unit, Range: properties[i].limits,
		}
		if v.isArray {
			found[i].DataType += "[]"
		}
		if v.status>>30 != 0 {
			found[i].Status = statusName(v.status)
		}
	}
	return found, nil
}

// typeNames returns the names of the data types that are every other value.
func (c *client) typeNames(ctx context.Context, s *server, values []dataValue) ([]string, error) {
	names := make([]string, len(values)/2)
	ids := make(map[string][]int) // The places of the types that must be asked for.
	var unknown []attribute
	for i := range names {
		text := values[2*i].text
		name, err := ParseNodeName(text)
		switch {
		case err != nil:
			continue
		case name.id.namespace == 0 && name.id.kind == 'i' && name.id.number > 0 && name.id.number <= uint32(len(typeNames)):
			names[i] = typeNames[name.id.number-1]
			continue
		case ids[text] == nil:
			unknown = append(unknown, attribute{name.id, ua.AttributeIDBrowseName})
		}
		ids[text] = append(ids[text], i)
	}
	read, err := c.read(ctx, s.limits.read, unknown)
	if err != nil {
		return nil, err
	}
	for i := range read {
		text := unknown[i].node.String()
		for _, at := range ids[text] {
			if names[at] = s.name(unknown[i].node); read[i].kind == typeQualifiedName && read[i].text != "" {
				names[at] = shorten(read[i].text)
			}
		}
	}
	return names, nil
}

// typeNames are the names of the built-in types, from number 1 on.
var typeNames = [...]string{
	"Boolean", "SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float", "Double", "String", "DateTime", "Guid", "ByteString",
	"XmlElement", "NodeId", "ExpandedNodeId", "StatusCode", "QualifiedName", "LocalizedText", "Structure", "DataValue", "BaseDataType", "DiagnosticInfo",
}

// show returns a value as a text for people.
func show(v *value) string {
	const most = 5
	switch {
	case v.isArray:
		var parts []string
		for i := range v.elements[:min(len(v.elements), most)] {
			parts = append(parts, show(&v.elements[i]))
		}
		if len(v.elements) > most {
			parts = append(parts, "…")
		}
		return "[" + strings.Join(parts, " ") + "]"
	case v.kind == typeNull:
		return ""
	case v.kind == typeStructure:
		return "a structure"
	case v.kind == typeBoolean:
		return strconv.FormatBool(v.number != 0)
	case v.kind == typeDateTime:
		return time.UnixMicro(int64(v.number * 1e6)).UTC().Format(time.RFC3339)
	case v.text != "" || v.kind >= typeString:
		return shorten(v.text)
	}
	if v.kind <= typeUInt64 {
		return strconv.FormatFloat(v.number, 'f', -1, 64)
	}
	return strconv.FormatFloat(v.number, 'g', -1, 64)
}
