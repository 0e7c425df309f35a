package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Archive counts what the archiver does.
type Archive struct {
	rows, pruned, retries prometheus.Counter
	batch                 prometheus.Histogram
	behind                prometheus.Gauge
	lag                   *prometheus.GaugeVec
}

func newArchive(auto promauto.Factory) Archive {
	return Archive{
		rows:    counter(auto, "iot_archive_rows_written_total", "Rows given to the database."),
		pruned:  counter(auto, "iot_archive_rows_pruned_total", "Rows removed from the database because of their age."),
		retries: counter(auto, "iot_archive_retries_total", "Writes to the database that failed and were tried again."),
		batch:   latency(auto, "iot_archive_batch_duration_seconds", "How long the database took to write a batch."),
		behind:  gauge(auto, "iot_archive_behind_seconds", "How old the newest record of the last batch was when it had been written."),
		lag: auto.NewGaugeVec(prometheus.GaugeOpts{
			Name: "iot_archive_lag_messages",
			Help: "Messages that are in the log and not yet handed to the archive, by topic and partition.",
		}, []string{"topic", "partition"}),
	}
}

// Written tells of a batch that the database has committed, how long it took, and how old its newest record was.
func (a *Archive) Written(rows int, took, behind time.Duration) {
	a.rows.Add(float64(rows))
	a.batch.Observe(took.Seconds())
	a.behind.Set(behind.Seconds())
}

// Retried tells of a write that failed and will be tried again.
func (a *Archive) Retried() { a.retries.Inc() }

// Pruned counts rows removed because of their age.
func (a *Archive) Pruned(rows int64) { a.pruned.Add(float64(rows)) }

// Lag tells how many messages of a topic's partition are still to be archived.
func (a *Archive) Lag(topic string, partition int32, messages int64) {
	a.lag.WithLabelValues(topic, partitionLabel(partition)).Set(float64(messages))
}

// Released forgets the lag of a partition that is another archiver's now.
func (a *Archive) Released(topic string, partition int32) {
	a.lag.DeleteLabelValues(topic, partitionLabel(partition))
}
