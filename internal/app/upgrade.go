package app

import (
	"context"
	"log/slog"

	"iotmon/internal/config"
	"iotmon/internal/kafka/processor"
)

// FinishUpgrade records in every partition that no consumer of an older version is left, so that consumers may write what an older one
// does not know. It returns the number of partitions.
func FinishUpgrade(ctx context.Context, cfg *config.Config) (partitions int, err error) {
	dial, err := newDial(cfg)
	if err != nil {
		return 0, err
	}
	dial.ClientID, dial.Logger = "iotmon-upgrade", slog.New(slog.DiscardHandler)
	return processor.FinishUpgrade(ctx, dial, newTopics(cfg).Readings)
}
