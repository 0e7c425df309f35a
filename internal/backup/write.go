package backup

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
)

// Writer writes a backup file by file.
type Writer struct {
	compressed *gzip.Writer
	archive    *tar.Writer
	list       List
}

// NewWriter returns a writer to w. List needs its Created and Version.
func NewWriter(w io.Writer, list List) (*Writer, error) {
	// The log is already compressed, and a backup should use little CPU time.
	compressed, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	list.Format, list.Files = format, nil
	return &Writer{compressed, tar.NewWriter(compressed), list}, nil
}

// Add writes the first size bytes of content as the file of that name.
func (w *Writer) Add(name string, content io.Reader, size int64) error {
	if err := w.begin(name, size); err != nil {
		return fmt.Errorf("back up %s: %w", name, err)
	}
	sum := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(w.archive, sum), content, size); err != nil {
		return fmt.Errorf("back up %s: %w", name, err)
	}
	w.list.Files = append(w.list.Files, File{Name: name, Size: size, SHA256: hex.EncodeToString(sum.Sum(nil))})
	return nil
}

func (w *Writer) begin(name string, size int64) error {
	return w.archive.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: w.list.Created, Format: tar.FormatPAX,
	})
}

// Close writes the list and ends the backup. Without Close the backup is invalid.
func (w *Writer) Close() (*List, error) {
	text, err := json.MarshalIndent(w.list, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := w.begin(listName, int64(len(text))); err != nil {
		return nil, err
	}
	if _, err := w.archive.Write(text); err != nil {
		return nil, err
	}
	return &w.list, errors.Join(w.archive.Close(), w.compressed.Close())
}
