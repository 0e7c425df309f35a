package datadir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"iotmon/internal/backup"
)

// restorePrefix begins the name of the directory, in the one that is being restored, that holds what is not there as a whole
// yet.
const restorePrefix = "restoring-"

// Restore makes the data directory of a backup, whole or not at all. All of it is made inside of that directory, which may be
// where a disk is mounted, or where its owner may write and nowhere else. The backup is opened once the directory is known to be
// empty.
func Restore(dataDir string, open func() (io.ReadCloser, error)) (list *backup.List, err error) {
	if err := refuseFull(dataDir, ""); err != nil {
		return nil, err
	}
	from, err := open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = from.Close() }() // It was only read.
	made, err := makeDir(dataDir)
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp(dataDir, restorePrefix)
	if err == nil {
		list, err = fill(from, dataDir, work)
	}
	if err != nil && made {
		_ = os.Remove(dataDir) // Unless something else has come into it.
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
// directory is not used: see RefuseHalfRestored.
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

// RefuseHalfRestored refuses a data directory in which a restore has not come to its end: it may have a log of one moment
// without the database that belongs to it.
func RefuseHalfRestored(dataDir string) error {
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
