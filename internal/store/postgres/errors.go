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

// Transient reports whether an operation that failed with err may succeed if it is repeated: the connection was lost or
// could not be made, the server is starting, stopping or short of resources, or two transactions were in conflict. It is
// false for what an operator has to correct: permissions, a missing database, a wrong password, an unsuitable schema. An
// archiver retries in both cases, but reports them differently.
func Transient(err error) bool {
	if err == nil {
		return false
	}
	state := code(err)
	if state == "" {
		// No answer from the server: it was not reached, or the connection or the context has ended.
		return true
	}
	// 08 connection, 40 rollback, 53 resources, 55P03 lock, 57 operator intervention, 58 system error.
	return slices.Contains([]string{"08", "40", "53", "57", "58"}, state[:2]) ||
		slices.Contains([]string{lockNotAvailable, readOnlyTransaction}, state)
}

// lost reports whether err means that an existing connection has ended.
func lost(err error) bool {
	var refused *pgconn.ConnectError
	if errors.As(err, &refused) {
		return false // It could not be made.
	}
	state := code(err)
	return state == "" || strings.HasPrefix(state, "57P") // A server ends a connection with 57P01 to 57P05.
}

// repeatable reports whether a transaction that was rolled back for err should be repeated at once: it was in conflict with
// another, or the partition that it needs was just dropped.
func repeatable(err error) bool {
	return slices.Contains([]string{serializationFailure, deadlockDetected, checkViolation}, code(err))
}
