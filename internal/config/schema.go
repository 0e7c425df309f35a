package config

import (
	"reflect"
	"strings"
)

// envPrefix begins the name of every environment variable of this program.
const envPrefix = "IOTMON_"

// leaf is one key that can be set, with its value in a Config.
type leaf struct {
	path  string
	field reflect.StructField
	value reflect.Value
}

// leaves returns every key of c in the order of the struct. A list is one key.
func leaves(c *Config) []leaf {
	return appendLeaves(nil, "", reflect.ValueOf(c).Elem())
}

func appendLeaves(all []leaf, section string, v reflect.Value) []leaf {
	for field, value := range v.Fields() {
		name := keyOf(field)
		if name == "" {
			continue
		}
		path := join(section, name)
		if value.Kind() == reflect.Struct {
			all = appendLeaves(all, path, value)
			continue
		}
		all = append(all, leaf{path, field, value})
	}
	return all
}

// keyOf returns the field's key in a file, empty for a field without one.
func keyOf(field reflect.StructField) string {
	if key := field.Tag.Get("koanf"); key != "-" {
		return key
	}
	return ""
}

func join(section, key string) string {
	if section == "" {
		return key
	}
	return section + "." + key
}

// fieldsOf returns the fields of a struct type by key, and the keys in order.
func fieldsOf(t reflect.Type) (byKey map[string]reflect.StructField, keys []string) {
	byKey = make(map[string]reflect.StructField)
	for field := range t.Fields() {
		if key := keyOf(field); key != "" {
			byKey[key] = field
			keys = append(keys, key)
		}
	}
	return byKey, keys
}

// schema returns the field of every key.
func schema() (byPath map[string]reflect.StructField, paths []string) {
	byPath = make(map[string]reflect.StructField)
	for _, l := range leaves(new(Config)) {
		byPath[l.path] = l.field
		paths = append(paths, l.path)
	}
	return byPath, paths
}

// EnvName returns the environment variable that sets the key.
func EnvName(path string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}
