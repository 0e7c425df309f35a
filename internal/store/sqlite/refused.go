package sqlite

import (
	"errors"
	"fmt"
	"slices"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// refused reports whether SQLite refuses the content of a row, so that a retry fails too. Admission should have rejected
// such content already; this is a safety net.
func refused(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && slices.Contains([]int{sqlite3.SQLITE_CONSTRAINT_NOTNULL, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH}, e.Code())
}

// skipRefused returns nil for an error that is due to the content of a row, and records it in leftOut: the batch is
// committed without that row, because retrying it would fail forever. The failed statement has changed nothing.
func (w *batchWriter) skipRefused(err error, format string, args ...any) error {
	if !refused(err) {
		return err
	}
	w.leftOut = append(w.leftOut, fmt.Errorf(format+": %w", append(args, err)...))
	return nil
}
