package config

import (
	"fmt"
	"io"
	"reflect"
	"text/tabwriter"
)

// Explain writes every key that is not at its default, with its value and its source. The two short forms are shown as the
// keys that they set.
func (c *Config) Explain(w io.Writer, service string) error {
	defaults := Default(service, c.builtin)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	standard := leaves(&defaults)
	rows := 0
	for i, l := range leaves(c) {
		if l.path == "server.port" || l.path == "kafka.topics" || reflect.DeepEqual(l.value.Interface(), standard[i].value.Interface()) {
			continue
		}
		rows++
		value := showValue(l.value)
		if l.field.Tag.Get("secret") != "" {
			value = "(not shown)"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", l.path, value, c.sources[l.path])
	}
	if rows == 0 {
		fmt.Fprintln(table, "Every key is at its default.")
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return nil
}

// showValue formats a value nearly as in a file.
func showValue(v reflect.Value) string {
	switch {
	case v.Kind() == reflect.Pointer && v.IsNil():
		return Off
	case v.Kind() == reflect.Pointer:
		return fmt.Sprint(v.Elem().Interface())
	case v.Kind() == reflect.String:
		return fmt.Sprintf("%q", v.String())
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		return fmt.Sprintf("a list of %d", v.Len())
	default:
		return fmt.Sprint(v.Interface())
	}
}
