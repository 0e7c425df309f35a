package app

import (
	"context"
	"log/slog"

	"iotmon/internal/config"
	"iotmon/internal/kafka/processor"
)

// FinishUpgrade tells all consumers of a cluster that none of an older version is left, so that they may write what an older one
// does not know. It returns the number of partitions that it has told.
func FinishUpgrade(ctx context.Context, cfg *config.Config) (partitions int, err error) {
	dial, err := newDial(cfg)
	if err != nil {
		return 0, err
	}
	dial.ClientID, dial.Logger = "iotmon-upgrade", slog.New(slog.DiscardHandler)
	return processor.FinishUpgrade(ctx, dial, newTopics(cfg).Readings)
}
