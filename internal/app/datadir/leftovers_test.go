package datadir_test

import (
	"os"
	"path/filepath"
	"testing"

	"iotmon/internal/app/datadir"
)

// The name of the data directory must not be read as a pattern of file names.
func TestLeftoversAreRemovedWhateverTheDirectoryIsCalled(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data[1")
	for _, name := range []string{datadir.Broker(dir), filepath.Join(dir, "backup-7", "log")} {
		if err := os.MkdirAll(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := datadir.RemoveLeftovers(dir); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || entries[0].Name() != filepath.Base(datadir.Broker(dir)) {
		t.Errorf("got %v, want the broker's directory alone", entries)
	}
}
