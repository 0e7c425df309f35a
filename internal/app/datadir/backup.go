package datadir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"iotmon/internal/backup"
	"iotmon/internal/kafka/embedded"
	"iotmon/internal/store/sqlite"
)

// backupPrefix begins the names of directories in the data directory that a backup needs while it is made.
const backupPrefix = "backup-"

// Prepared is a backup that has everything as it was at one moment, and has yet to be written.
type Prepared struct {
	dir     string
	created time.Time
	log     []embedded.File
}

// Prepare takes hold of what is in the data directory: of the database first, then of the log. So the log has
// everything that the database does not have yet, and whoever starts on both goes on from there, as after a kill -9.
func Prepare(ctx context.Context, dataDir string, snapshot func(ctx context.Context, into string) ([]embedded.File, error)) (*Prepared, error) {
	dir, err := os.MkdirTemp(dataDir, backupPrefix)
	if err != nil {
		return nil, err
	}
	p := &Prepared{dir: dir}
	err = sqlite.Backup(ctx, Database(dataDir), Database(dir), func() (err error) {
		p.created = time.Now().UTC()
		p.log, err = snapshot(ctx, dir)
		return err
	})
	if err != nil {
		p.Remove()
		return nil, err
	}
	return p, nil
}

// Remove gives back what the backup has taken of the disk.
func (p *Prepared) Remove() { _ = os.RemoveAll(p.dir) } // What is left is removed at the next start.

// Write writes the backup of a program of the version.
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
	database := Database(p.dir)
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

// RemoveLeftovers removes what backups have left that were killed while they were made.
func RemoveLeftovers(dataDir string) error {
	entries, err := os.ReadDir(dataDir)
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), backupPrefix) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dataDir, entry.Name())))
		}
	}
	return err
}

// Backup has the iotmon that runs on the directory make the backup, or makes it if none does.
func Backup(ctx context.Context, dataDir, version string, to io.Writer) (list *backup.List, err error) {
	if _, err := os.Stat(Database(dataDir)); err != nil {
		return nil, fmt.Errorf("%s is no data directory of iotmon: %w", dataDir, err)
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
