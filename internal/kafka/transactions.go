package kafka

import (
	"strings"
	"time"

	"github.com/google/uuid"
)

// TransactionTimeout is when the broker ends the transaction of a processor that died: until then a successor waits.
const TransactionTimeout = 15 * time.Second

// settingsTransaction begins the names of transactions that append settings.
const settingsTransaction = "iotmon-settings-"

// NewTransactionID returns a name for the transactions of one session of a group's member. No name is given twice: after a kill -9
// the embedded broker drops an open transaction correctly only if its id never comes back.
func NewTransactionID(group string) string { return group + "-" + uuid.NewString() }

// NewSettingsTransactionID returns a name for a transaction that appends settings; see NewTransactionID.
func NewSettingsTransactionID() string { return settingsTransaction + uuid.NewString() }

// isOwnTransaction reports whether a name was given to a member of the group or to a transaction that appends settings.
func isOwnTransaction(id, group string) bool {
	for _, prefix := range []string{group + "-", settingsTransaction} {
		if rest, has := strings.CutPrefix(id, prefix); has && uuid.Validate(rest) == nil {
			return true // Another group's name may begin with this one's.
		}
	}
	return false
}
