package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// File is a file of a snapshot. It may grow; the snapshot has its first Size bytes.
type File struct {
	// Name is relative to the broker's directory, with slashes. Path is the path of the link to read from.
	Name, Path string
	Size       int64
}

// Snapshot creates hard links to all files of the log, in a directory of the same file system, and returns them. Together they are the
// log as a kill -9 at one moment would have left it. The broker handles no request meanwhile, about ten microseconds for each file.
func (b *Broker) Snapshot(ctx context.Context, into string) ([]File, error) {
	client, err := kgo.NewClient(b.connect()...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	// kfake handles one request at a time, so nothing is written while it handles this one. No other client sends this kind of request.
	request := kmsg.NewPtrDescribeUserSCRAMCredentialsRequest()
	type result struct {
		files []File
		err   error
	}
	var begun atomic.Bool
	linked := make(chan result, 1)
	b.cluster.ControlKey(request.Key(), func(asked kmsg.Request) (kmsg.Response, error, bool) {
		if !begun.Swap(true) {
			files, err := linkLog(b.dir, into)
			linked <- result{files, err}
		}
		return asked.ResponseKind(), nil, true
	})
	if _, err := request.RequestWith(ctx, client); err != nil && !begun.Swap(true) {
		return nil, fmt.Errorf("hold the embedded broker: %w", err)
	}
	r := <-linked
	return r.files, r.err
}

// SnapshotStopped is Snapshot for the directory of a broker that is not running. No broker can start there until release is called.
// The error is ErrInUse if one is running.
func SnapshotStopped(dir, into string) (files []File, release func() error, err error) {
	lock, err := acquire(dir)
	if err != nil {
		return nil, nil, err
	}
	if files, err = linkLog(dir, into); err != nil {
		return nil, nil, errors.Join(err, lock.Close())
	}
	return files, lock.Close, nil
}

// linkLog links the files of the log of a broker's directory. Links are enough, because kfake only appends to a file or replaces it.
func linkLog(dir, into string) ([]File, error) {
	var files []File
	err := filepath.WalkDir(filepath.Join(dir, "log"), func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // Nothing has been written yet.
		case err != nil || entry.IsDir() || strings.HasSuffix(path, ".tmp"):
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		link := filepath.Join(into, name)
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			return err
		}
		if err := os.Link(path, link); err != nil {
			return err
		}
		info, err := os.Stat(link)
		if err != nil {
			return err
		}
		files = append(files, File{Name: filepath.ToSlash(name), Path: link, Size: info.Size()})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("snapshot of the log: %w", err)
	}
	return files, nil
}
