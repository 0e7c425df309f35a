package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/text/unicode/norm"

	"iotmon/internal/control"
	"iotmon/internal/iot"
)

const (
	// maxImportRows and maxImportBytes bound one import.
	maxImportRows  = 100_000
	maxImportBytes = 32 << 20
	// maxRowBytes bounds one row: a row of 32 MB of commas would take 3 GB of memory for its cells.
	maxRowBytes = 256 << 10
	// importsAtOnce is the maximum number of imports at the same time: one takes up to 500 MB of memory.
	importsAtOnce = 1
	// maxImportItems is the maximum number of mistakes that an answer lists.
	maxImportItems = 1000
	// csvMediaType is the type of exports and imports.
	csvMediaType = "text/csv"
)

// The columns of a table of registry entries. Those of labels and limits have the name behind a prefix.
const (
	columnID       = "device_id"
	columnName     = "name"
	columnArea     = "area"
	columnUnit     = "unit"
	columnInterval = "interval_seconds"
	columnRetired  = "retired"
	columnVersion  = "version"
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
		Description: "One row for each device, registered or not, with the columns device_id, name, area, unit, interval_seconds, retired, version, and one " +
			"column for each label (label.NAME) and limit (limit.RULE) that any device has. UTF-8 with a byte order mark, so that " +
			"spreadsheets read it. A text that begins like a formula has an apostrophe in front, which an import removes.",
		Errors: []int{http.StatusServiceUnavailable},
	}, s.exportRegistry)
	huma.Register(api, huma.Operation{
		OperationID: "import-registry", Method: http.MethodPost, Path: Prefix + "/registry", Tags: []string{"Devices"},
		Summary: "Change many registry entries by CSV",
		Description: "A table as the export writes it, separated by commas, semicolons or tabs. Only its columns change: an empty cell removes what the " +
			"column holds, a column that is not there leaves it. A row with a version is refused if the entry has another by now. All rows are " +
			"made, or none. With dry_run nothing is made; the answer is the same.",
		RequestBody:  &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{}},
		Responses:    map[string]*huma.Response{"202": {Description: "Decided, and not yet all in force."}},
		Errors:       []int{http.StatusBadRequest, http.StatusForbidden, http.StatusPreconditionFailed, http.StatusTooManyRequests, http.StatusServiceUnavailable},
		MaxBodyBytes: maxImportBytes, SkipValidateBody: true,
	}, s.importRegistry)
	item := api.OpenAPI().Paths[Prefix+"/registry"]
	text := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	item.Get.Responses["200"].Content = map[string]*huma.MediaType{csvMediaType: text}
	item.Post.RequestBody.Content[csvMediaType] = text
}

// csvAnswer is a file.
type csvAnswer struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Body        []byte
}

func (s *server) exportRegistry(ctx context.Context, _ *struct{}) (*csvAnswer, error) {
	release, err := s.admitScan(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	all := s.neverSent()
	s.o.Fleet.Scan("", false, func(state *iot.DeviceState) bool {
		d := s.listed(state)
		all = append(all, exported{d.id, cmp.Or(d.entry, new(iot.DeviceEntry))})
		return true
	})
	slices.SortFunc(all, func(a, b exported) int { return cmp.Compare(a.id, b.id) })
	text, err := writeTable(all)
	if err != nil {
		return nil, err
	}
	return &csvAnswer{ContentType: csvMediaType + "; charset=utf-8", Disposition: `attachment; filename="devices.csv"`, Body: text}, nil
}

const byteOrderMark = "\ufeff"

// fixedColumns returns the columns that every table has.
func fixedColumns() []string {
	return []string{columnID, columnName, columnArea, columnUnit, columnInterval, columnRetired, columnVersion}
}

// writeTable returns entries as CSV.
func writeTable(rows []exported) ([]byte, error) {
	labels, limits := make(map[string]bool), make(map[string]bool)
	for i := range rows {
		for name := range rows[i].entry.Labels {
			labels[name] = true
		}
		for name := range rows[i].entry.Limits {
			limits[name] = true
		}
	}
	labelNames, limitNames := slices.Sorted(maps.Keys(labels)), slices.Sorted(maps.Keys(limits))
	header := fixedColumns()
	for _, name := range labelNames {
		header = append(header, prefixLabel+name)
	}
	for _, name := range limitNames {
		header = append(header, prefixLimit+name)
	}
	out := bytes.NewBufferString(byteOrderMark)
	table := csv.NewWriter(out)
	table.UseCRLF = true
	if err := table.Write(header); err != nil {
		return nil, err
	}
	for i := range rows {
		if err := table.Write(rows[i].cells(labelNames, limitNames)); err != nil {
			return nil, err
		}
	}
	table.Flush()
	return out.Bytes(), table.Error()
}

func (r *exported) cells(labels, limits []string) []string {
	e := r.entry
	cells := []string{guard(string(r.id)), guard(e.Name), guard(string(e.Area)), guard(e.Unit), "", "", ""}
	if e.Interval != 0 {
		cells[4] = formatNumber(e.Interval.Seconds())
	}
	if e.Retired {
		cells[5] = "true"
	}
	if e.Version != 0 {
		cells[6] = strconv.FormatInt(e.Version, 10)
	}
	for _, name := range labels {
		label, has := e.Labels[name]
		cell := guard(label)
		if has && cell == "" {
			cell = emptyLabel
		}
		cells = append(cells, cell)
	}
	for _, name := range limits {
		cell := ""
		if limit, has := e.Limits[name]; has {
			cell = formatNumber(limit)
		}
		cells = append(cells, cell)
	}
	return cells
}

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

func formula(text string) bool {
	rest := strings.TrimLeft(text, "'")
	return rest == "" && text != "" || rest != "" && strings.ContainsRune("=+-@\t\r", rune(rest[0]))
}

type importInput struct {
	DryRun  bool   `query:"dry_run" doc:"Answer with what would change, and change nothing."`
	RawBody []byte `contentType:"text/csv"`
}

// imported is what an import does.
type imported struct {
	DryRun bool `json:"dry_run"`
	Rows   int  `json:"rows" doc:"The rows of the table."`
	ManyChanged
}

type importAnswer struct {
	Status int
	Body   imported
}

func (s *server) importRegistry(ctx context.Context, in *importInput) (*importAnswer, error) {
	select {
	case s.importing <- struct{}{}:
		defer func() { <-s.importing }()
	default:
		return nil, retryLater(huma.Error429TooManyRequests("another table is being imported at this moment"), "5")
	}
	edits, err := readTable(in.RawBody)
	if err != nil {
		return nil, err
	}
	for i := range edits {
		edits[i].To = s.checked(edits[i].Device.ID, edits[i].To)
	}
	out := &importAnswer{Body: imported{DryRun: in.DryRun, Rows: len(edits)}}
	out.Status, out.Body.ManyChanged, err = s.decideMany(ctx, many{
		edits: edits, action: "import", dryRun: in.DryRun, advice: "export again, or leave the column " + columnVersion + " out",
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// rowReader reads a text, and fails where a row is too long.
type rowReader struct {
	text []byte
	// left is how many bytes may still be read. It is set before each row.
	left int
}

var errLongRow = fmt.Errorf("a row is longer than %d bytes", maxRowBytes)

// Read implements io.Reader.
func (r *rowReader) Read(p []byte) (int, error) {
	switch {
	case len(r.text) == 0:
		return 0, io.EOF
	case r.left == 0:
		return 0, errLongRow
	}
	n := copy(p, r.text[:min(r.left, len(r.text))])
	r.text, r.left = r.text[n:], r.left-n
	return n, nil
}

// readTable returns an edit for each row of a table. The error is a problem with the line and column of each mistake.
func readTable(text []byte) ([]control.Edit, error) {
	text = bytes.TrimPrefix(text, []byte(byteOrderMark))
	source := &rowReader{text: text, left: maxRowBytes}
	table := csv.NewReader(source)
	table.Comma = separator(text)
	header, err := table.Read()
	if err != nil {
		return nil, huma.Error422UnprocessableEntity(fmt.Sprintf("no table: the first line must name the columns: %v", err))
	}
	columns, err := readHeader(header)
	if err != nil {
		return nil, huma.Error422UnprocessableEntity(err.Error())
	}
	var edits []control.Edit
	var mistakes []error
	for {
		source.left = maxRowBytes
		cells, err := table.Read()
		if err == io.EOF {
			break
		}
		if err == nil && len(edits) == maxImportRows {
			return nil, huma.Error422UnprocessableEntity(fmt.Sprintf("more than %d rows: import them in parts", maxImportRows))
		}
		if err != nil {
			mistakes = append(mistakes, &huma.ErrorDetail{Message: err.Error(), Location: "body"})
			break // It is not known where the next field begins.
		}
		line, _ := table.FieldPos(0)
		edit, wrong := columns.edit(slices.Clone(cells), line)
		mistakes = append(mistakes, wrong...)
		edits = append(edits, edit)
	}
	if len(mistakes) > 0 {
		return nil, huma.Error422UnprocessableEntity(fmt.Sprintf("nothing is imported, because the table has %d mistakes", len(mistakes)),
			mistakes[:min(len(mistakes), maxImportItems)]...)
	}
	return edits, nil
}

// separator returns the character that separates the names in the first line.
func separator(text []byte) rune {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	best, most := ',', bytes.Count(line, []byte(","))
	for _, other := range []rune{';', '\t'} {
		if n := bytes.Count(line, []byte(string(other))); n > most {
			best, most = other, n
		}
	}
	return best
}

// columns are the names of the columns of a table.
type columns []string

func readHeader(header []string) (columns, error) {
	seen := make(map[string]bool, len(header))
	for i, name := range header {
		name = norm.NFC.String(strings.TrimSpace(name)) // As the names of an entry are.
		header[i] = name
		known := slices.Contains(fixedColumns(), name)
		label, isLabel := strings.CutPrefix(name, prefixLabel)
		limit, isLimit := strings.CutPrefix(name, prefixLimit)
		switch {
		case seen[name]:
			return nil, fmt.Errorf("column %s is there twice", iot.Quote(name))
		case !known && !(isLabel && label != "") && !(isLimit && limit != ""):
			return nil, fmt.Errorf("unknown column %s (allowed: %s, %sNAME, %sRULE)", iot.Quote(name), strings.Join(fixedColumns(), ", "),
				prefixLabel, prefixLimit)
		}
		seen[name] = true
	}
	if !seen[columnID] {
		return nil, fmt.Errorf("column %s is missing", columnID)
	}
	return slices.Clone(header), nil
}

// edit returns the edit that a row is, or what is wrong with it.
func (c columns) edit(cells []string, line int) (control.Edit, []error) {
	edit := control.Edit{To: func(e iot.DeviceEntry) (iot.DeviceEntry, error) {
		e.Labels, e.Limits = maps.Clone(e.Labels), maps.Clone(e.Limits)
		for i, column := range c {
			if err := set(&e, column, cells[i]); err != nil {
				return e, err
			}
		}
		return e, nil
	}}
	var mistakes []error
	for i, column := range c {
		cell := cells[i]
		var err error
		switch column {
		case columnID:
			edit.Device.ID = iot.DeviceID(unguard(cell))
			err = edit.Device.Normalize()
		case columnVersion:
			edit.If, err = versionCondition(cell)
		}
		if err != nil {
			mistakes = append(mistakes, mistake(line, column, cell, err))
		}
	}
	// Each value is checked by itself, so that all mistakes are found.
	for i, column := range c {
		entry := iot.DeviceEntry{Version: 1}
		err := set(&entry, column, cells[i])
		if err == nil {
			err = entry.Normalize()
		}
		if err != nil {
			mistakes = append(mistakes, mistake(line, column, cells[i], err))
		}
	}
	return edit, mistakes
}

func mistake(line int, column, cell string, err error) error {
	message := err.Error()
	var invalid *iot.InvalidError
	if errors.As(err, &invalid) {
		message = invalid.Reason
	}
	return &huma.ErrorDetail{Message: message, Location: fmt.Sprintf("line %d, column %s", line, column), Value: iot.Quote(cell)}
}

func versionCondition(cell string) (control.Condition, error) {
	if cell = strings.TrimSpace(cell); cell == "" {
		return control.Condition{}, nil
	}
	version, err := strconv.ParseInt(cell, 10, 64)
	if err != nil || version < 0 {
		return control.Condition{}, errors.New("must be a version, or empty")
	}
	return control.Condition{Versions: []int64{version}}, nil
}

// set sets what a column holds.
func set(e *iot.DeviceEntry, column, cell string) error {
	text := unguard(cell)
	cell = strings.TrimSpace(cell)
	switch column {
	case columnID, columnVersion:
		return nil
	case columnName:
		e.Name = text
		return nil
	case columnArea:
		e.Area = iot.Area(text).Canonical()
		return nil
	case columnUnit:
		e.Unit = text
		return nil
	case columnRetired:
		retired, err := parseRetired(cell)
		e.Retired = retired
		return err
	case columnInterval:
		seconds, err := parseNumber(cell)
		if err == nil && seconds > iot.MaxInterval.Seconds() {
			err = fmt.Errorf("must be at most %v", iot.MaxInterval.Seconds())
		}
		if err == nil {
			e.Interval = time.Duration(math.Round(seconds*1e6)) * time.Microsecond
		}
		return err
	}
	if label, ok := strings.CutPrefix(column, prefixLabel); ok {
		put(&e.Labels, label, text, cell == "")
		return nil
	}
	limit, err := parseNumber(cell)
	if err != nil {
		return err
	}
	put(&e.Limits, strings.TrimPrefix(column, prefixLimit), limit, cell == "")
	return nil
}

// put sets a key of a map, which may be nil, or removes it.
func put[V any](m *map[string]V, key string, value V, remove bool) {
	if remove {
		delete(*m, key)
		return
	}
	if *m == nil {
		*m = make(map[string]V)
	}
	(*m)[key] = value
}

func parseRetired(cell string) (bool, error) {
	switch strings.ToLower(cell) {
	case "", "false", "no", "0", "否":
		return false, nil
	case "true", "yes", "1", "是":
		return true, nil
	}
	return false, errors.New("must be true, false or empty")
}

// parseNumber parses a number; an empty cell is 0.
func parseNumber(cell string) (float64, error) {
	if cell == "" {
		return 0, nil
	}
	number, err := strconv.ParseFloat(cell, 64)
	if err != nil || math.IsNaN(number) || math.IsInf(number, 0) {
		return 0, errors.New("must be a number with a decimal point, or empty")
	}
	return number, nil
}
