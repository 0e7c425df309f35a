package replay

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"strconv"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/replay/recording"
)

// The exit statuses of Command.
const (
	statusDone   = 0
	statusFailed = 1
	statusMisuse = 2
)

const help = `Usage: iotmon replay [flags] FILE.csv

Sends recorded readings, from a CSV file or a similar one of any size, to a running system. So are lines of JSON and of
InfluxDB's line protocol.

Begin with a description of the file and a command to start from; this sends nothing:
  iotmon replay -inspect FILE

Wide form, a column of values for each device:
  iotmon replay -map 'Temperature=reactor_temp,temperature_sensor,°F' -map 'Current=pump,current_sensor,mA' FILE
Long form, a device and a value in each row:
  iotmon replay -long 'device=device_id,type=device_type,value=value,unit=unit' FILE

Anything else by rules, which are those of the map of a source, in a YAML file; see docs/sources/mapping.md:
  map:
    - {field: temp, device: "{{station}}/temp", type: temperature_sensor, unit: °F, building: "{{site}}"}
  iotmon replay -mapping FILE.yaml FILE
The field of a cell is the name of its column, {{station}} is another cell of the row. In JSON a field is a name or a path. The
first rule that matches a value counts. Readings as the API has them need no rule.

Times that begin with the year, and Unix times, are known. Others need their format; day and month are never guessed:
  -time-format '%d/%m/%Y %H:%M'                              31/12/2018 23:05
  -time-format '%m/%d/%y %I:%M %p'                           1/2/24 9:05 PM
  -time-column Date,Time -time-format '%d.%m.%Y %H:%M:%S'    two columns
  -time-column Year,DOY,Time -time-format '%Y %j %H%M'       2018, day 291, 638 for 06:38
  -no-header -time-column 1,2 -time-format '%H %M' -date 2018-10-18
Directives: ` + recording.Directives + `

Without a mapping nothing is sent: the columns are listed, each with a -map flag to start from. Columns that are not
mapped are never sent. Empty cells and NaN are skipped. At the end rejected readings are counted by reason, and so are
readings that repeat the device and time of another. A mapping file has the same keys as the flags, with underscores; its
map is a list of rules or, as -map, has a key for each column.

Flags:
`

// commandFlags has the parsed arguments.
type commandFlags struct {
	set     *flag.FlagSet
	client  ClientOptions
	o       Options
	mapping string
	// given are the flags of the layout, in the order of the arguments.
	given []givenSetting
	// inspect is set if the recording is to be described, not sent.
	inspect bool
}

func newCommandFlags() *commandFlags {
	f := &commandFlags{set: flag.NewFlagSet("replay", flag.ContinueOnError)}
	f.o.Mapping.Columns = make(map[string]iot.Device)
	f.set.SetOutput(io.Discard)
	f.set.StringVar(&f.client.Base, "to", "http://127.0.0.1:8080", "`address` of the running system")
	f.set.DurationVar(&f.client.Patience, "patience", time.Minute, "how long a request is repeated while the system cannot be reached")
	f.set.StringVar(&f.mapping, "mapping", "", "YAML `file` with the rules or columns, and the layout; flags take precedence over it")
	f.set.Func("format", "`csv|json|line`: a table, a JSON text in each line, or InfluxDB's line protocol (default by the ending of the "+
		"file's name and how it begins)", func(text string) (err error) {
		f.o.Format, err = parseFormat(text)
		return err
	})
	f.set.StringVar(&f.o.Topic, "topic", "", "`topic` of all values, for rules that have one")
	f.set.BoolVar(&f.inspect, "inspect", false, "send nothing; describe the recording and write a command to start from")
	f.set.Func("map", "what a column of the wide form, or a field, holds, `COLUMN=DEVICE,TYPE[,UNIT]`; may be repeated", f.addColumn)
	f.set.Func("long", "columns of the long form, `device=COLUMN,type=COLUMN,value=COLUMN[,unit=COLUMN]`; "+
		"a type or unit that names no column is the type or unit of every row", f.setLong)
	for i := range layoutSettings {
		setting := &layoutSettings[i]
		f.set.Var(layoutFlag{setting, &f.given}, setting.name, setting.usage)
	}
	f.set.Func("time", "`original|now`: original keeps the recorded times and marks the readings as historical; now moves "+
		"all times by one span, so that the newest reading is due when it is sent (default original)", f.setTime)
	f.set.Func("speed", "seconds of the recording that pass in one, `1|60|max` or any other number; "+
		"max is as fast as the system accepts readings (default max)", f.setSpeed)
	f.set.Float64Var(&f.o.Rate, "rate", 0, "most `readings` to send in a second; 0 is no limit")
	return f
}

func (f *commandFlags) addColumn(text string) error {
	column, device, err := parseColumn(text)
	if err != nil {
		return err
	}
	if _, twice := f.o.Mapping.Columns[column]; twice {
		return fmt.Errorf("column %q is mapped twice", column)
	}
	f.o.Mapping.Columns[column] = device
	return nil
}

func (f *commandFlags) setLong(text string) (err error) {
	f.o.Mapping.Long, err = parseLong(text)
	return err
}

func (f *commandFlags) setTime(text string) error {
	switch text {
	case "original", "now":
		f.o.Shift = text == "now"
		return nil
	}
	return errors.New("must be original or now")
}

func (f *commandFlags) setSpeed(text string) error {
	if text == "max" {
		f.o.Speed = 0
		return nil
	}
	speed, err := strconv.ParseFloat(text, 64)
	if err != nil || !(speed > 0 && speed <= 1e9) {
		return errors.New("must be max or a number above 0")
	}
	f.o.Speed = speed
	return nil
}

// parse reads the arguments, with flags before or after the file, and the mapping file.
func (f *commandFlags) parse(args []string) error {
	var files []string
	args = joinThousands(args)
	for {
		if err := f.set.Parse(args); err != nil {
			return &usageError{err}
		}
		if args = f.set.Args(); len(args) == 0 {
			break
		}
		files, args = append(files, args[0]), args[1:]
	}
	if len(files) != 1 {
		return usage("want one file (got %d)", len(files))
	}
	if !(f.o.Rate >= 0) || f.client.Patience < 0 {
		return usage("-rate and -patience must not be negative")
	}
	f.o.File = files[0]
	if f.mapping != "" {
		if err := f.mergeMappingFile(); err != nil {
			return err
		}
	}
	for _, given := range f.given {
		if err := given.set(&f.o.Layout, given.text); err != nil {
			return usage("-%s: %w", given.name, err)
		}
	}
	return nil
}

// mergeMappingFile reads the mapping file. Flags take precedence over it.
func (f *commandFlags) mergeMappingFile() error {
	layout, mapping, err := readMappingFile(f.mapping)
	if err != nil {
		return err
	}
	maps.Copy(mapping.Columns, f.o.Mapping.Columns)
	if f.o.Mapping.Long != nil {
		mapping.Long = f.o.Mapping.Long
	}
	f.o.Layout, f.o.Mapping = layout, mapping
	return nil
}

func (f *commandFlags) writeHelp(w io.Writer) {
	_, _ = io.WriteString(w, help)
	f.set.SetOutput(w)
	f.set.PrintDefaults()
	fmt.Fprint(w, "\nThe exit status is 0 when readings were accepted, 1 when the replay failed or none was, "+
		"2 for a mistake in the command.\n")
}

// Command is "iotmon replay". It parses args and sends the recording. It writes the summary to stdout, progress and errors to
// stderr, and returns the exit status.
func Command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := newCommandFlags()
	err := flags.parse(args)
	if errors.Is(err, flag.ErrHelp) {
		flags.writeHelp(stdout)
		return statusDone
	}
	if err == nil && flags.inspect {
		return exitStatus(inspect(&flags.o, stdout), stderr)
	}
	var summary *Summary
	if err == nil {
		summary, err = runCommand(ctx, flags, stderr)
	}
	if summary != nil {
		if _, writeErr := summary.WriteTo(stdout); err == nil && writeErr != nil {
			err = fmt.Errorf("write the summary: %w", writeErr)
		}
		if err == nil && summary.Accepted == 0 {
			err = errors.New("no reading was accepted")
		}
	}
	if err != nil && ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	return exitStatus(err, stderr)
}

// runCommand runs the replay and shows its progress on stderr.
func runCommand(ctx context.Context, flags *commandFlags, stderr io.Writer) (*Summary, error) {
	shown := newProgress(stderr)
	defer shown.clear()
	flags.client.Waiting = shown.waiting
	flags.o.Progress = shown.advance
	client, err := NewClient(flags.client)
	if err != nil {
		return nil, &usageError{err}
	}
	flags.o.Terms = client.Terms(ctx)
	flags.o.Warn = func(warning string) { fmt.Fprintf(stderr, "iotmon replay: warning: %s\n", warning) }
	return Run(ctx, flags.o, client)
}

// exitStatus writes an error to stderr in one line and returns its exit status.
func exitStatus(err error, stderr io.Writer) int {
	if err == nil {
		return statusDone
	}
	fmt.Fprintf(stderr, "iotmon replay: %v\n", err)
	_, misuse := errors.AsType[*usageError](err)
	_, layout := errors.AsType[*recording.LayoutError](err)
	if misuse || layout || errors.Is(err, os.ErrNotExist) {
		return statusMisuse
	}
	return statusFailed
}
