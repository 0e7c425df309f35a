package control

import (
	"context"
	"log/slog"
	"time"

	"iotmon/internal/retry"
)

// PrunerOptions configure a Pruner. All fields are required.
type PrunerOptions struct {
	Store Store
	// Retention is how long audit entries are kept.
	Retention time.Duration
	Now       func() time.Time
	Logger    *slog.Logger
}

const (
	// pruneEvery is how often old audit entries are removed, pruneBatch how many in one transaction, so that nobody who decides waits
	// for long.
	pruneEvery = time.Hour
	pruneBatch = 1000
)

// Pruner removes old audit entries. Any number of processes may run one on a database.
type Pruner struct{ PrunerOptions }

// NewPruner returns a pruner; Run does the work.
func NewPruner(options PrunerOptions) *Pruner { return &Pruner{options} }

// Run removes old entries at once, and every hour, until ctx ends. A failure only delays it.
func (p *Pruner) Run(ctx context.Context) error {
	for {
		removed, err := p.prune(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			p.Logger.Warn("old audit entries are not removed at the moment; it is tried again", "after", pruneEvery, "error", err)
		case removed > 0:
			p.Logger.Info("old audit entries were removed", "entries", removed)
		}
		if retry.Wait(ctx, pruneEvery) != nil {
			return nil
		}
	}
}

// prune removes the entries that are older than the retention, both by this clock and counted from the newest entry: a clock that is years
// ahead must not remove everything.
func (p *Pruner) prune(ctx context.Context) (removed int, err error) {
	newest, err := p.Store.Audit(ctx, AuditQuery{Limit: 1})
	if err != nil || len(newest) == 0 {
		return 0, err
	}
	now := p.Now()
	if newest[0].Time.Before(now) {
		now = newest[0].Time
	}
	for {
		n, err := p.Store.PruneAudit(ctx, now.Add(-p.Retention), pruneBatch)
		removed += n
		if err != nil || n < pruneBatch {
			return removed, err
		}
	}
}
