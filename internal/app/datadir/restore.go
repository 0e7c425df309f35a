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

// restorePrefix begins the name of the work directory of a restore, which is inside the data directory. It exists until the
// restore is complete.
const restorePrefix = "restoring-"

// Restore creates a data directory from a backup, completely or not at all, and returns the list of the backup. The directory
// must not exist or be empty. Restore writes only inside it: a disk may be mounted there, or the user may not be allowed to
// write elsewhere. The backup is opened after the directory has been checked.
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
		_ = os.Remove(dataDir) // Fails, as it should, if somebody else has put a file there.
	}
	return list, err
}

// makeDir makes a directory if there is none, and reports whether it has made it.
func makeDir(dir string) (made bool, err error) {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return true, os.MkdirAll(dir, 0o755)
}

// fill extracts a backup into the work directory, moves the files from there to dir, and removes the work directory. As long as
// the work directory exists, no iotmon uses dir: see RefuseHalfRestored. If the extraction fails, the work directory is removed.
func fill(from io.Reader, dir, work string) (*backup.List, error) {
	list, err := backup.Extract(from, work)
	if err == nil {
		err = refuseFull(dir, filepath.Base(work)) // Another restore may have begun at the same moment.
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

// refuseFull returns an error if a directory has any entry other than the one named except.
func refuseFull(dir, except string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		// Every new file system of the ext family has a directory lost+found.
		if name := entry.Name(); name != except && name != "lost+found" {
			return fmt.Errorf("%s is not empty: move it away, or name another with -data-dir", dir)
		}
	}
	return err
}

// RefuseHalfRestored returns an error for a data directory in which a restore has not finished: it may have the log without
// the database that belongs to it.
func RefuseHalfRestored(dataDir string) error {
	entries, err := os.ReadDir(dataDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), restorePrefix) {
			return fmt.Errorf("%s: a restore is under way or was interrupted: wait for it, or empty the directory and restore again", dataDir)
		}
	}
	return err
}
