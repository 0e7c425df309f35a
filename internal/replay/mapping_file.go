package replay

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	// A machine may have no files of time zones.
	_ "time/tzdata"

	"go.yaml.in/yaml/v3"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/replay/recording"
)

// mappingFile is the YAML that -mapping reads: the settings of the layout by the names of their flags, and the mapping.
type mappingFile struct {
	Layout map[string]settingText `yaml:",inline"`
	// Columns are the devices behind the columns, or a list of the columns' names, as -columns. Map are the same devices, or rules.
	Columns mappedColumns `yaml:"columns"`
	Map     mappedRules   `yaml:"map"`
	Long    *LongColumns  `yaml:"long"`
}

// settingText is a setting as a flag has it. A list is written as -columns has it.
type settingText string

// UnmarshalYAML reads a scalar or a list of them.
func (t *settingText) UnmarshalYAML(node *yaml.Node) error {
	switch node.Kind {
	case yaml.ScalarNode:
		*t = settingText(node.Value)
		return nil
	case yaml.SequenceNode:
		var list []string
		err := node.Decode(&list)
		*t = settingText(recording.FormatList(list))
		return err
	}
	return fmt.Errorf("line %d: must be a text or a list of texts", node.Line)
}

// mappedColumns are the devices behind the columns of the wide form, or only names of columns.
type mappedColumns struct {
	names   []string
	devices map[string]mappedColumn
}

// mappedRules are rules, or the devices behind columns.
type mappedRules struct {
	mappedColumns
	rules []mapping.Rule
}

// UnmarshalYAML reads either.
func (m *mappedRules) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.SequenceNode {
		return decodeStrictly(node, &m.rules)
	}
	return m.mappedColumns.UnmarshalYAML(node)
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

// UnmarshalYAML reads either.
func (m *mappedColumns) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.SequenceNode {
		return node.Decode(&m.names)
	}
	return decodeStrictly(node, &m.devices)
}

// decodeStrictly decodes a node into what target points to. The library does not look for unknown keys here, so this does.
func decodeStrictly(node *yaml.Node, target any) error {
	if err := knownFields(node, reflect.TypeOf(target).Elem()); err != nil {
		return err
	}
	return node.Decode(target)
}

// knownFields finds a key for which a type has no field.
func knownFields(node *yaml.Node, t reflect.Type) error {
	switch {
	case t.Kind() == reflect.Pointer:
		return knownFields(node, t.Elem())
	case t.Kind() == reflect.Slice && node.Kind == yaml.SequenceNode:
		for _, element := range node.Content {
			if err := knownFields(element, t.Elem()); err != nil {
				return err
			}
		}
	case t.Kind() == reflect.Map && node.Kind == yaml.MappingNode:
		for i := 1; i < len(node.Content); i += 2 {
			if err := knownFields(node.Content[i], t.Elem()); err != nil {
				return err
			}
		}
	case t.Kind() == reflect.Struct && node.Kind == yaml.MappingNode:
		return knownKeys(node, t)
	}
	return nil
}

// knownKeys finds a key of a node for which a struct has no field.
func knownKeys(node *yaml.Node, t reflect.Type) error {
	fields := make(map[string]reflect.Type, t.NumField())
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		fields[name] = t.Field(i).Type
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		field, known := fields[key.Value]
		if !known {
			return fmt.Errorf("line %d: unknown key %q (known: %s)", key.Line, key.Value, strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
		}
		if err := knownFields(node.Content[i+1], field); err != nil {
			return err
		}
	}
	return nil
}

// onlyKeys finds a key that is not known.
func onlyKeys(node *yaml.Node, known ...string) error {
	if node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i < len(node.Content); i += 2 {
		if key := node.Content[i]; !slices.Contains(known, key.Value) {
			return unknownKey(key)
		}
	}
	return nil
}

func unknownKey(key *yaml.Node) error {
	return fmt.Errorf("line %d: unknown key %q (known: %s)", key.Line, key.Value, mappingKeys())
}

// mappingKeys lists the keys of a mapping file, for the message about an unknown key.
func mappingKeys() string {
	var keys []string
	for i := range layoutSettings {
		if name := settingKey(layoutSettings[i].name); name != "columns" {
			keys = append(keys, name)
		}
	}
	return strings.Join(keys, ", ") + ", columns or map with device_id, type, unit, location (building, floor, room), " +
		"map with a list of rules, or long with device, type, value, unit"
}

// settingKey returns the key of a flag in the mapping file. Keys with hyphens are accepted too.
func settingKey(flag string) string { return strings.ReplaceAll(flag, "-", "_") }

// readMappingFile reads the YAML at path. Every mistake in it is a usageError that names the file.
func readMappingFile(path string) (recording.Layout, Mapping, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return recording.Layout{}, Mapping{}, usage("read mapping: %w", err)
	}
	layout, mapping, err := parseMapping(text)
	if err != nil {
		return recording.Layout{}, Mapping{}, usage("mapping %s: %w", path, err)
	}
	return layout, mapping, nil
}

func parseMapping(text []byte) (recording.Layout, Mapping, error) {
	var file mappingFile
	if err := decodeMapping(text, &file); err != nil {
		return recording.Layout{}, Mapping{}, err
	}
	var layout recording.Layout
	for i := range layoutSettings {
		setting := &layoutSettings[i]
		for _, key := range []string{setting.name, settingKey(setting.name)} {
			value, said := file.Layout[key]
			if !said {
				continue
			}
			if err := setting.set(&layout, string(value)); err != nil {
				return layout, Mapping{}, fmt.Errorf("%s: %w", key, err)
			}
			break
		}
	}
	layout.Columns = append(layout.Columns, file.Columns.names...)
	mapping := Mapping{Long: file.Long, Columns: make(map[string]iot.Device), Rules: file.Map.rules}
	for _, columns := range []mappedColumns{file.Columns, file.Map.mappedColumns} {
		for name, column := range columns.devices {
			if column.DeviceID == "" || column.Type == "" {
				return layout, mapping, fmt.Errorf("columns: %q needs a device_id and a type", name)
			}
			mapping.Columns[name] = iot.Device{
				ID: iot.DeviceID(column.DeviceID), Type: iot.DeviceType(column.Type), Unit: column.Unit,
				Location: iot.Location(column.Location),
			}
		}
	}
	return layout, mapping, nil
}

// decodeMapping reads the YAML and looks for unknown keys.
func decodeMapping(text []byte, file *mappingFile) error {
	var document yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&document); err == io.EOF {
		return nil
	} else if err != nil {
		return err
	}
	known := []string{"columns", "map", "long"}
	for i := range layoutSettings {
		known = append(known, layoutSettings[i].name, settingKey(layoutSettings[i].name))
	}
	if err := onlyKeys(document.Content[0], known...); err != nil {
		return err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	return explainYAML(decoder.Decode(file))
}

var unknownField = regexp.MustCompile(`^(line \d+): field (.*) not found in type .*$`)

// explainYAML rewords the library's error about an unknown key, which has the name of a Go type.
func explainYAML(err error) error {
	mistakes, ok := errors.AsType[*yaml.TypeError](err)
	if !ok {
		return err
	}
	reasons := make([]string, len(mistakes.Errors))
	for i, reason := range mistakes.Errors {
		reasons[i] = unknownField.ReplaceAllString(reason, `$1: unknown key "$2" (known: `+mappingKeys()+`)`)
	}
	return errors.New(strings.Join(reasons, "; "))
}
