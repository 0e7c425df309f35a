package sqlite

import (
	"errors"
	"fmt"
	"slices"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// refused reports whether SQLite refuses what a row holds, however often it is written. Nothing that admission lets through is;
// this is for what nobody has thought of.
func refused(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && slices.Contains([]int{sqlite3.SQLITE_CONSTRAINT_NOTNULL, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH}, e.Code())
}

// pass returns nil for an error that is only what a row holds, and has it told of once the batch is committed: without that row,
// which the log would bring again for ever. The statement that failed has changed nothing.
func (w *batchWriter) skipRefused(err error, format string, args ...any) error {
	if !refused(err) {
		return err
	}
	w.leftOut = append(w.leftOut, fmt.Errorf(format+": %w", append(args, err)...))
	return nil
}
