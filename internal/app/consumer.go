package app

import (
	"context"
	"slices"
	"time"

	"iotmon/internal/archive"
	"iotmon/internal/cache/redis"
	"iotmon/internal/config"
	"iotmon/internal/kafka/feed"
	"iotmon/internal/kafka/processor"
	"iotmon/internal/observe"
	"iotmon/internal/statecache"
	"iotmon/internal/view"
)

// has reports whether the configuration gives this process the role, one of the consumer's: processor, archiver or cache.
func (s *Service) has(role string) bool { return slices.Contains(s.cfg.Consumer.Roles, role) }

func (s *Service) makeProcessor(context.Context) error {
	if !s.has(config.RoleProcessor) {
		return nil
	}
	options, err := newProcess(s.cfg, s.configured)
	if err != nil {
		return err
	}
	p := processor.New(processor.Options{
		Dial:           s.dial,
		Topics:         s.topics,
		Group:          s.cfg.Kafka.GroupID,
		Process:        options,
		CommitInterval: s.cfg.Processor.CommitInterval,
		Ticker:         countingTicker{s.producer, &s.metrics.Consumer},
		Metrics:        s.processorMetrics(),
		Handover:       s.handover,
		TornCommits:    s.broker != nil,
		LocalView:      s.localView(),
		Logger:         s.Logger,
		Tracer:         s.tracing.Tracer(),
	})
	s.add("processor", after(p.Run, s.kafka))
	s.watchTransactions()
	s.endTransactions()
	return nil
}

func (s *Service) processorMetrics() processorMetrics {
	s.stopped = newFindings(s.readiness.Mention("partitions"))
	return processorMetrics{
		consumer: &s.metrics.Consumer, part: s.readiness.Expect("processor"), now: time.Now, measured: s.measured,
		health: &s.metrics.LogHealth, stopped: s.stopped, figures: s.figures,
	}
}

// localView returns the function that the processor calls with states and windows in progress, so that the live view of
// the same process gets them without reading the log. It returns nil if the live view is in another process.
func (s *Service) localView() func(view.Batch) {
	if s.handover == nil {
		return nil
	}
	return func(batch view.Batch) { s.show(batch) }
}

func (s *Service) makeArchiver(context.Context) error {
	if !s.cfg.Archive.Enabled || !s.has(config.RoleArchiver) {
		return nil
	}
	var patience time.Duration
	if s.broker != nil {
		patience = archivePatience
	}
	s.archiver = archive.New(archive.Options{
		Open: feed.ArchiveLog(feed.ArchiveOptions{
			Dial:     s.dial,
			Topics:   s.topics,
			Group:    s.cfg.Kafka.GroupID,
			Lag:      func(from archive.Source, records int64) { s.metrics.Archive.Lag(from.Topic, from.Partition, records) },
			Released: func(from archive.Source) { s.metrics.Archive.Released(from.Topic, from.Partition) },
		}),
		Store:     s.store,
		Topics:    archive.Topics{Readings: s.topics.Readings, Aggregates: s.topics.Aggregates, Alerts: s.topics.Alerts},
		Admission: s.configured,
		Retention: archive.Retention(s.cfg.Archive.Retention),
		Limits:    feed.LimitsInForce(s.dial, s.topics),
		Publish:   s.producer.Correct,
		Patience:  patience,
		Metrics:   s.archiveMetrics(),
		Logger:    s.Logger,
		Foreign:   observe.Sparing(s.Logger, repeatedLogs),
		Now:       time.Now,
	})
	s.add("archiver", after(s.archiver.Run, s.kafka, s.database))
	return nil
}

// archivePatience is how long the archiver of iotmon may collect records before it writes them: with 100 devices every 5 s, about
// a page of readings for each. It is shorter than the time that the log keeps them and that IotmonArchiveStalled looks at.
const archivePatience = 10 * time.Minute

// makeFiller makes the filler of the cache of device states, from which web instances start.
func (s *Service) makeFiller(context.Context) error {
	if s.redis == nil || !s.has(config.RoleCache) {
		return nil
	}
	filler := statecache.NewFiller(statecache.Options{
		Open: feed.StateLog(feed.StateOptions{
			Dial:     s.dial,
			Topics:   s.topics,
			Group:    s.cfg.Kafka.GroupID,
			Lag:      s.metrics.Cache.Lag,
			Released: s.metrics.Cache.Released,
		}),
		Cache:   redis.States{Client: s.redis},
		Metrics: statecache.Metrics{Written: s.metrics.Cache.Written, Retried: s.metrics.Cache.Retried},
		Logger:  observe.Sparing(s.Logger, repeatedLogs),
	})
	s.add("cache filler", after(filler.Run, s.kafka))
	return nil
}
