package api

import (
	"bytes"
	_ "embed"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	g "maragu.dev/gomponents"
	"maragu.dev/gomponents/html"
)

//go:embed docs.css
var pageStyle []byte

// typePart is a piece of a type's name; one with Ref links to the schema of that name.
type typePart struct{ Text, Ref string }

// group is the operations under one tag, by path.
type group struct {
	*huma.Tag
	operations []*huma.Operation
}

// renderPage returns the documentation page of the document, with examples that call baseURL. It is put together by
// functions: a template would call methods by their names, and for that the linker would keep every method of every library
// in the program, a fifth of its size.
func renderPage(document *huma.OpenAPI, baseURL string) ([]byte, error) {
	var groups []group
	for _, tag := range document.Tags {
		if operations := operationsOf(document, tag.Name); len(operations) > 0 {
			groups = append(groups, group{tag, operations})
		}
	}
	schemas := document.Components.Schemas.Map()
	names := slices.Sorted(maps.Keys(schemas))
	title := document.Info.Title
	page := html.Doctype(html.HTML(html.Lang("en"),
		html.Head(
			html.Meta(html.Charset("utf-8")),
			html.Meta(html.Name("viewport"), html.Content("width=device-width, initial-scale=1")),
			html.TitleEl(g.Text(title+" REST API "+document.Info.Version)),
			html.Link(html.Rel("stylesheet"), html.Href("docs/style.css")),
		),
		html.Body(
			html.Header(
				html.H1(g.Text(title+" "), html.Small(g.Text("REST API "+document.Info.Version))),
				html.P(g.Text(document.Info.Description)),
				html.P(link("/api/v1/openapi.json", "OpenAPI 3.1 as JSON"), g.Text(" · "), link("/api/v1/openapi.yaml", "as YAML"), g.Text(" · "),
					link("/", "Dashboard")),
			),
			contents(groups, names),
			html.Main(
				g.Map(groups, func(gr group) g.Node { return gr.section(baseURL) }),
				html.Section(html.ID("schemas"), html.H2(g.Text("Schemas")),
					g.Map(names, func(name string) g.Node { return schemaArticle(name, schemas[name]) })),
			),
		),
	))
	var out bytes.Buffer
	if err := page.Render(&out); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func link(to, text string) g.Node { return html.A(html.Href(to), g.Text(text)) }

func code(text string) g.Node { return html.Code(g.Text(text)) }

func contents(groups []group, schemas []string) g.Node {
	return html.Nav(html.Aria("label", "Contents"),
		g.Map(groups, func(gr group) g.Node {
			return g.Group{html.H2(link("#group-"+gr.Name, gr.Name)), html.Ul(g.Map(gr.operations, func(op *huma.Operation) g.Node {
				return html.Li(link("#"+op.OperationID, op.Summary))
			}))}
		}),
		html.H2(link("#schemas", "Schemas")),
		html.Ul(g.Map(schemas, func(name string) g.Node { return html.Li(link("#schema-"+name, name)) })),
	)
}

func (gr *group) section(baseURL string) g.Node {
	return html.Section(html.ID("group-"+gr.Name), html.H2(g.Text(gr.Name)), html.P(g.Text(gr.Description)),
		g.Map(gr.operations, func(op *huma.Operation) g.Node { return operationArticle(op, baseURL) }))
}

func operationArticle(op *huma.Operation, baseURL string) g.Node {
	return html.Article(html.ID(op.OperationID),
		html.H3(html.Span(html.Class("method "+op.Method), g.Text(op.Method)), g.Text(" "), code(op.Path)),
		html.P(html.Strong(g.Text(op.Summary+".")), g.Text(" "+op.Description)),
		g.If(len(op.Parameters) > 0, g.Group{html.H4(g.Text("Parameters")), parameters(op.Parameters)}),
		g.Iff(op.RequestBody != nil, func() g.Node {
			return g.Group{html.H4(g.Text("Body")), html.Ul(g.Map(contentOf(op.RequestBody.Content), func(n g.Node) g.Node { return html.Li(n) }))}
		}),
		html.H4(g.Text("Responses")),
		responses(op.Responses),
		html.H4(g.Text("Example")),
		html.Pre(html.TabIndex("0"), code(curl(op, baseURL))),
	)
}

func parameters(list []*huma.Param) g.Node {
	return table([]string{"name", "in", "type", "meaning"}, g.Map(list, func(p *huma.Param) g.Node {
		return html.Tr(html.Td(code(p.Name), mark(p.Required, "required")), html.Td(g.Text(p.In)), html.Td(typeNodes(p.Schema)),
			html.Td(g.Text(p.Description), limitsNode(p.Schema)))
	}))
}

func responses(byStatus map[string]*huma.Response) g.Node {
	statuses := slices.Sorted(maps.Keys(byStatus))
	return table([]string{"status", "meaning", "body"}, g.Map(statuses, func(status string) g.Node {
		response := byStatus[status]
		return html.Tr(html.Td(code(status)), html.Td(g.Text(response.Description)), html.Td(contentOf(response.Content)))
	}))
}

func schemaArticle(name string, schema *huma.Schema) g.Node {
	properties := slices.Sorted(maps.Keys(schema.Properties))
	return html.Article(html.ID("schema-"+name), html.H3(g.Text(name)),
		table([]string{"property", "type", "meaning"}, g.Map(properties, func(property string) g.Node {
			of := schema.Properties[property]
			return html.Tr(html.Td(code(property), mark(slices.Contains(schema.Required, property), "always")), html.Td(typeNodes(of)),
				html.Td(g.Text(of.Description), limitsNode(of)))
		})))
}

func table(heads []string, rows g.Node) g.Node {
	return html.Div(html.Class("scroll"), html.Table(
		html.THead(html.Tr(g.Map(heads, func(head string) g.Node { return html.Th(g.Text(head)) }))),
		html.TBody(rows),
	))
}

// mark says of something that a condition holds.
func mark(holds bool, word string) g.Node {
	return g.If(holds, g.Group{g.Text(" "), html.Em(g.Text(word))})
}

func limitsNode(schema *huma.Schema) g.Node {
	text := limits(schema)
	return g.If(text != "", g.Group{g.Text(" "), html.Span(html.Class("limits"), g.Text(text))})
}

// contentOf returns the media types of a body, each with its type.
func contentOf(content map[string]*huma.MediaType) g.Group {
	var nodes g.Group
	for _, mediaType := range slices.Sorted(maps.Keys(content)) {
		nodes = append(nodes, g.Group{code(mediaType), g.Text(": "), typeNodes(content[mediaType].Schema)})
	}
	return nodes
}

func typeNodes(schema *huma.Schema) g.Node {
	return g.Map(typeOf(schema), func(part typePart) g.Node {
		if part.Ref != "" {
			return link("#schema-"+part.Ref, part.Text)
		}
		return g.Text(part.Text)
	})
}

func operationsOf(document *huma.OpenAPI, tag string) []*huma.Operation {
	var operations []*huma.Operation
	for _, path := range slices.Sorted(maps.Keys(document.Paths)) {
		item := document.Paths[path]
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Delete} {
			if op != nil && slices.Contains(op.Tags, tag) {
				operations = append(operations, op)
			}
		}
	}
	return operations
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
