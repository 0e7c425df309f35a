package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"go.yaml.in/yaml/v3"
	"golang.org/x/text/unicode/norm"

	"iotmon/internal/alert"
	"iotmon/internal/iot"
)

const (
	// yamlMediaType is the type of a file of rules.
	yamlMediaType = "application/yaml"
	// maxRulesBytes and maxRulesInFile bound a file of rules.
	maxRulesBytes  = 8 << 20
	maxRulesInFile = 1000
	// maxRulesNodes bounds what is made of a file, also by aliases: a node takes some hundred bytes.
	maxRulesNodes = 500_000
)

// rulesHead is the beginning of a file of rules.
const rulesHead = "# Alert rules of iotmon, for POST /api/v1/rules/import. The keys are those of the REST API.\n"

// encodeRules returns rules as YAML, in their order. A rule is written as it is in JSON, its keys in the same order.
func encodeRules(rules []NewRule) ([]byte, error) {
	text, err := json.Marshal(map[string]any{"rules": rules})
	if err != nil {
		return nil, err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, err
	}
	unstyle(&document)
	out := bytes.NewBufferString(rulesHead)
	encoder := yaml.NewEncoder(out)
	encoder.SetIndent(2)
	if err := encoder.Encode(&document); err != nil {
		return nil, err
	}
	return out.Bytes(), encoder.Close()
}

// mustBeQuoted are texts that the encoder does not quote: << would be read as a merge, and YAML 1.1 reads the others as true or false.
var mustBeQuoted = []string{"<<", "y", "n", "yes", "no", "on", "off"}

// unstyle removes JSON's style from the nodes; the encoder quotes what would be read as something else.
func unstyle(n *yaml.Node) {
	switch {
	case n.Kind == yaml.ScalarNode && n.Style == yaml.DoubleQuotedStyle && slices.Contains(mustBeQuoted, strings.ToLower(n.Value)):
	case n.Kind != yaml.ScalarNode && len(n.Content) == 0:
		n.Style = yaml.FlowStyle
	default:
		n.Style = 0
	}
	for _, below := range n.Content {
		unstyle(below)
	}
}

// fileError is what is wrong in a file of rules, and where.
type fileError struct {
	// line counts from 1, 0 if it is not known; place is the key.
	line   int
	place  string
	reason string
}

func (e *fileError) Error() string {
	if e.line == 0 {
		return e.place + ": " + e.reason
	}
	return fmt.Sprintf("line %d, %s: %s", e.line, e.place, e.reason)
}

// ruleInFile is a rule of a file, its node, and its place.
type ruleInFile struct {
	iot.Rule
	node  *yaml.Node
	place string
}

// wrong says what is wrong with the rule, and where in the file.
func (r *ruleInFile) wrong(err error) *fileError {
	at := ruleFault(err)
	return atKey(r.node, r.place, at.field, at.reason)
}

// ruleSchema is the schema of a rule as POST /api/v1/rules takes it, with the registry of its parts.
var ruleSchema = sync.OnceValues(func() (huma.Registry, *huma.Schema) {
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	schema := registry.Schema(reflect.TypeFor[NewRule](), true, "NewRule")
	closeKeys(registry, schema)
	return registry, schema
})

// decodeRules decodes a file of rules and checks each of them as POST /api/v1/rules does, but for what depends on other rules. The errors are *fileError,
// one for each mistake. Without a catalog device types and expressions are not checked.
func decodeRules(text []byte, catalog *iot.Catalog) ([]ruleInFile, []error) {
	list, err := rulesList(text)
	if err != nil {
		return nil, []error{err}
	}
	var rules []ruleInFile
	var wrong []error
	seen := make(map[string]bool)
	for i, node := range list {
		rule := ruleInFile{node: resolve(node), place: fmt.Sprintf("rules[%d]", i)}
		mistakes := rule.decode(catalog)
		if name := rule.written("name"); name != "" {
			if seen[name] {
				mistakes = append(mistakes, rule.wrong(iot.Invalid("name", "there is another rule %s in the file", iot.Quote(name))))
			}
			seen[name] = true
		}
		wrong = append(wrong, mistakes...)
		rules = append(rules, rule)
	}
	return rules, wrong
}

// written returns the text that is written under a key of the rule, as rules have it; empty if there is none.
func (r *ruleInFile) written(key string) string {
	if value := below(r.node, key); value != nil {
		return norm.NFC.String(resolve(value).Value)
	}
	return ""
}

// rulesList returns the nodes of the rules. The error is a *fileError.
func rulesList(text []byte) ([]*yaml.Node, error) {
	var document yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&document); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("it is empty")
		}
		return nil, &fileError{place: "body", reason: err.Error()}
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, &fileError{place: "body", reason: "it must be one document"}
	}
	left := maxRulesNodes
	if err := checkNodes(&document, &left, 0); err != nil {
		return nil, err
	}
	root := resolve(document.Content[0])
	if root.Kind != yaml.MappingNode || len(root.Content) != 2 || root.Content[0].Value != "rules" {
		return nil, &fileError{line: root.Line, place: "body", reason: "it must have one key: rules"}
	}
	list := resolve(root.Content[1])
	switch {
	case list.Kind != yaml.SequenceNode:
		return nil, &fileError{line: list.Line, place: "rules", reason: "must be a list"}
	case len(list.Content) > maxRulesInFile:
		return nil, &fileError{line: list.Line, place: "rules", reason: fmt.Sprintf("more than %d (got %d)", maxRulesInFile, len(list.Content))}
	}
	return list.Content, nil
}

func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// checkNodes checks that a node, with what aliases make of it, is not too deep, has no more than left nodes, which it takes off, and only what
// JSON has, too: what looks like a date is a text. The error is a *fileError.
func checkNodes(n *yaml.Node, left *int, depth int) error {
	const deepest = 64 // An alias within itself never ends.
	if *left--; *left < 0 || depth > deepest {
		return &fileError{line: n.Line, place: "body", reason: "it is too large or too deep"}
	}
	switch tag := n.ShortTag(); tag {
	case "!!timestamp":
		n.Tag = "!!str"
	case "!!str", "!!int", "!!float", "!!bool", "!!null", "!!map", "!!seq", "!!merge", "":
	default:
		return &fileError{line: n.Line, place: "body", reason: "unknown tag " + iot.Quote(tag)}
	}
	if n.Kind == yaml.AliasNode {
		return checkNodes(n.Alias, left, depth+1)
	}
	for _, below := range n.Content {
		if err := checkNodes(below, left, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// decode decodes the rule of the node. The errors are *fileError.
func (r *ruleInFile) decode(catalog *iot.Catalog) (wrong []error) {
	var value any
	if err := r.node.Decode(&value); err != nil {
		return []error{r.wrong(err)}
	}
	text, err := json.Marshal(value)
	if err == nil {
		value = nil
		err = unmarshal(text, &value)
	}
	if err != nil {
		return []error{r.wrong(errors.New("has a key or a number that JSON cannot have"))}
	}
	registry, schema := ruleSchema()
	for _, detail := range checkBody(registry, schema, "", value) {
		wrong = append(wrong, atKey(r.node, r.place, detail.Location, detail.Message))
	}
	if len(wrong) > 0 {
		return append(wrong, r.unknownType(catalog, wrong)...)
	}
	var body NewRule
	if err := json.Unmarshal(text, &body); err != nil {
		return []error{r.wrong(errors.New(strings.TrimPrefix(err.Error(), "json: ")))}
	}
	entry := iot.RuleEntry{Version: 1}
	entry.Rule, err = body.rule(body.Name)
	checks := []error{err}
	if err == nil {
		checks[0] = entry.Normalize()
		if catalog != nil {
			checks = append(checks, alert.CheckRule(&entry.Rule, catalog), alert.CheckClears(&entry.Rule, catalog))
		}
	} else {
		entry.Rule.Name = body.Name
	}
	r.Rule = entry.Rule
	for i, err := range checks {
		if err != nil && (i == 0 || fmt.Sprint(err) != fmt.Sprint(checks[0])) {
			wrong = append(wrong, r.wrong(err))
		}
	}
	if len(wrong) > 0 {
		wrong = append(wrong, r.unknownType(catalog, wrong)...)
	}
	return wrong
}

// unknownType says that the catalog does not have the rule's type, of a rule with other mistakes: nobody should have to import a file again to be shown
// it. What is wrong with the type already is not said twice.
func (r *ruleInFile) unknownType(catalog *iot.Catalog, wrong []error) []error {
	name := iot.DeviceType(r.written("device_type"))
	said := slices.ContainsFunc(wrong, func(err error) bool {
		at := (*fileError)(nil)
		return errors.As(err, &at) && at.place == r.place+".device_type"
	})
	if catalog == nil || name == "" || said || catalog.Spec(name) != nil {
		return nil
	}
	return []error{r.wrong(alert.UnknownType(name))}
}

// atKey says what is wrong with a key of a node, such as condition.levels.high or except[0].area; an empty key is the whole node. The line is that of the
// innermost part that is there.
func atKey(n *yaml.Node, place, key, reason string) *fileError {
	line := n.Line
	for part := range strings.FieldsFuncSeq(key, func(r rune) bool { return strings.ContainsRune(".[]", r) }) {
		if n = below(n, part); n == nil {
			break
		}
		line = n.Line
	}
	if key != "" {
		place += "." + key
	}
	return &fileError{line: line, place: place, reason: reason}
}

// below returns what a node has under a key, or at an index; nil if there is no such part.
func below(n *yaml.Node, part string) *yaml.Node {
	n = resolve(n)
	if i, err := strconv.Atoi(part); n.Kind == yaml.SequenceNode && err == nil && i < len(n.Content) {
		return n.Content[i]
	}
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == part {
			return n.Content[i+1]
		}
	}
	return nil
}
