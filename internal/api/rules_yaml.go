package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

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

// ruleInFile is a rule of a file, and the line where it begins.
type ruleInFile struct {
	iot.Rule
	line int
}

// decodeRules decodes a file of rules. The errors are *fileError, one for each rule that is wrong.
func decodeRules(text []byte) ([]ruleInFile, []error) {
	list, err := rulesList(text)
	if err != nil {
		return nil, []error{err}
	}
	var rules []ruleInFile
	var wrong []error
	seen := make(map[string]bool)
	for i, node := range list {
		place := fmt.Sprintf("rules[%d]", i)
		rule, err := decodeRule(node)
		if err == nil && seen[rule.Name] {
			err = iot.Invalid("name", "there is another rule %s in the file", iot.Quote(rule.Name))
		}
		if err != nil {
			wrong = append(wrong, inFile(err, node.Line, place))
			continue
		}
		seen[rule.Name] = true
		rules = append(rules, ruleInFile{rule, node.Line})
	}
	return rules, wrong
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

// decodeRule decodes one rule.
func decodeRule(n *yaml.Node) (iot.Rule, error) {
	var value any
	if err := n.Decode(&value); err != nil {
		return iot.Rule{}, err
	}
	text, err := json.Marshal(value)
	if err != nil {
		return iot.Rule{}, errors.New("has a key or a number that JSON cannot have")
	}
	var body NewRule
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil {
		if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
			// Fields of embedded structs come with the names of those.
			field := strings.NewReplacer("RuleBody.", "", "RuleScope.", "").Replace(wrong.Field)
			return iot.Rule{}, iot.Invalid(field, "must be a %s, not a %s", kindName(wrong.Type.Kind().String()), kindName(wrong.Value))
		}
		return iot.Rule{}, errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	if body.Condition.Kind == "" {
		return iot.Rule{}, iot.Invalid("kind", "missing")
	}
	rule, err := body.rule(body.Name)
	if err != nil {
		return rule, err
	}
	entry := iot.RuleEntry{Version: 1, Rule: rule}
	err = entry.Normalize()
	return entry.Rule, err
}

// kindName names a kind of Go, or of JSON, in the words of YAML.
func kindName(kind string) string {
	switch {
	case kind == "slice", kind == "array":
		return "list"
	case kind == "struct", kind == "object":
		return "map"
	case strings.HasPrefix(kind, "int"), strings.HasPrefix(kind, "float"), strings.HasPrefix(kind, "number"):
		return "number"
	}
	return kind
}

// inFile says where in a file a rule is wrong.
func inFile(err error, line int, place string) error {
	at := ruleFault(err)
	if at.field != "" {
		place += "." + at.field
	}
	return &fileError{line: line, place: place, reason: at.reason}
}
