package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// ErrIncomplete means that a backup was cut off.
var ErrIncomplete = errors.New("the backup ends too early: it was not written to its end, or not copied to it")

// maxList bounds the list of files.
const maxList = 64 << 20

// Verify reads a backup to its end and returns its list. It returns an error unless all of it is there and as it was written.
func Verify(r io.Reader) (*List, error) {
	return read(r, func(string, io.Reader) error { return nil })
}

// Extract writes the files of a backup into a directory, which must be there and empty, and returns once they are on the disk.
// After an error some of the files may be there.
func Extract(r io.Reader, dir string) (*List, error) {
	root, err := os.OpenRoot(dir) // Nothing is written outside of it, whatever names a backup has.
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }() // Each file has been closed by itself.
	return read(r, func(name string, content io.Reader) error {
		if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
		file, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		_, err = io.Copy(file, content)
		return errors.Join(err, file.Sync(), file.Close())
	})
}

// read gives every file to take, which may leave some of it unread, and compares all of them with the list.
func read(r io.Reader, take func(name string, content io.Reader) error) (*List, error) {
	decompressed, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("not a backup: %w", complete(err))
	}
	archive := tar.NewReader(decompressed)
	var found []File
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil, ErrIncomplete // The list would have come first.
		}
		if err != nil {
			return nil, fmt.Errorf("read the backup: %w", complete(err))
		}
		if header.Name == listName {
			return finish(archive, decompressed, found)
		}
		if header.Typeflag != tar.TypeReg || sparse(header) || !filepath.IsLocal(filepath.FromSlash(header.Name)) {
			return nil, fmt.Errorf("not a backup of iotmon: it holds %.100q", header.Name)
		}
		sum := sha256.New()
		content := io.TeeReader(archive, sum)
		if err := take(header.Name, content); err != nil {
			return nil, fmt.Errorf("%s: %w", header.Name, complete(err))
		}
		if _, err := io.Copy(io.Discard, content); err != nil {
			return nil, fmt.Errorf("%s: %w", header.Name, complete(err))
		}
		found = append(found, File{Name: header.Name, Size: header.Size, SHA256: hex.EncodeToString(sum.Sum(nil))})
	}
}

// sparse reports whether a file has holes, which take no room in the archive and any amount of it on the disk.
func sparse(header *tar.Header) bool {
	for key := range header.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse") {
			return true
		}
	}
	return false
}

// finish reads the list and what follows it, which is nothing but the end.
func finish(archive io.Reader, decompressed *gzip.Reader, found []File) (*List, error) {
	text, err := io.ReadAll(io.LimitReader(archive, maxList))
	if err != nil {
		return nil, fmt.Errorf("read the backup's list: %w", complete(err))
	}
	if _, err := io.Copy(io.Discard, decompressed); err != nil { // The checksum of it all is at the end.
		return nil, fmt.Errorf("read the backup: %w", complete(err))
	}
	list := new(List)
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(list); err != nil {
		return nil, fmt.Errorf("read the backup's list: %w", err)
	}
	switch {
	case list.Format > format:
		return nil, fmt.Errorf("the backup has format %d, and this program knows %d at most: use a newer one", list.Format, format)
	case list.Format < 1 || !slices.Equal(list.Files, found):
		return nil, errors.New("the backup is damaged: its files are not those of its list")
	}
	return list, nil
}

// complete says of an end that came too early what that means.
func complete(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return ErrIncomplete
	}
	return err
}
