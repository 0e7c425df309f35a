package postgres

import (
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// The SQLSTATEs that the store acts on; see https://www.postgresql.org/docs/current/errcodes-appendix.html.
const (
	notNullViolation     = "23502"
	uniqueViolation      = "23505"
	checkViolation       = "23514"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	lockNotAvailable     = "55P03"
	readOnlyTransaction  = "25006"
)

// code returns the SQLSTATE of an error of the server, "" for any other.
func code(err error) string {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return server.Code
	}
	return ""
}

// Transient reports whether an operation that failed with err may succeed when it is simply done again: the connection
// was lost or could not be made, the server is starting, stopping or short of something, or two transactions got in each
// other's way. It is false for what somebody has to put right: rights, a missing database, a wrong password, a
// schema that does not fit. An archiver repeats either, for somebody may put it right; the difference is what to tell.
func Transient(err error) bool {
	if err == nil {
		return false
	}
	state := code(err)
	if state == "" {
		// The server did not say anything: it was not reached, or the connection or the context has ended.
		return true
	}
	// 08 connection, 40 rollback, 53 resources, 55P03 lock, 57 operator intervention, 58 system error.
	return slices.Contains([]string{"08", "40", "53", "57", "58"}, state[:2]) ||
		slices.Contains([]string{lockNotAvailable, readOnlyTransaction}, state)
}

// lost reports whether err says that a connection has ended that was there before.
func lost(err error) bool {
	var refused *pgconn.ConnectError
	if errors.As(err, &refused) {
		return false // It could not be made.
	}
	state := code(err)
	return state == "" || strings.HasPrefix(state, "57P") // 57P01 to 57P05 are what a server says when it ends a connection.
}

// repeatable reports whether a transaction that was rolled back for err should be begun again at once: another one got in
// its way, or the partition that it needs has just been dropped.
func repeatable(err error) bool {
	return slices.Contains([]string{serializationFailure, deadlockDetected, checkViolation}, code(err))
}
