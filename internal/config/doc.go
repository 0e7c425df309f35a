// Package config says what can be configured and reads it: from flags, the environment and a YAML file, in this order of
// precedence, over the defaults.
//
// The Config struct is the schema. Its koanf tags are the keys of the file; the name of an environment variable is the
// key in upper case behind IOTMON_, with _ for every dot. Whatever is not in the struct is refused, wherever it stands,
// and every value is checked before the first connection is made.
package config
