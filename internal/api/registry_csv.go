package api

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/text/unicode/norm"

	"iotmon/internal/iot"
)

// csvMediaType is the type of exports and imports.
const csvMediaType = "text/csv"

// The columns of a table of registry entries. A label or limit either has a column of its own, with its name behind a prefix, or is in
// the cell of the column for all others, as a list; see formatList.
const (
	columnID       = "device_id"
	columnName     = "name"
	columnArea     = "area"
	columnUnit     = "unit"
	columnInterval = "interval_seconds"
	columnRetired  = "retired"
	columnParent   = "parent"
	columnVersion  = "version"
	columnLabels   = "labels"
	columnLimits   = "limits"
	prefixLabel    = "label."
	prefixLimit    = "limit."
)

func (s *server) registerImport(api huma.API) {
	if s.o.Registry == nil {
		return
	}
	huma.Register(api, huma.Operation{
		OperationID: "export-registry", Method: http.MethodGet, Path: Prefix + "/registry", Tags: []string{"Devices"},
		Summary: "Export the registry as CSV",
		Description: "One row for each device, registered or not, with the columns device_id, name, area, unit, interval_seconds, retired, parent, version, and one " +
			"column for each label (label.NAME) and limit (limit.RULE) that any device has. If there are more than 32 names of labels, the 32 of " +
			"most devices have columns, and all others are in the column labels, as name=value;name=value with a backslash before each ; = and \\ " +
			"in names and values; limits likewise. UTF-8 with a byte order mark, so that " +
			"spreadsheets read it. A text that begins like a formula has an apostrophe in front, which an import removes.",
		Errors: []int{http.StatusServiceUnavailable},
	}, s.exportRegistry)
	huma.Register(api, huma.Operation{
		OperationID: "import-registry", Method: http.MethodPost, Path: Prefix + "/registry", Tags: []string{"Devices"},
		Summary: "Change many registry entries by CSV",
		Description: "A table as the export writes it, separated by commas, semicolons or tabs. Only its columns change: an empty cell removes what the " +
			"column holds, a column that is not there leaves it. The columns labels and limits hold all that have no column of their own. " +
			"All rows are checked first, and none is applied if one has a mistake, or a version that the entry does not have by now and other " +
			"values than the entry. Then they are applied in their order, up to 1000 at a time, and other changes are made in between. If that ends early, " +
			"with 409 or 503, made says how many are applied, and the same request completes it. With dry_run nothing is applied; the answer is the same.",
		RequestBody:  &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{}},
		Responses:    map[string]*huma.Response{"202": {Description: "Decided, and not yet all in force."}},
		Errors:       []int{http.StatusBadRequest, http.StatusForbidden, http.StatusConflict, http.StatusPreconditionFailed, http.StatusTooManyRequests, http.StatusServiceUnavailable},
		MaxBodyBytes: maxImportBytes, SkipValidateBody: true,
	}, s.importRegistry)
	item := api.OpenAPI().Paths[Prefix+"/registry"]
	text := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	item.Get.Responses["200"].Content = map[string]*huma.MediaType{csvMediaType: text}
	item.Post.RequestBody.Content[csvMediaType] = text
}

const byteOrderMark = "\ufeff"

// fixedColumns are the columns that every exported table has.
var fixedColumns = []string{columnID, columnName, columnArea, columnUnit, columnInterval, columnRetired, columnParent, columnVersion}

// emptyLabel is the cell of a label whose value is empty. An empty cell is no label.
const emptyLabel = "'"

func formatNumber(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// guard puts an apostrophe before a text that a spreadsheet would take for a formula, or that begins with such apostrophes itself.
// unguard removes it.
func guard(text string) string {
	if formula(text) {
		return "'" + text
	}
	return text
}

func unguard(text string) string {
	if rest, ok := strings.CutPrefix(text, "'"); ok && (rest == "" || formula(rest)) {
		return rest
	}
	return text
}

// formula reports whether a spreadsheet may take a text for a formula, behind any apostrophes. Some take the wide signs of Chinese and
// Japanese keyboards as well.
func formula(text string) bool {
	rest := strings.TrimLeft(text, "'")
	first, _ := utf8.DecodeRuneInString(rest)
	return rest == "" && text != "" || rest != "" && strings.ContainsRune("=+-@\t\r＝＋－＠", first)
}

// formatList returns values by name as the text "name=value;name=value", in the order of the names. A backslash is before each semicolon,
// equals sign and backslash of a name or value. parseList is the inverse. An empty text is an empty list.
func formatList(values map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if b.Len() > 0 {
			b.WriteByte(';')
		}
		b.WriteString(escaper.Replace(name))
		b.WriteByte('=')
		b.WriteString(escaper.Replace(values[name]))
	}
	return b.String()
}

var escaper = strings.NewReplacer(`\`, `\\`, `;`, `\;`, `=`, `\=`)

// parseList parses what formatList returned, or what a person has written in that form, with spaces around names and values, with empty
// items, or with an equals sign in a value. The names are in Unicode's form NFC, as those of an entry are.
func parseList(text string) (map[string]string, error) {
	values := make(map[string]string)
	for {
		name, rest, err := cutEscaped(text, "=;")
		if err != nil {
			return nil, err
		}
		rest, named := strings.CutPrefix(rest, "=")
		name = norm.NFC.String(name)
		switch _, twice := values[name]; {
		case named && name == "", !named && name != "":
			return nil, fmt.Errorf("must be name=value;name=value (got %s)", iot.Quote(text))
		case twice:
			return nil, fmt.Errorf("%s is there twice", iot.Quote(name))
		case named:
			if values[name], rest, err = cutEscaped(rest, ";"); err != nil {
				return nil, err
			}
		}
		if rest == "" {
			return values, nil
		}
		text = rest[1:]
	}
}

// cutEscaped returns a text up to the first of the separators without a backslash before it, with its backslashes resolved and without
// spaces around it, and the rest, which begins with that separator.
func cutEscaped(text, separators string) (field, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case strings.IndexByte(separators, c) >= 0:
			return strings.TrimSpace(b.String()), text[i:], nil
		case c != '\\':
			b.WriteByte(c)
		case i+1 < len(text) && strings.IndexByte(`;=\`, text[i+1]) >= 0:
			i++
			b.WriteByte(text[i])
		default:
			return "", "", errors.New(`a backslash must be followed by ; = or \`)
		}
	}
	return strings.TrimSpace(b.String()), "", nil
}
