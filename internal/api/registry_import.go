package api

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/control"
	"iotmon/internal/iot"
)

const (
	// maxImportRows and maxImportBytes bound one import.
	maxImportRows  = 100_000
	maxImportBytes = 32 << 20
	// maxImportCells bounds rows times columns: each cell takes 16 bytes of memory, even an empty one.
	maxImportCells = 8_000_000
	// maxRowBytes bounds one row: a row of 32 MB of commas would take 3 GB of memory for its cells.
	maxRowBytes = 256 << 10
	// importsAtOnce is the maximum number of imports at the same time: one takes up to 500 MB of memory.
	importsAtOnce = 1
	// maxImportItems is the maximum number of mistakes that an answer lists.
	maxImportItems = 1000
)

type importInput struct {
	Why
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
		edits: edits, by: in.by("import"), dryRun: in.DryRun, advice: "export again, or leave the column " + columnVersion + " out",
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

// mistakes are what is wrong with a table.
type mistakes struct {
	count int
	// first has the first maxImportItems of them: there may be millions.
	first []error
}

// add adds a mistake of a cell.
func (m *mistakes) add(err error, line int, column, cell string) {
	if m.count++; m.count > maxImportItems {
		return
	}
	message := err.Error()
	var invalid *iot.InvalidError
	if errors.As(err, &invalid) {
		message = invalid.Reason
	}
	m.first = append(m.first, &huma.ErrorDetail{Message: message, Location: fmt.Sprintf("line %d, column %s", line, column), Value: iot.Quote(cell)})
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
	var wrong mistakes
	for {
		source.left = maxRowBytes
		cells, err := table.Read()
		if err == io.EOF {
			break
		}
		if err == nil && (len(edits) == maxImportRows || (len(edits)+1)*len(cells) > maxImportCells) {
			return nil, huma.Error422UnprocessableEntity(fmt.Sprintf("more than %d rows or %d cells: import them in parts", maxImportRows, maxImportCells))
		}
		if err != nil {
			wrong.count++
			wrong.first = append(wrong.first, &huma.ErrorDetail{Message: err.Error(), Location: "body"})
			break // It is not known where the next field begins.
		}
		line, _ := table.FieldPos(0)
		edits = append(edits, columns.edit(cells, line, &wrong))
	}
	if wrong.count > 0 {
		return nil, huma.Error422UnprocessableEntity("nothing is imported, because the table has "+mistakesWords(wrong.count), wrong.first...)
	}
	return edits, nil
}

// separator returns the character that separates the columns: the one by which the first line has the column that each table must have. A
// name in quotes may contain any of them.
func separator(text []byte) rune {
	line := text[:min(len(text), maxRowBytes)]
	best, most := ',', 0
	for _, candidate := range []rune{',', ';', '\t'} {
		table := csv.NewReader(bytes.NewReader(line))
		table.Comma = candidate
		header, _ := table.Read()
		if slices.ContainsFunc(header, func(name string) bool { return strings.TrimSpace(name) == columnID }) {
			return candidate
		}
		if len(header) > most { // For the message that the column is missing.
			best, most = candidate, len(header)
		}
	}
	return best
}
