package app

import (
	"context"
	"time"

	"iotmon/internal/archive"
	"iotmon/internal/bench"
	"iotmon/internal/control"
	"iotmon/internal/iot"
	"iotmon/internal/kafka/processor"
	"iotmon/internal/observe"
	"iotmon/internal/process"
	"iotmon/internal/push"
	"iotmon/internal/view"
)

// processorMetrics passes the processor's events on to the metrics, the readiness and a benchmark.
type processorMetrics struct {
	consumer *observe.Consumer
	part     *observe.Part
	now      func() time.Time
	measured *bench.Run // nil unless a benchmark runs
	health   *observe.LogHealth
	stopped  *findings // the partitions that are not processed until a restart
	figures  *figures
}

var _ processor.Metrics = processorMetrics{}

func (m processorMetrics) Processed(partition int32, counts process.Counts, lag int64) {
	m.consumer.Processed(counts.Processed)
	if m.measured != nil {
		m.measured.Processed(counts.Processed)
	}
	m.consumer.Late(counts.Late)
	m.consumer.Duplicates(counts.Duplicates)
	m.consumer.Conflicts(counts.Conflicts)
	m.consumer.Forgotten(counts.Forgotten)
	m.consumer.RuleFailures(partition, counts.Failures, counts.RulesFailing)
	m.consumer.Refused(counts.Refused)
	m.consumer.Unreferenced(counts.Unreferenced)
	m.consumer.LeftOut(counts.LeftOut)
	m.consumer.Ended(counts.Ended)
	m.consumer.Points(counts.PointsMissing, counts.PointsLeftOut)
	if counts.SetBack > 0 {
		m.consumer.SetBack()
	}
	m.consumer.Skipped(counts.Skipped)
	m.consumer.Windows(counts.Windows)
	for field, messages := range counts.Rejected {
		m.consumer.Rejected(field, messages)
	}
	for severity, alerts := range counts.Raised {
		m.consumer.Alerts(string(severity), alerts)
	}
	if !counts.Newest.IsZero() {
		m.consumer.Age(m.now().Sub(counts.Newest))
	}
	m.consumer.Lag(partition, lag)
	m.figures.setLag(partition, lag)
}

func (m processorMetrics) Step(committed bool, took time.Duration) { m.consumer.Step(committed, took) }

func (m processorMetrics) Failed(partition int32) { m.health.PartitionFailed(partition) }

func (m processorMetrics) Stopped(partition int32, reason string) {
	m.health.PartitionStopped(partition)
	m.stopped.set(partition, "not processed until a restart, because it failed too often: "+reason)
}

func (m processorMetrics) Unsupported(partition int32, reason string) {
	m.stopped.set(partition, reason)
}

func (m processorMetrics) Lost(messages int64) { m.health.Lost("processor", messages) }

func (m processorMetrics) Released(partition int32) {
	m.consumer.Released(partition)
	m.figures.release(partition)
	m.health.PartitionReleased(partition)
	m.stopped.set(partition, "")
}

func (m processorMetrics) Ready(ready bool) { setReady(m.part, ready, "waiting for its partitions") }

// setReady sets whether a part is ready; otherwise is the reason shown when it is not.
func setReady(part *observe.Part, ready bool, otherwise string) {
	if ready {
		part.Ready()
	} else {
		part.NotReady(otherwise)
	}
}

// countingTicker counts the ticks that were appended to the log.
type countingTicker struct {
	processor.Ticker
	consumer *observe.Consumer
}

func (t countingTicker) Tick(ctx context.Context, partition int32) error {
	err := t.Ticker.Tick(ctx, partition)
	if err == nil {
		t.consumer.Ticks(1)
	}
	return err
}

func pushMetrics(w *observe.WebSocket, f *figures) push.Metrics {
	return push.Metrics{
		Connections: func(open int) {
			w.Connections(open)
			f.connected.Store(int64(open))
		},
		Sent:         w.Sent,
		Conflated:    w.Conflated,
		Postponed:    w.Postponed,
		Disconnected: func(reason push.Reason) { w.Disconnected(string(reason)) },
		Refused:      func(reason push.Reason) { w.Refused(string(reason)) },
		Queued: func(viewers int) {
			w.Queued(viewers)
			f.behind.Store(int64(viewers))
		},
		Delivered: func(age time.Duration, traceID string) {
			w.Delivered(age, traceID)
			f.latency.add(time.Now(), age)
		},
	}
}

func (s *Service) archiveMetrics() archive.Metrics {
	a, part := &s.metrics.Archive, s.readiness.Expect("archive")
	return archive.Metrics{
		Lost:    func(records int64) { s.metrics.LogHealth.Lost("archive", records) },
		Read:    a.Read,
		Written: a.Written,
		Retried: a.Retried,
		Pruned:  a.Pruned,
		Ready:   func(ready bool) { setReady(part, ready, "records of the log cannot be written to the database") },
	}
}

// plant returns a function that reads the counts of the live view, for a scrape of the metrics.
func plant(present *view.View) func() observe.Plant {
	return func() observe.Plant {
		counts := present.Counts()
		open := 0
		for _, alerts := range present.OpenAlerts() {
			open += int(alerts)
		}
		unacknowledged, stale := present.Waiting()
		return observe.Plant{
			Online: int(counts.Online), Offline: int(counts.Offline), OpenAlerts: open, Unacknowledged: unacknowledged, Stale: stale,
		}
	}
}

// shelvings returns a function that counts what is shelved and out of service, for a scrape of the metrics.
func shelvings(inForce *control.InForce) func() observe.Shelvings {
	return func() (count observe.Shelvings) {
		inForce.EachShelved(func(_ iot.Identity, s *iot.ShelvedInForce) bool {
			for i := range s.Shelvings {
				if s.Shelvings[i].OutOfService {
					count.OutOfService++
				} else {
					count.Shelved++
				}
			}
			return true
		})
		return count
	}
}
