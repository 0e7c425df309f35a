package kafka

import (
	"strings"
	"time"

	"github.com/google/uuid"
)

// TransactionTimeout is how long a transaction may last before the broker aborts it. When a processor dies, the next owner of its
// partitions waits for that.
const TransactionTimeout = 15 * time.Second

// settingsTransaction is the prefix of the ids of transactions that append settings records.
const settingsTransaction = "iotmon-settings-"

// NewTransactionID returns a transactional id for one processor session of the group. An id is never used twice: after a kill -9 the
// embedded broker drops the open transaction correctly only if its id is never used again.
func NewTransactionID(group string) string { return group + "-" + uuid.NewString() }

// NewSettingsTransactionID returns an id for one transaction that appends settings records; see NewTransactionID.
func NewSettingsTransactionID() string { return settingsTransaction + uuid.NewString() }

// isOwnTransaction reports whether an id was returned by NewTransactionID for the group, or by NewSettingsTransactionID.
func isOwnTransaction(id, group string) bool {
	for _, prefix := range []string{group + "-", settingsTransaction} {
		if rest, has := strings.CutPrefix(id, prefix); has && uuid.Validate(rest) == nil {
			return true // The UUID is checked because another group's name may begin with "group-".
		}
	}
	return false
}
