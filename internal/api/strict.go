package api

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"iotmon/internal/spelling"
)

// The names of keys are those of the document, in its case. Otherwise the library would check one of "name" and "NAME", and package encoding/json
// would take the one that comes last.
func init() { huma.ValidateStrictCasing = true }

const (
	// maxUnknownKeys is how many unknown keys of one body a problem lists.
	maxUnknownKeys = 20
	// unknownKey is what is wrong with a key that a schema does not have.
	unknownKey = "unknown key"
	// mark begins what shield writes instead of a character; it is of the private use area.
	mark = "\uE000"
)

// shielded replaces what the library takes for parts of a path, and bare takes that back.
var (
	shielded = strings.NewReplacer(mark, mark+"0", ".", mark+"1", "[", mark+"2")
	bare     = strings.NewReplacer(mark+"0", mark, mark+"1", ".", mark+"2", "[")
)

// unmarshal decodes JSON. Of a value without a type, which the library decodes to check it against the schema, the keys are shielded: behind a key with
// a dot or a bracket the library's path of all that follows is wrong, and longer with each such key, so that the paths of a body of 1 MiB would take 12 GiB.
func unmarshal(data []byte, into any) error {
	if err := json.Unmarshal(data, into); err != nil {
		return err
	}
	if value, ok := into.(*any); ok {
		shield(*value)
	}
	return nil
}

func shield(value any) {
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			shield(item)
		}
	case map[string]any:
		var odd []string
		for key, item := range value {
			shield(item)
			if strings.ContainsAny(key, ".["+mark) {
				odd = append(odd, key)
			}
		}
		for _, key := range odd {
			item := value[key]
			delete(value, key)
			value[shielded.Replace(key)] = item
		}
	}
}

// refuseUnknownKeys makes every operation that is registered so far refuse a JSON body with a key that it does not know, at any depth: a misspelt key must
// not be ignored, because the answer would say that what the person wanted is done. Schemas that leave their keys open on purpose, such as that of a
// merge patch, list none and stay as they are.
func refuseUnknownKeys(document *huma.OpenAPI) {
	for _, path := range document.Paths {
		for _, op := range []*huma.Operation{path.Post, path.Put, path.Patch, path.Delete} {
			if schema := jsonBody(op); schema != nil {
				closeKeys(document.Components.Schemas, schema)
			}
		}
	}
}

// jsonBody returns the schema of the JSON that an operation takes; nil if it takes none.
func jsonBody(op *huma.Operation) *huma.Schema {
	if op == nil || op.RequestBody == nil || op.RequestBody.Content[jsonMediaType] == nil {
		return nil
	}
	return op.RequestBody.Content[jsonMediaType].Schema
}

// closeKeys makes a schema, and those within it, allow no other keys than they list.
func closeKeys(registry huma.Registry, schema *huma.Schema) {
	seen := make(map[*huma.Schema]bool)
	var within func(*huma.Schema)
	within = func(schema *huma.Schema) {
		if schema == nil || seen[schema] {
			return
		}
		seen[schema] = true
		if schema.Ref != "" {
			within(registry.SchemaFromRef(schema.Ref))
			return
		}
		if schema.Type == huma.TypeObject && len(schema.Properties) > 0 {
			schema.AdditionalProperties = false
		}
		for _, property := range schema.Properties {
			within(property)
		}
		within(schema.Items)
		if values, ok := schema.AdditionalProperties.(*huma.Schema); ok {
			within(values)
		}
	}
	within(schema)
}

// plainly changes what the library says to what people can read: locations with the keys as they were written, and unknown keys with the one that was
// probably meant, the first maxUnknownKeys in the order of their locations. Locations begin with the prefix, which is that of the schema.
func plainly(registry huma.Registry, schema *huma.Schema, prefix string, details []*huma.ErrorDetail) []*huma.ErrorDetail {
	var kept, unknown []*huma.ErrorDetail
	for _, detail := range details {
		if detail.Message == validation.MsgUnexpectedProperty {
			unknown = append(unknown, detail)
		} else {
			kept = append(kept, detail)
		}
	}
	// The library finds them in no order.
	slices.SortFunc(unknown, func(a, b *huma.ErrorDetail) int { return cmp.Compare(a.Location, b.Location) })
	more := len(unknown) - maxUnknownKeys
	unknown = unknown[:min(len(unknown), maxUnknownKeys)]
	for _, detail := range unknown {
		key, known := knownKeys(registry, schema, strings.TrimPrefix(detail.Location, prefix))
		detail.Message, detail.Value = unknownKey+spelling.Suggest(bare.Replace(key), known), nil
	}
	if more > 0 {
		unknown[maxUnknownKeys-1].Message += fmt.Sprintf(" (and %d more)", more)
	}
	kept = append(kept, unknown...)
	for _, detail := range kept {
		detail.Location = shortened(bare.Replace(detail.Location))
	}
	return kept
}

// knownKeys follows a path, such as .routes[0].labls, as far as the schema knows it. It returns the key that the schema does not know, and those that
// it knows in its place.
func knownKeys(registry huma.Registry, schema *huma.Schema, path string) (key string, known []string) {
	for schema != nil {
		if schema.Ref != "" {
			schema = registry.SchemaFromRef(schema.Ref)
			continue
		}
		if schema.Type == huma.TypeArray {
			_, path, _ = strings.Cut(path, "]")
			schema = schema.Items
			continue
		}
		path = strings.TrimPrefix(path, ".")
		end := strings.IndexAny(path+".", ".[")
		property := schema.Properties[path[:end]]
		if values, ok := schema.AdditionalProperties.(*huma.Schema); ok && property == nil {
			property = values
		}
		if property == nil {
			return path, slices.Sorted(maps.Keys(schema.Properties))
		}
		schema, path = property, path[end:]
	}
	return path, nil
}

// checkBody checks JSON without a type against a schema. Locations begin with the prefix.
func checkBody(registry huma.Registry, schema *huma.Schema, prefix string, value any) []*huma.ErrorDetail {
	var result huma.ValidateResult
	huma.Validate(registry, schema, huma.NewPathBuffer([]byte(prefix), len(prefix)), huma.ModeWriteToServer, value, &result)
	details := make([]*huma.ErrorDetail, 0, len(result.Errors))
	for _, err := range result.Errors {
		detail := (*huma.ErrorDetail)(nil)
		if !errors.As(err, &detail) {
			detail = &huma.ErrorDetail{Message: err.Error()}
		}
		details = append(details, detail)
	}
	return plainly(registry, schema, prefix, details)
}

// decodeBody decodes the JSON of a request whose body the library does not check. The error is a problem that says where the body is not as the operation's
// schema; bounds of the schema are left to the caller, who has better words for them.
func (s *server) decodeBody(text []byte, op *huma.Operation, into any) error {
	var details []*huma.ErrorDetail
	wrong := decodeStrictly(text, into)
	var value any
	if unmarshal(text, &value) == nil {
		details = checkBody(s.document.Components.Schemas, jsonBody(op), "body", value)
	}
	_, object := value.(map[string]any)
	switch {
	case wrong == nil && object: // But package encoding/json takes NAME for name.
		details = slices.DeleteFunc(details, func(d *huma.ErrorDetail) bool { return !strings.HasPrefix(d.Message, unknownKey) })
	case wrong != nil && len(details) == 0:
		details = []*huma.ErrorDetail{{Location: "body", Message: "must be one JSON object: " + strings.TrimPrefix(wrong.Error(), "json: ")}}
	}
	if len(details) == 0 {
		return nil
	}
	errs := make([]error, len(details))
	for i := range details {
		errs[i] = details[i]
	}
	return huma.Error422UnprocessableEntity("validation failed", errs...)
}
