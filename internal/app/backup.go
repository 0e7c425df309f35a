package app

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"iotmon/internal/backup"
	"iotmon/internal/config"
	"iotmon/internal/kafka/embedded"
	"iotmon/internal/store/sqlite"
)

const (
	// brokerDir and databaseFile are what iotmon keeps in its data directory.
	brokerDir    = "kafka"
	databaseFile = "iotmon.db"
	// backupPrefix begins the names of directories in it that a backup needs while it is made.
	backupPrefix = "backup-"
)

// prepared is a backup that has everything as it was at one moment, and has yet to be written.
type prepared struct {
	dir     string
	created time.Time
	log     []embedded.File
}

// prepareBackup takes hold of what is in the data directory: of the database first, then of the log. So the log has
// everything that the database does not have yet, and whoever starts on both goes on from there, as after a kill -9.
func prepareBackup(ctx context.Context, dataDir string, snapshot func(ctx context.Context, into string) ([]embedded.File, error)) (*prepared, error) {
	dir, err := os.MkdirTemp(dataDir, backupPrefix)
	if err != nil {
		return nil, err
	}
	p := &prepared{dir: dir}
	err = sqlite.Backup(ctx, filepath.Join(dataDir, databaseFile), filepath.Join(dir, databaseFile), func() (err error) {
		p.created = time.Now().UTC()
		p.log, err = snapshot(ctx, dir)
		return err
	})
	if err != nil {
		p.remove()
		return nil, err
	}
	return p, nil
}

func (p *prepared) remove() { _ = os.RemoveAll(p.dir) } // What is left is removed at the next start.

// write writes the backup.
func (p *prepared) write(w io.Writer, version string) (*backup.List, error) {
	out, err := backup.NewWriter(w, backup.List{Created: p.created, Version: version})
	if err != nil {
		return nil, err
	}
	for _, file := range p.log {
		if err := addFile(out, brokerDir+"/"+file.Name, file.Path, file.Size); err != nil {
			return nil, err
		}
	}
	database := filepath.Join(p.dir, databaseFile)
	info, err := os.Stat(database)
	if err != nil {
		return nil, err
	}
	if err := addFile(out, databaseFile, database, info.Size()); err != nil {
		return nil, err
	}
	return out.Close()
}

func addFile(out *backup.Writer, name, path string, size int64) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // It was only read.
	return out.Add(name, file, size)
}

// removeLeftovers removes what backups have left that were killed while they were made.
func removeLeftovers(dataDir string) error {
	entries, err := os.ReadDir(dataDir)
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), backupPrefix) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dataDir, entry.Name())))
		}
	}
	return err
}

// backupFlags are the flags and the argument of backup and restore.
type backupFlags struct {
	dataDir, file string
}

// parseBackup reads the command line of backup and restore. The data directory is that of the configuration.
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
	cfg, err := config.Load(config.LoadOptions{Service: config.Iotmon, Args: given, Environ: os.Environ()})
	if err != nil {
		return nil, err
	}
	return &backupFlags{dataDir: cfg.DataDir, file: set.Arg(0)}, nil
}

// RunBackup writes a backup of a data directory, in use or not, and returns the exit status. Help is the answer to -h.
func RunBackup(ctx context.Context, args []string, help string, stdout, stderr io.Writer) int {
	return runBackupCommand("backup", args, help, stdout, stderr, func(f *backupFlags) error {
		began := time.Now()
		list, err := saveBackup(ctx, f, stdout)
		if err == nil {
			fmt.Fprintf(stderr, "%s: %s of %s, in %v\n", f.file, contents(list), f.dataDir, time.Since(began).Round(time.Millisecond))
		}
		return err
	})
}

// contents tells how much a backup holds.
func contents(list *backup.List) string {
	return fmt.Sprintf("%d files, %.1f MB", len(list.Files), float64(list.Bytes())/1e6)
}

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

// saveBackup writes the backup to the file, or to stdout for -. A file is there only when all of it is, and has been read
// again.
func saveBackup(ctx context.Context, f *backupFlags, stdout io.Writer) (*backup.List, error) {
	if f.file == "-" {
		return takeBackup(ctx, f.dataDir, stdout)
	}
	if _, err := os.Lstat(f.file); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is there already", f.file)
	}
	// Under a name of its own, as another may be writing the same backup; and only its owner may read it, since readings may
	// be nobody else's business.
	partial, err := os.CreateTemp(filepath.Dir(f.file), filepath.Base(f.file)+".partial-*")
	if err != nil {
		return nil, err
	}
	list, err := takeBackup(ctx, f.dataDir, partial)
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

// publish gives a file its name, unless another file has it by now.
func publish(partial, name string) error {
	switch err := os.Link(partial, name); {
	case err == nil:
		return os.Remove(partial)
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s is there already", name)
	default: // A file system without links.
		return os.Rename(partial, name)
	}
}

func verifyFile(file *os.File) (*backup.List, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return backup.Verify(file)
}

// takeBackup has the iotmon that runs on the directory make the backup, or makes it if none does.
func takeBackup(ctx context.Context, dataDir string, to io.Writer) (list *backup.List, err error) {
	if _, err := os.Stat(filepath.Join(dataDir, databaseFile)); err != nil {
		return nil, fmt.Errorf("%s is no data directory of iotmon: %w", dataDir, err)
	}
	if err := refuseHalfRestored(dataDir); err != nil {
		return nil, err
	}
	release := func() error { return nil }
	defer func() { err = errors.Join(err, release()) }()
	made, err := prepareBackup(ctx, dataDir, func(_ context.Context, into string) (files []embedded.File, err error) {
		files, unlock, err := embedded.SnapshotStopped(filepath.Join(dataDir, brokerDir), into)
		if err == nil {
			release = unlock
		}
		return files, err
	})
	switch {
	case errors.Is(err, embedded.ErrInUse):
		return askForBackup(ctx, dataDir, to)
	case err != nil:
		return nil, err
	}
	defer made.remove()
	return made.write(to, versionName())
}

func askForBackup(ctx context.Context, dataDir string, to io.Writer) (*backup.List, error) {
	running, err := readControl(dataDir)
	if err != nil {
		return nil, fmt.Errorf("%s is in use, and how to ask is not known: %w", dataDir, err)
	}
	body, err := running.ask(ctx, "/backup")
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return backup.Verify(io.TeeReader(body, to))
}
