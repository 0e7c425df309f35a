package datadir

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
	"iotmon/internal/kafka/embedded"
	"iotmon/internal/store/sqlite"
)

// backupPrefix begins the name of the directory, inside the data directory, in which a backup is prepared.
const backupPrefix = "backup-"

// Prepared is a backup that is not written yet: copies of log and database as they were at one moment. It occupies disk space
// until Remove is called.
type Prepared struct {
	dir     string
	created time.Time
	log     []embedded.File
}

// Prepare copies the databases and the log of a data directory into a directory inside it. The call of snapshot copies the log.
// It is made while the copies of the databases are already fixed, so the log contains everything that they lack, and an iotmon that
// starts with all of them goes on as after a kill -9.
func Prepare(ctx context.Context, dataDir string, snapshot func(ctx context.Context, into string) ([]embedded.File, error)) (*Prepared, error) {
	dir, err := os.MkdirTemp(dataDir, backupPrefix)
	if err != nil {
		return nil, err
	}
	p := &Prepared{dir: dir}
	err = sqlite.Backup(ctx, Database(dataDir), Database(dir), func() error {
		return backupDecisions(ctx, dataDir, dir, func() (err error) {
			p.created = time.Now().UTC()
			p.log, err = snapshot(ctx, dir)
			return err
		})
	})
	if err != nil {
		p.Remove()
		return nil, err
	}
	return p, nil
}

// backupDecisions copies what people have decided, as it was before pinned is called. A data directory of an older version has none.
func backupDecisions(ctx context.Context, dataDir, dir string, pinned func() error) error {
	if _, err := os.Stat(Decisions(dataDir)); errors.Is(err, fs.ErrNotExist) {
		return pinned()
	}
	return sqlite.Backup(ctx, Decisions(dataDir), Decisions(dir), pinned)
}

// Remove removes the copies.
func (p *Prepared) Remove() { _ = os.RemoveAll(p.dir) } // If it fails, RemoveLeftovers does it at the next start.

// Write writes the copies to w as a backup file and returns the list of its contents. version is that of the program, for the
// list. The copies stay on the disk until Remove.
func (p *Prepared) Write(w io.Writer, version string) (*backup.List, error) {
	out, err := backup.NewWriter(w, backup.List{Created: p.created, Version: version})
	if err != nil {
		return nil, err
	}
	for _, file := range p.log {
		if err := addFile(out, brokerDir+"/"+file.Name, file.Path, file.Size); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{databaseFile, decisionsFile} {
		path := filepath.Join(p.dir, name)
		info, err := os.Stat(path)
		if name == decisionsFile && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := addFile(out, name, path, info.Size()); err != nil {
			return nil, err
		}
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

// RemoveLeftovers removes the directories of backups that were killed before they had removed them.
func RemoveLeftovers(dataDir string) error {
	entries, err := os.ReadDir(dataDir)
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), backupPrefix) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dataDir, entry.Name())))
		}
	}
	return err
}

// Backup writes a backup of a data directory and returns the list of what is in it. If an iotmon runs on the directory, Backup
// asks it for the backup; otherwise it locks the directory and makes the backup itself. After an error, what has been written
// is not a backup.
func Backup(ctx context.Context, dataDir, version string, to io.Writer) (list *backup.List, err error) {
	if _, err := os.Stat(Database(dataDir)); err != nil {
		return nil, fmt.Errorf("%s is not a data directory of iotmon: %w", dataDir, err)
	}
	if err := RefuseHalfRestored(dataDir); err != nil {
		return nil, err
	}
	release := func() error { return nil }
	defer func() { err = errors.Join(err, release()) }()
	made, err := Prepare(ctx, dataDir, func(_ context.Context, into string) (files []embedded.File, err error) {
		files, unlock, err := embedded.SnapshotStopped(Broker(dataDir), into)
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
	defer made.Remove()
	return made.Write(to, version)
}

// askForBackup has the running iotmon make the backup, and verifies it while it arrives.
func askForBackup(ctx context.Context, dataDir string, to io.Writer) (*backup.List, error) {
	running, err := readControl(dataDir)
	if err != nil {
		return nil, fmt.Errorf("%s is in use, but the running iotmon cannot be asked for a backup: %w", dataDir, err)
	}
	body, err := running.ask(ctx, "/backup")
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return backup.Verify(io.TeeReader(body, to))
}
