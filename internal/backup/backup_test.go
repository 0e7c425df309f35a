package backup_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"iotmon/internal/backup"
)

var created = time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)

var contents = map[string]string{
	"iotmon.db":                            strings.Repeat("a page of the database", 1000),
	"kafka/log/partitions/device-data-0/0": "a segment",
	"kafka/log/empty":                      "",
}

// saved returns a backup of the contents.
func saved(t testing.TB) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := backup.NewWriter(&out, backup.List{Created: created, Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range contents {
		// A file may have grown; the backup has what was there.
		if err := w.Add(name, strings.NewReader(text+"later"), int64(len(text))); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := w.Close(); err != nil || len(list.Files) != len(contents) {
		t.Fatalf("got %+v, %v", list, err)
	}
	return out.Bytes()
}

func TestWhatIsSavedIsRestored(t *testing.T) {
	dir := t.TempDir()
	list, err := backup.Extract(bytes.NewReader(saved(t)), dir)
	if err != nil {
		t.Fatal(err)
	}
	if !list.Created.Equal(created) || list.Version != "1.2.3" || list.Bytes() != 22_009 {
		t.Errorf("got %+v", list)
	}
	for name, want := range contents {
		got, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil || string(got) != want {
			t.Errorf("%s: got %.20q, %v", name, got, err)
		}
	}
}

func TestAFileThatShrankIsNoBackup(t *testing.T) {
	w, err := backup.NewWriter(io.Discard, backup.List{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Add("short", strings.NewReader("half"), 8); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want that the file has ended", err)
	}
}

// Wherever a backup was cut off, that is noticed.
func TestCutOff(t *testing.T) {
	whole := saved(t)
	for length := range whole {
		if _, err := backup.Verify(bytes.NewReader(whole[:length])); !errors.Is(err, backup.ErrIncomplete) {
			t.Fatalf("%d of %d bytes: got %v, want %v", length, len(whole), err, backup.ErrIncomplete)
		}
	}
}

// Whichever bit of a backup is flipped, the damage is detected, or does not change the files.
func TestDamaged(t *testing.T) {
	whole := saved(t)
	want, err := backup.Verify(bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		for bit := range 8 {
			damaged := slices.Clone(whole)
			damaged[i] ^= 1 << bit
			if got, err := backup.Verify(bytes.NewReader(damaged)); err == nil && !slices.Equal(got.Files, want.Files) {
				t.Fatalf("bit %d of byte %d: got other files and no error", bit, i)
			}
		}
	}
}

// packed returns a compressed tar with entries.
func packed(t testing.TB, entries ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	compressed := gzip.NewWriter(&out)
	archive := tar.NewWriter(compressed)
	for _, header := range entries {
		text := header.Uname // There is nothing else to carry it.
		header.Uname, header.Size = "", int64(len(text))
		if err := archive.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(archive, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), compressed.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestOthersAreRefused(t *testing.T) {
	empty := `e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855`
	for name, test := range map[string]struct {
		backup []byte
		want   string
	}{
		"nothing":     {nil, "not a backup"},
		"text":        {[]byte("some text, long enough for a header"), "not a backup"},
		"no list":     {packed(t, tar.Header{Name: "iotmon.db"}), backup.ErrIncomplete.Error()},
		"upwards":     {packed(t, tar.Header{Name: "../evil"}), `"../evil"`},
		"absolute":    {packed(t, tar.Header{Name: "/etc/evil"}), `"/etc/evil"`},
		"a link":      {packed(t, tar.Header{Name: "kafka", Linkname: "/etc", Typeflag: tar.TypeSymlink}), `"kafka"`},
		"newer":       {packed(t, tar.Header{Name: "backup.json", Uname: `{"format":2}`}), "use a newer one"},
		"no format":   {packed(t, tar.Header{Name: "backup.json", Uname: `{}`}), "damaged"},
		"other files": {packed(t, tar.Header{Name: "backup.json", Uname: `{"format":1,"files":[{"name":"a"}]}`}), "damaged"},
		"twice": {packed(t, tar.Header{Name: "a"}, tar.Header{Name: "a"}, tar.Header{Name: "backup.json",
			Uname: `{"format":1,"files":[{"name":"a","size":0,"sha256":"` + empty + `"},{"name":"a","size":0,"sha256":"` + empty + `"}]}`}), "exists"},
	} {
		dir := t.TempDir()
		if _, err := backup.Extract(bytes.NewReader(test.backup), dir); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, test.want)
		}
	}
}

func FuzzExtract(f *testing.F) {
	for _, whole := range [][]byte{
		saved(f), packed(f, tar.Header{Name: "a/../../b", Uname: "text"}, tar.Header{Name: "backup.json", Uname: `{"format":1}`}),
	} {
		decompressed, err := gzip.NewReader(bytes.NewReader(whole))
		if err != nil {
			f.Fatal(err)
		}
		text, err := io.ReadAll(decompressed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		// What is inside: few changes of compressed bytes lead anywhere.
		var out bytes.Buffer
		stored, err := gzip.NewWriterLevel(&out, gzip.NoCompression)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stored.Write(text); err != nil {
			t.Fatal(err)
		}
		if err := stored.Close(); err != nil {
			t.Fatal(err)
		}
		parent := t.TempDir()
		dir := filepath.Join(parent, "in", "here")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		_, _ = backup.Extract(&out, dir)
		if entries, err := os.ReadDir(filepath.Join(parent, "in")); err != nil || len(entries) != 1 {
			t.Errorf("something was written outside of the directory: %v, %v", entries, err)
		}
	})
}
