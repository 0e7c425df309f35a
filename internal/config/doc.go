// Package config defines the configuration and reads it from flags, the environment and a YAML file, in this order of
// precedence, over the defaults.
//
// The Config struct is the schema. Its koanf tags are the keys of the file. The name of an environment variable is IOTMON_
// and the key in upper case, with _ for every dot. Unknown keys are refused in every source, and every value is checked
// before the first connection is made.
package config
