package sqlite_test

import (
	"path/filepath"
	"testing"

	"iotmon/internal/store/sqlite"
	"iotmon/internal/store/storetest"
)

func TestNotify(t *testing.T) {
	storetest.RunNotify(t, func(t *testing.T) storetest.NotifyStore {
		s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "iotmon.db"), ReadingsTopic: storetest.Topic})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s.Notify()
	})
}
