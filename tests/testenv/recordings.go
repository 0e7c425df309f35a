package testenv

import (
	"os"
	"path/filepath"
	"testing"
)

// Recordings returns the directory of the recordings of one kind, such as field: in the directory that IOTMON_SHARED_DATA
// names, or beside the project. They are not part of it, so where there are none the test is skipped; in continuous
// integration, which has them, that is a failure.
func Recordings(t testing.TB, kind string) string {
	t.Helper()
	data := os.Getenv("IOTMON_SHARED_DATA")
	if data == "" {
		data = "../../../shared/data"
	}
	data = filepath.Join(data, kind)
	if _, err := os.Stat(data); err != nil {
		Lacks(t, "no recordings (%v); IOTMON_SHARED_DATA names their directory", err)
	}
	return data
}

// Lacks skips a test for want of something that not every machine has; in continuous integration it fails.
func Lacks(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}
