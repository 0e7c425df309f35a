package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"iotmon/internal/app"
	"iotmon/internal/app/datadir"
	"iotmon/internal/backup"
	"iotmon/internal/config"
)

// backupFlags are the flags and the argument of backup and restore.
type backupFlags struct {
	dataDir, file string
}

// parseBackup parses the command line of backup and restore. Without -data-dir, the data directory is that of the configuration.
func parseBackup(name string, args []string) (*backupFlags, error) {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Usage = func() {}
	var given []string
	for _, flag := range []string{"data-dir", "config"} {
		set.Func(flag, "", func(value string) error {
			given = append(given, "-"+flag, value)
			return nil
		})
	}
	if err := set.Parse(args); err != nil {
		return nil, err
	}
	if set.NArg() != 1 {
		return nil, fmt.Errorf("want the name of one file, or - (got %d)", set.NArg())
	}
	cfg, err := config.Load(config.LoadOptions{Service: config.Iotmon, Builtin: app.Builtin(), Args: given, Environ: os.Environ()})
	if err != nil {
		return nil, err
	}
	return &backupFlags{dataDir: cfg.DataDir, file: set.Arg(0)}, nil
}

// Backup is the command iotmon backup: it writes a backup of a data directory, in use or not, and returns the exit status. Help
// is printed for -h.
func Backup(ctx context.Context, args []string, help string, stdout, stderr io.Writer) int {
	return runBackupCommand("backup", args, help, stdout, stderr, func(f *backupFlags) error {
		began := time.Now()
		list, err := saveBackup(ctx, f, stdout)
		if err == nil {
			fmt.Fprintf(stderr, "%s: %s of %s, in %v\n", f.file, contents(list), f.dataDir, time.Since(began).Round(time.Millisecond))
		}
		return err
	})
}

// contents returns the number of files and bytes in a backup, for a message.
func contents(list *backup.List) string {
	return fmt.Sprintf("%d files, %.1f MB", len(list.Files), float64(list.Bytes())/1e6)
}

// runBackupCommand parses the arguments of backup or restore, calls do and returns the exit status.
func runBackupCommand(name string, args []string, help string, stdout, stderr io.Writer, do func(*backupFlags) error) int {
	flags, err := parseBackup(name, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, help)
		return Done
	case err != nil:
		fmt.Fprintf(stderr, "iotmon %s: %v\n", name, err)
		return CannotStart
	}
	if err := do(flags); err != nil {
		fmt.Fprintf(stderr, "iotmon %s: %v\n", name, err)
		return Failed
	}
	return Done
}

// saveBackup writes the backup to the file, or to stdout for -. A file gets its name only when it is complete and has been
// read again and verified.
func saveBackup(ctx context.Context, f *backupFlags, stdout io.Writer) (*backup.List, error) {
	if f.file == "-" {
		return datadir.Backup(ctx, f.dataDir, versionName(), stdout)
	}
	if _, err := os.Lstat(f.file); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s exists already", f.file)
	}
	// The name is random, since another process may be writing a backup to the same file. CreateTemp lets only the owner read
	// the file, since the readings may be confidential.
	partial, err := os.CreateTemp(filepath.Dir(f.file), filepath.Base(f.file)+".partial-*")
	if err != nil {
		return nil, err
	}
	list, err := datadir.Backup(ctx, f.dataDir, versionName(), partial)
	if err == nil {
		err = partial.Sync()
	}
	if err == nil {
		list, err = verifyFile(partial)
	}
	if err = errors.Join(err, partial.Close()); err == nil {
		err = publish(partial.Name(), f.file)
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(partial.Name()))
	}
	return list, nil
}

// publish gives the complete file its name. If another file has that name by now, it is an error, except on a file system
// without hard links, where that file is replaced.
func publish(partial, name string) error {
	switch err := os.Link(partial, name); {
	case err == nil:
		return os.Remove(partial)
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s exists already", name)
	default: // A file system without hard links.
		return os.Rename(partial, name)
	}
}

func verifyFile(file *os.File) (*backup.List, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return backup.Verify(file)
}

// Restore is the command iotmon restore: it creates a data directory from a backup and returns the exit status. Help is
// printed for -h.
func Restore(_ context.Context, args []string, help string, stdin io.Reader, stdout, stderr io.Writer) int {
	return runBackupCommand("restore", args, help, stdout, stderr, func(f *backupFlags) error {
		list, err := datadir.Restore(f.dataDir, func() (io.ReadCloser, error) { return open(f.file, stdin) })
		if err == nil {
			fmt.Fprintf(stderr, "%s: %s, as it was at %s\n", f.dataDir, contents(list), list.Created.Format(time.RFC3339))
		}
		return err
	})
}

// open opens the file of a backup, or returns stdin for -.
func open(file string, stdin io.Reader) (io.ReadCloser, error) {
	if file == "-" {
		return io.NopCloser(stdin), nil
	}
	return os.Open(file)
}
