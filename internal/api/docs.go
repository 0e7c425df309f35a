package api

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed docs.html
var pageTemplate string

//go:embed docs.css
var pageStyle []byte

// page is what the documentation page shows of an OpenAPI document.
type page struct {
	Info    *huma.Info
	Groups  []group
	Schemas []schemaView
}

// group is the operations under one tag, by path.
type group struct {
	*huma.Tag
	Operations []operationView
}

type operationView struct {
	*huma.Operation
	Body      []contentView
	Responses []responseView
	Curl      string
}

type contentView struct {
	MediaType string
	Type      []typePart
}

type responseView struct {
	Status, Description string
	Content             []contentView
}

type schemaView struct {
	Name       string
	Properties []propertyView
}

type propertyView struct {
	Name     string
	Type     []typePart
	Required bool
	*huma.Schema
}

// typePart is a piece of a type's name; one with Ref links to the schema of that name.
type typePart struct{ Text, Ref string }

// renderPage returns the documentation page of the document, with examples that call baseURL.
func renderPage(document *huma.OpenAPI, baseURL string) ([]byte, error) {
	parsed, err := template.New("docs").Funcs(template.FuncMap{"type": typeOf, "limits": limits}).Parse(pageTemplate)
	if err != nil {
		return nil, err
	}
	view := page{Info: document.Info, Schemas: schemaViews(document)}
	for _, tag := range document.Tags {
		if operations := operationsOf(document, tag.Name, baseURL); len(operations) > 0 {
			view.Groups = append(view.Groups, group{tag, operations})
		}
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, view); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func operationsOf(document *huma.OpenAPI, tag, baseURL string) []operationView {
	var views []operationView
	for _, path := range slices.Sorted(maps.Keys(document.Paths)) {
		item := document.Paths[path]
		for _, op := range []*huma.Operation{item.Get, item.Post} {
			if op != nil && slices.Contains(op.Tags, tag) {
				views = append(views, viewOperation(op, baseURL))
			}
		}
	}
	return views
}

func viewOperation(op *huma.Operation, baseURL string) operationView {
	view := operationView{Operation: op, Curl: curl(op, baseURL)}
	if op.RequestBody != nil {
		view.Body = viewContent(op.RequestBody.Content)
	}
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		response := op.Responses[status]
		view.Responses = append(view.Responses, responseView{status, response.Description, viewContent(response.Content)})
	}
	return view
}

func viewContent(content map[string]*huma.MediaType) []contentView {
	var views []contentView
	for _, mediaType := range slices.Sorted(maps.Keys(content)) {
		views = append(views, contentView{mediaType, typeOf(content[mediaType].Schema)})
	}
	return views
}

func schemaViews(document *huma.OpenAPI) []schemaView {
	var views []schemaView
	schemas := document.Components.Schemas.Map()
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		view := schemaView{Name: name}
		for _, property := range slices.Sorted(maps.Keys(schemas[name].Properties)) {
			schema := schemas[name].Properties[property]
			required := slices.Contains(schemas[name].Required, property)
			view.Properties = append(view.Properties, propertyView{property, typeOf(schema), required, schema})
		}
		views = append(views, view)
	}
	return views
}

// typeOf names a schema's type in words, with links to the schemas it refers to.
func typeOf(schema *huma.Schema) []typePart {
	if schema == nil {
		return nil
	}
	if name, ok := strings.CutPrefix(schema.Ref, "#/components/schemas/"); ok {
		return []typePart{{name, name}}
	}
	var parts []typePart
	switch {
	case len(schema.OneOf) > 0:
		for i, one := range schema.OneOf {
			if i > 0 {
				parts = append(parts, typePart{Text: " or "})
			}
			parts = append(parts, typeOf(one)...)
		}
	case schema.Type == huma.TypeArray:
		parts = append([]typePart{{Text: "array of "}}, typeOf(schema.Items)...)
	case schema.Type == huma.TypeObject:
		parts = []typePart{{Text: "object"}}
		if values, ok := schema.AdditionalProperties.(*huma.Schema); ok {
			parts = append([]typePart{{Text: "map of "}}, typeOf(values)...)
		}
	case schema.Format == "date-time":
		parts = []typePart{{Text: "time"}}
	case schema.Type == "":
		parts = []typePart{{Text: "any"}}
	default:
		parts = []typePart{{Text: schema.Type}}
	}
	if schema.Nullable {
		parts = append(parts, typePart{Text: " or null"})
	}
	return parts
}

// limits tells what a schema allows and what it is when absent, in words.
func limits(schema *huma.Schema) string {
	var words []string
	if len(schema.Enum) > 0 {
		values := make([]string, len(schema.Enum))
		for i, value := range schema.Enum {
			values[i] = fmt.Sprint(value)
		}
		words = append(words, strings.Join(values, " | "))
	}
	switch {
	case schema.Minimum != nil && schema.Maximum != nil:
		words = append(words, fmt.Sprintf("%v to %v", *schema.Minimum, *schema.Maximum))
	case schema.MaxLength != nil:
		words = append(words, fmt.Sprintf("at most %d characters", *schema.MaxLength))
	}
	if schema.Default != nil {
		words = append(words, fmt.Sprintf("default %v", schema.Default))
	}
	return strings.Join(words, "; ")
}

// curl returns a command that calls the operation with the examples of its parameters, or the operation's own sample.
func curl(op *huma.Operation, baseURL string) string {
	if samples, ok := op.Extensions["x-codeSamples"].([]map[string]string); ok && len(samples) > 0 {
		return strings.ReplaceAll(samples[0]["source"], defaultBaseURL, baseURL)
	}
	path := op.Path
	var query []string
	for _, param := range op.Parameters {
		if param.Schema == nil || len(param.Schema.Examples) == 0 {
			continue
		}
		example := fmt.Sprint(param.Schema.Examples[0])
		if param.In == "path" {
			path = strings.ReplaceAll(path, "{"+param.Name+"}", url.PathEscape(example))
		} else {
			query = append(query, param.Name+"="+url.QueryEscape(example))
		}
	}
	if len(query) > 0 {
		path += "?" + strings.Join(query, "&")
	}
	return "curl '" + baseURL + path + "'"
}
