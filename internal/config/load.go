package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/structs"
	"github.com/knadh/koanf/v2"
)

// LoadOptions are the inputs of Load.
type LoadOptions struct {
	// Service is the name of the program, one of the constants of this package.
	Service string
	// Builtin are the built-in names that the configuration may use.
	Builtin Builtin
	// Args is the command line without the program's name, Environ the environment as os.Environ returns it.
	Args, Environ []string
	// Dir is the directory of .env and configs/, and the base of a relative configuration file; empty means the working
	// directory. Paths in values are not changed.
	Dir string
}

// Load returns the validated configuration. The error is an *Error for every mistake of the user, flag.ErrHelp for -h and
// ErrVersion for -version. Load opens no connection and writes nothing.
func Load(o LoadOptions) (*Config, error) {
	line, err := parseFlags(o.Service, o.Args)
	if err != nil {
		return nil, err
	}
	env, err := readEnvironment(o.Environ, o.Dir)
	if err != nil {
		return nil, err
	}
	var wrong problems
	above := []*layer{env.layer(&wrong), line.layer(env.hosts(), &wrong)}
	fromFile, err := o.fileLayer(line, env, above, &wrong)
	if err != nil {
		return nil, err
	}
	if err := wrong.err(); err != nil {
		return nil, err
	}
	cfg, err := merge(Default(o.Service, o.Builtin), append([]*layer{fromFile}, above...))
	if err != nil {
		return nil, err
	}
	cfg.CheckOnly, cfg.Probe, cfg.File = line.checkOnly, line.probe, fromFile.file
	cfg.Revision = o.revision(fromFile, above, "aggregation.", "archive.retention.readings", "device_types",
		"ingest.max_text_bytes", "ingest.earliest_year")
	cfg.RulesFrom = o.revision(fromFile, above, "alerts.")
	if err := cfg.validate(o.Service); err != nil {
		return nil, err
	}
	return cfg, nil
}

// revision returns the age of the settings whose keys begin with one of the prefixes: the modification time of the file, or now if there is no
// file or if it is overridden. So an instance that starts later with an older file does not restore old settings. For iotmon, which is a single process,
// it is always now.
func (o *LoadOptions) revision(fromFile *layer, above []*layer, prefixes ...string) time.Time {
	elsewhere := slices.ContainsFunc(above, func(l *layer) bool {
		for key := range l.sources {
			if slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(key, prefix) }) {
				return true
			}
		}
		return false
	})
	if o.Service == Iotmon || fromFile.modified.IsZero() || elsewhere {
		return time.Now()
	}
	return fromFile.modified
}

// fileLayer reads the given file, which must exist, or else configs/<service>.yaml, which may be missing.
func (o *LoadOptions) fileLayer(line *commandLine, env *environment, above []*layer, wrong *problems) (*layer, error) {
	path, namedBy := env.file(line.file)
	if path == "" {
		path, namedBy = filepath.Join("configs", o.Service+".yaml"), ""
	}
	into := newLayer()
	located := path
	if !filepath.IsAbs(path) {
		located = filepath.Join(o.Dir, path)
	}
	raw, err := readYAML(located)
	switch {
	case errors.Is(err, fs.ErrNotExist) && namedBy == "":
		return into, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, &Error{Problems: []string{fmt.Sprintf("%s: %s: no such file", namedBy, path)}}
	case err != nil:
		return nil, &Error{Problems: []string{fmt.Sprintf("%s: %v", path, err)}}
	}
	if info, err := os.Stat(located); err == nil {
		into.modified = info.ModTime()
	}
	into.file = located
	d := decoder{path, env.hosts(), wrong, above}
	d.section(into, "", reflect.TypeFor[Config](), raw)
	return into, nil
}

func readYAML(path string) (map[string]any, error) {
	k := koanf.New(".")
	err := k.Load(file.Provider(path), oneDocument{yaml.Parser()})
	if failure, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, failure.Err
	}
	return k.Raw(), err
}

func (c *commandLine) layer(hosts hosts, wrong *problems) *layer {
	into := newLayer()
	byPath, _ := schema()
	for path, text := range c.values {
		d := decoder{c.names[path], hosts, wrong, nil}
		if value, ok := d.text(path, byPath[path], text); ok {
			into.set(path, value, d.source)
		}
	}
	return into
}

// merge puts the layers over the defaults, lowest first.
func merge(defaults Config, layers []*layer) (*Config, error) {
	k := koanf.New(".")
	if err := k.Load(structs.Provider(defaults, "koanf"), nil); err != nil {
		return nil, fmt.Errorf("read the defaults: %w", err)
	}
	sources := make(map[string]string)
	for _, l := range layers {
		if err := l.expand(k.String("server.addr")); err != nil {
			return nil, err
		}
		if err := k.Load(confmap.Provider(l.values, "."), nil); err != nil {
			return nil, fmt.Errorf("merge: %w", err)
		}
		maps.Copy(sources, l.sources)
	}
	cfg := &Config{sources: sources, builtin: defaults.builtin}
	if err := k.Unmarshal("", cfg); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	cfg.derive(defaults)
	return cfg, nil
}

// derive sets the values that derive from other keys.
func (c *Config) derive(defaults Config) {
	c.Kafka.Topics = []string{c.Kafka.Topic, c.Kafka.AlertsTopic}
	if port, err := portOf(c.Server.Addr); err == nil {
		c.Server.Port = port
	}
	if _, given := c.sources["devices.offline_after"]; !given && c.Simulator.Enabled {
		if silence := 3 * c.Simulator.SendInterval; silence > defaults.Devices.OfflineAfter {
			c.Devices.OfflineAfter = silence
			c.sources["devices.offline_after"] = "three times device_simulator.send_interval"
		}
	}
}
