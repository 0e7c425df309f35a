package opcua

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"
)

const (
	// browseTimeout is how long the search for variables may take in all.
	browseTimeout = 2 * time.Minute
	// maxReferences is how many references a search follows or skips in all: a server can have endlessly many, and in circles. An answer
	// counts as one more, or as
	// moreAnswer if it goes on with an earlier one.
	maxReferences, moreAnswer = 500_000, 10
	// maxBrowse is how many nodes are browsed with one request, maxAnswer how many references of a node the server shall return at once.
	maxBrowse, maxAnswer = 100, 1000
	// maxPath is the maximum length in bytes of the path of a node.
	maxPath = 1024
	// maxID is the maximum length in bytes of a node's identifier; longer ones are passed over. maxNames is that of all identifiers and paths of a search.
	maxID, maxNames = 4096, 32 << 20
	// DefaultDepth and DefaultMax are the defaults of Browse.
	DefaultDepth, DefaultMax = 10, 10_000
)

// Browse is which variables are found below a node.
type Browse struct {
	Root NodeName
	// Include and Exclude are patterns of paths, which are the names from the root on, separated by slashes. In a pattern, * stands for
	// any characters within a name, and ** for any. Without Include every variable is included.
	Include, Exclude []string
	// Depth is how many levels below the root are searched, Max how many variables are found at most.
	Depth, Max int
}

// variable is a node that has a value.
type variable struct {
	node nodeID
	// path is the names of the nodes from the root on, with slashes between them.
	path string
}

// reference is what a server says of a node that another refers to.
type reference struct {
	kind     nodeID
	node     nodeID
	name     string
	class    ua.NodeClass
	followed bool
}

// search is one search for variables.
type search struct {
	client  *client
	server  *server
	options *Browse
	// left is how many references may still be received, room how many bytes of names.
	left      int
	room      int
	include   *regexp.Regexp
	exclude   *regexp.Regexp
	found     []variable
	seen      map[nodeID]bool
	truncated string
}

// browse finds the variables. If there are more than the options or the bounds allow, truncated says so.
func (c *client) browse(ctx context.Context, s *server, o *Browse) (found []variable, truncated string, err error) {
	root, err := s.resolve(&o.Root)
	if err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, browseTimeout)
	defer cancel()
	b := &search{client: c, server: s, options: o, left: maxReferences, room: maxNames, seen: map[nodeID]bool{root: true}}
	if b.include, err = pattern(o.Include); err != nil {
		return nil, "", err
	}
	if b.exclude, err = pattern(o.Exclude); err != nil {
		return nil, "", err
	}
	level := []variable{{node: root}}
	for depth := 0; len(level) > 0 && depth < o.Depth && b.truncated == ""; depth++ {
		if level, err = b.level(ctx, level); err != nil {
			return nil, "", fmt.Errorf("searching for variables: %w", err)
		}
	}
	return b.found, b.truncated, nil
}

// pattern returns the expression for all patterns; nil for none.
func pattern(patterns []string) (*regexp.Regexp, error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	var all []string
	for _, p := range patterns {
		quoted := regexp.QuoteMeta(p)
		quoted = strings.ReplaceAll(quoted, `\*\*`, `.*`)
		all = append(all, strings.ReplaceAll(quoted, `\*`, `[^/]*`))
	}
	return regexp.Compile(`^(?s:` + strings.Join(all, "|") + `)$`)
}

// level browses nodes, and returns those below them that must be browsed next.
func (b *search) level(ctx context.Context, nodes []variable) (next []variable, err error) {
	ids := make([]nodeID, len(nodes))
	for i := range nodes {
		ids[i] = nodes[i].node
	}
	err = b.client.references(ctx, b.server, ids, &b.left, func(i int, r *reference) {
		next = b.reached(&nodes[i], r, next)
	})
	if b.left <= 0 && b.truncated == "" {
		b.truncated = fmt.Sprintf("the search for variables ended after %d references", maxReferences)
	}
	return next, err
}

// propertyUnits is the name of the property that has the unit of a variable, propertyRange that of its range.
const propertyUnits, propertyRange = "EngineeringUnits", "EURange"

// reached appends the node that a reference leads to, if it must be browsed.
func (b *search) reached(from *variable, r *reference, next []variable) []variable {
	// The standard's own nodes describe the server, not the plant.
	if r.node.namespace == 0 || b.seen[r.node] || b.truncated != "" {
		return next
	}
	v := variable{node: r.node, path: join(from.path, r.name)}
	if b.room -= len(r.node.text) + len(v.path); b.room < 0 {
		b.truncated = fmt.Sprintf("the search for variables ended because the names of the nodes have more than %d MiB", maxNames>>20)
		return next
	}
	b.seen[r.node] = true
	if r.kind == standard(id.HasProperty) {
		return next
	}
	if len(v.path) > maxPath {
		return next
	}
	if r.class == ua.NodeClassVariable && b.included(v.path) {
		if len(b.found) >= b.options.Max {
			b.truncated = fmt.Sprintf("there are more than %d variables: the others are left out", b.options.Max)
			return next
		}
		b.found = append(b.found, v)
	}
	return append(next, v)
}

func (b *search) included(path string) bool {
	return (b.include == nil || b.include.MatchString(path)) && (b.exclude == nil || !b.exclude.MatchString(path))
}

// join appends a level to a path. Slashes separate levels, so a name has none.
func join(path, name string) string {
	name = strings.ReplaceAll(name, "/", "_")
	if path == "" {
		return name
	}
	return path + "/" + name
}

// references browses the children and properties of nodes, and calls found with the index of the node and each reference, until left,
// which it counts down, is 0. Nodes that cannot be browsed have none.
func (c *client) references(ctx context.Context, s *server, nodes []nodeID, left *int, found func(int, *reference)) error {
	at := 0
	for part := range chunks(nodes, maxBrowse, s.limits.browse) {
		req := &ua.BrowseRequest{View: &ua.ViewDescription{ViewID: ua.NewTwoByteNodeID(0)}, RequestedMaxReferencesPerNode: maxAnswer}
		for _, n := range part {
			req.NodesToBrowse = append(req.NodesToBrowse, &ua.BrowseDescription{
				NodeID: n.ua(), BrowseDirection: ua.BrowseDirectionForward, ReferenceTypeID: standard(id.HierarchicalReferences).ua(), IncludeSubtypes: true,
				NodeClassMask: uint32(ua.NodeClassObject | ua.NodeClassVariable), ResultMask: uint32(ua.BrowseResultMaskAll),
			})
		}
		r, err := c.ask(ctx, req, id.BrowseResponse_Encoding_DefaultBinary)
		if err != nil {
			return err
		}
		indexes := make([]int, len(part))
		for i := range indexes {
			indexes[i] = at + i
		}
		if err := c.results(ctx, s, r, indexes, left, found); err != nil {
			return err
		}
		at += len(part)
		if *left <= 0 {
			return nil
		}
	}
	return nil
}

// results decodes what was browsed of the nodes with the given indexes, and asks for the rest.
func (c *client) results(ctx context.Context, s *server, r *reader, indexes []int, left *int, found func(int, *reference)) error {
	for {
		if n := r.count(8); r.err == nil && n != len(indexes) {
			return countError("nodes", n, len(indexes))
		}
		var unfinished []int
		next := new(ua.BrowseNextRequest)
		for _, index := range indexes {
			r.u32()
			if point := r.bytes(); len(point) > 0 {
				next.ContinuationPoints, unfinished = append(next.ContinuationPoints, point), append(unfinished, index)
			}
			for range r.count(20) {
				ref := r.reference(s)
				*left--
				if r.err == nil && ref.followed && *left > 0 {
					found(index, &ref)
				}
			}
		}
		*left--
		if r.err != nil || len(unfinished) == 0 {
			return r.err
		}
		*left -= moreAnswer
		next.ReleaseContinuationPoints = *left <= 0
		var err error
		if r, err = c.ask(ctx, next, id.BrowseNextResponse_Encoding_DefaultBinary); err != nil || next.ReleaseContinuationPoints {
			return err
		}
		indexes = unfinished
	}
}

// reference decodes a ReferenceDescription. It is not to be followed if it leads to another server or backwards.
func (r *reader) reference(s *server) reference {
	var ref reference
	ref.kind = r.nodeID()
	forward := r.bool()
	id, uri, elsewhere := r.expandedNodeID()
	ref.node, ref.followed = id, forward && !elsewhere && len(id.text) <= maxID
	if uri != "" {
		known, err := s.resolve(&NodeName{uri: uri, id: id})
		ref.node, ref.followed = known, ref.followed && err == nil
	}
	_, ref.name = r.qualifiedName()
	r.localizedText()
	ref.class = ua.NodeClass(r.u32())
	r.expandedNodeID()
	return ref
}

// property is what the properties of a variable say of its values.
type property struct {
	unit string
	// limits is nil if the variable has no range.
	limits *Range
}

// properties reads the properties of variables. It is bounded by the number of variables; properties are not worth failing for.
func (c *client) properties(ctx context.Context, s *server, nodes []nodeID) ([]property, error) {
	all := make([]property, 0, len(nodes))
	for part := range chunks(nodes, maxBrowse, s.limits.browse) {
		of, err := c.propertiesPart(ctx, s, part)
		if err != nil {
			return nil, fmt.Errorf("reading units: %w", err)
		}
		all = append(all, of...)
	}
	return all, nil
}

func (c *client) propertiesPart(ctx context.Context, s *server, nodes []nodeID) ([]property, error) {
	all := make([]property, len(nodes))
	var attributes []attribute
	var owners []int
	left := maxReferences
	names := [...]string{propertyUnits, propertyRange}
	seen := make([][len(names)]bool, len(nodes))
	err := c.references(ctx, s, nodes, &left, func(i int, r *reference) {
		if which := slices.Index(names[:], r.name); r.kind == standard(id.HasProperty) && which >= 0 && !seen[i][which] {
			seen[i][which] = true
			attributes, owners = append(attributes, attribute{r.node, ua.AttributeIDValue}), append(owners, i)
		}
	})
	if err != nil {
		return nil, err
	}
	values, err := c.read(ctx, s.limits.read, attributes)
	if err != nil {
		return nil, err
	}
	for i := range values {
		all[owners[i]].set(&values[i].value)
	}
	return all, nil
}

// set sets the unit from an EUInformation, the limits from a Range, and nothing from any other value.
func (p *property) set(v *value) {
	const longest = 64
	if v.kind != typeStructure || v.isArray {
		return
	}
	r := reader{b: v.rare.structure.body}
	switch v.rare.structure.encoding {
	case standard(id.EUInformation_Encoding_DefaultBinary):
		r.bytes()
		r.u32()
		if name := r.localizedText(); r.err == nil && len(name) <= longest {
			p.unit = name
		}
	case standard(id.Range_Encoding_DefaultBinary):
		if limits := (Range{r.f64(), r.f64()}); r.err == nil && limits.Low < limits.High {
			p.limits = &limits
		}
	}
}
