package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"iotmon/internal/spelling"
)

// option is a flag that sets a key.
type option struct{ name, key string }

// options returns the flags of a service that set a key.
func options(service string) []option {
	known := []option{
		{"addr", "server.addr"},
		{"log-format", "log.format"},
		{"log-level", "log.level"},
	}
	if service == Iotmon {
		known = append(known, option{"data-dir", "data_dir"})
	}
	if simulates(service) {
		known = append(known,
			option{"devices", "device_simulator.device_count"},
			option{"interval", "device_simulator.send_interval"},
			option{"types", "device_simulator.device_types"},
			option{"seed", "device_simulator.seed"},
		)
	}
	return known
}

func simulates(service string) bool { return service == Iotmon || service == Producer }

// commandLine is the parsed command line.
type commandLine struct {
	file      string
	checkOnly bool
	probe     string
	// values holds the text of each key that a flag sets, names the flag that set it.
	values, names map[string]string
}

// parseFlags reads the arguments. It returns flag.ErrHelp, ErrVersion or an *Error.
func parseFlags(service string, args []string) (*commandLine, error) {
	line := &commandLine{values: make(map[string]string), names: make(map[string]string)}
	set := flag.NewFlagSet("", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	for _, o := range options(service) {
		set.Func(o.name, "", func(text string) error {
			line.values[o.key], line.names[o.key] = text, "-"+o.name
			return nil
		})
	}
	var noSimulator bool
	if simulates(service) {
		set.BoolVar(&noSimulator, "no-simulator", false, "")
	}
	version := set.Bool("version", false, "")
	set.BoolVar(&line.checkOnly, "check-config", false, "")
	set.StringVar(&line.probe, "probe", "", "")
	set.StringVar(&line.file, "config", "", "")

	if err := set.Parse(args); err != nil {
		return nil, flagError(set, err)
	}
	if *version {
		return nil, ErrVersion
	}
	if set.NArg() > 0 {
		return nil, &Error{Problems: []string{fmt.Sprintf("%s: unexpected argument; flags begin with -", set.Arg(0))}}
	}
	if line.probe != "" && !strings.HasPrefix(line.probe, "/") {
		return nil, &Error{Problems: []string{fmt.Sprintf("-probe: must be a path, such as /health or /ready (got %q)", line.probe)}}
	}
	if noSimulator {
		line.values["device_simulator.enabled"], line.names["device_simulator.enabled"] = "false", "-no-simulator"
	}
	return line, nil
}

// flagError converts an error of package flag to the form of other problems.
func flagError(set *flag.FlagSet, err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return flag.ErrHelp
	}
	name, unknown := strings.CutPrefix(err.Error(), "flag provided but not defined: ")
	if !unknown {
		return &Error{Problems: []string{err.Error()}}
	}
	var known []string
	set.VisitAll(func(f *flag.Flag) { known = append(known, "-"+f.Name) })
	return &Error{Problems: []string{fmt.Sprintf("%s: unknown flag%s", name, spelling.Suggest(name, known))}}
}
