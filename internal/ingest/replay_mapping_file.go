package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"
	// A gateway may have no zone files of its own.
	_ "time/tzdata"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"iotmon/internal/iot"
)

// mappingFile is the YAML that -mapping reads.
type mappingFile struct {
	Delimiter    string                  `yaml:"delimiter"`
	TimeColumn   string                  `yaml:"time_column"`
	Zone         string                  `yaml:"zone"`
	DecimalComma bool                    `yaml:"decimal_comma"`
	Columns      map[string]mappedColumn `yaml:"columns"`
	Long         *LongColumns            `yaml:"long"`
}

// mappedColumn is the device behind one column of the wide form.
type mappedColumn struct {
	DeviceID string `yaml:"device_id"`
	Type     string `yaml:"type"`
	Unit     string `yaml:"unit"`
	Location struct {
		Building string `yaml:"building"`
		Floor    int    `yaml:"floor"`
		Room     string `yaml:"room"`
	} `yaml:"location"`
}

// mappingKeys lists what a mapping file may hold, for whoever has mistyped one.
const mappingKeys = "delimiter, time_column, zone, decimal_comma, " +
	"columns with device_id, type, unit, location (building, floor, room), or long with device, type, value, unit"

// readMappingFile reads the YAML at path. Every mistake in it is a usageError that names the file.
func readMappingFile(path string) (CSVLayout, Mapping, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return CSVLayout{}, Mapping{}, usage("read mapping: %w", err)
	}
	layout, mapping, err := parseMapping(text)
	if err != nil {
		return CSVLayout{}, Mapping{}, usage("mapping %s: %w", path, err)
	}
	return layout, mapping, nil
}

func parseMapping(text []byte) (CSVLayout, Mapping, error) {
	var file mappingFile
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil && err != io.EOF {
		return CSVLayout{}, Mapping{}, explainYAML(err)
	}
	layout := CSVLayout{TimeColumn: file.TimeColumn, DecimalComma: file.DecimalComma}
	var err error
	if layout.Delimiter, err = parseDelimiter(file.Delimiter); err != nil {
		return layout, Mapping{}, fmt.Errorf("delimiter: %w", err)
	}
	if layout.Zone, err = time.LoadLocation(file.Zone); err != nil {
		return layout, Mapping{}, fmt.Errorf("zone: %w", err)
	}
	mapping := Mapping{Long: file.Long, Columns: make(map[string]iot.Device, len(file.Columns))}
	for name, column := range file.Columns {
		if column.DeviceID == "" || column.Type == "" {
			return layout, mapping, fmt.Errorf("columns: %q needs a device_id and a type", name)
		}
		mapping.Columns[name] = iot.Device{
			ID: iot.DeviceID(column.DeviceID), Type: iot.DeviceType(column.Type), Unit: column.Unit,
			Location: iot.Location(column.Location),
		}
	}
	return layout, mapping, nil
}

var unknownField = regexp.MustCompile(`^(line \d+): field (.*) not found in type .*$`)

// explainYAML rewords an unknown key, which the library tells by the name of a Go type.
func explainYAML(err error) error {
	mistakes, ok := errors.AsType[*yaml.TypeError](err)
	if !ok {
		return err
	}
	reasons := make([]string, len(mistakes.Errors))
	for i, reason := range mistakes.Errors {
		reasons[i] = unknownField.ReplaceAllString(reason, `$1: unknown key "$2" (known: `+mappingKeys+`)`)
	}
	return errors.New(strings.Join(reasons, "; "))
}

// parseDelimiter reads a single character, or the words tab and \t; empty is 0, to be detected.
func parseDelimiter(text string) (rune, error) {
	switch text {
	case "":
		return 0, nil
	case "tab", `\t`:
		return '\t', nil
	}
	delimiter, size := utf8.DecodeRuneInString(text)
	if size != len(text) || strings.ContainsRune("\"\r\n\ufffd", delimiter) {
		return 0, fmt.Errorf("must be a single character or tab, and no quote or end of line (got %q)", text)
	}
	return delimiter, nil
}
