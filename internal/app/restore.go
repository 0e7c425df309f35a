package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"iotmon/internal/backup"
)

// restorePrefix begins the name of the directory, in the one that is being restored, that holds what is not there as a whole
// yet.
const restorePrefix = "restoring-"

// RunRestore makes a data directory of a backup and returns the exit status. Help is the answer to -h.
func RunRestore(_ context.Context, args []string, help string, stdin io.Reader, stdout, stderr io.Writer) int {
	return runBackupCommand("restore", args, help, stdout, stderr, func(f *backupFlags) error {
		list, err := restoreBackup(f, stdin)
		if err == nil {
			fmt.Fprintf(stderr, "%s: %s, as it was at %s\n", f.dataDir, contents(list), list.Created.Format(time.RFC3339))
		}
		return err
	})
}

// restoreBackup makes the data directory, whole or not at all. All of it is made inside of that directory, which may be where
// a disk is mounted, or where its owner may write and nowhere else.
func restoreBackup(f *backupFlags, stdin io.Reader) (list *backup.List, err error) {
	if err := refuseFull(f.dataDir, ""); err != nil {
		return nil, err
	}
	from := stdin
	if f.file != "-" {
		file, err := os.Open(f.file)
		if err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }() // It was only read.
		from = file
	}
	made, err := makeDir(f.dataDir)
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp(f.dataDir, restorePrefix)
	if err == nil {
		list, err = fill(from, f.dataDir, work)
	}
	if err != nil && made {
		_ = os.Remove(f.dataDir) // Unless something else has come into it.
	}
	return list, err
}

// makeDir makes a directory unless it is there, and reports whether it did.
func makeDir(dir string) (made bool, err error) {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return true, os.MkdirAll(dir, 0o755)
}

// fill brings a backup into a directory by way of the one inside of it, which is gone afterwards. As long as that is there, the
// directory is not used: see refuseHalfRestored.
func fill(from io.Reader, dir, work string) (*backup.List, error) {
	list, err := backup.Extract(from, work)
	if err == nil {
		err = refuseFull(dir, filepath.Base(work)) // Somebody else may have begun at the same moment.
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(work))
	}
	entries, err := os.ReadDir(work)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if err := os.Rename(filepath.Join(work, entry.Name()), filepath.Join(dir, entry.Name())); err != nil {
			return nil, err
		}
	}
	return list, os.Remove(work)
}

// refuseFull refuses a directory that has anything in it but what is named.
func refuseFull(dir, but string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		// Every new file system of the ext family has that one.
		if name := entry.Name(); name != but && name != "lost+found" {
			return fmt.Errorf("%s is not empty: move it away, or name another with -data-dir", dir)
		}
	}
	return err
}

// refuseHalfRestored refuses a data directory in which a restore has not come to its end: it may have a log of one moment
// without the database that belongs to it.
func refuseHalfRestored(dataDir string) error {
	entries, err := os.ReadDir(dataDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), restorePrefix) {
			return fmt.Errorf("%s: a restore is under way there, or was interrupted: wait for it, or empty the directory and restore again", dataDir)
		}
	}
	return err
}
