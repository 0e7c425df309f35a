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
var ErrIncomplete = errors.New("the backup ends too early: it was not written or copied completely")

// maxList is the maximum size of the list of files in bytes.
const maxList = 64 << 20

// Verify reads a whole backup and returns its list. It returns an error if anything is missing or damaged.
func Verify(r io.Reader) (*List, error) {
	return read(r, func(string, io.Reader) error { return nil })
}

// Extract writes the files of a backup to an existing empty directory, and returns once they are synced to disk. After an
// error some of the files may exist.
func Extract(r io.Reader, dir string) (*List, error) {
	root, err := os.OpenRoot(dir) // Prevents writes outside of the directory.
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

// read calls use for every file, which need not read all of it, and compares all files with the list.
func read(r io.Reader, use func(name string, content io.Reader) error) (*List, error) {
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
		if err := use(header.Name, content); err != nil {
			return nil, fmt.Errorf("%s: %w", header.Name, complete(err))
		}
		if _, err := io.Copy(io.Discard, content); err != nil {
			return nil, fmt.Errorf("%s: %w", header.Name, complete(err))
		}
		found = append(found, File{Name: header.Name, Size: header.Size, SHA256: hex.EncodeToString(sum.Sum(nil))})
	}
}

// sparse reports whether a file has holes, which are small in the archive but may be of any size on disk.
func sparse(header *tar.Header) bool {
	for key := range header.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse") {
			return true
		}
	}
	return false
}

// finish reads the list, after which the backup must end.
func finish(archive io.Reader, decompressed *gzip.Reader, found []File) (*List, error) {
	text, err := io.ReadAll(io.LimitReader(archive, maxList))
	if err != nil {
		return nil, fmt.Errorf("read the backup's list: %w", complete(err))
	}
	if _, err := io.Copy(io.Discard, decompressed); err != nil { // gzip's checksum is at the end.
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

// complete converts an unexpected EOF to ErrIncomplete.
func complete(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return ErrIncomplete
	}
	return err
}
