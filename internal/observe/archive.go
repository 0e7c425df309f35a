package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Archive holds the metrics of the archiver.
type Archive struct {
	read, rows, pruned, retries prometheus.Counter
	batch                       prometheus.Histogram
	waiting, behind             prometheus.Gauge
	lag                         *prometheus.GaugeVec
}

func newArchive(auto promauto.Factory) Archive {
	return Archive{
		read: counter(auto, "iot_archive_rows_read_total",
			"Rows that the archive has read from Kafka: written to the database, or waiting to be written together."),
		waiting: gauge(auto, "iot_archive_rows_waiting", "Rows that wait to be written to the database together."),
		rows:    counter(auto, "iot_archive_rows_written_total", "Rows written to the database."),
		pruned:  counter(auto, "iot_archive_rows_pruned_total", "Rows removed from the database because of their age."),
		retries: counter(auto, "iot_archive_retries_total", "Failed writes to the database that were retried."),
		batch:   latency(auto, "iot_archive_batch_duration_seconds", "Duration of the write of a batch to the database."),
		behind:  gauge(auto, "iot_archive_behind_seconds", "Age of the newest record of the last batch when it had been written."),
		lag: auto.NewGaugeVec(prometheus.GaugeOpts{
			Name: "iot_archive_lag_messages",
			Help: "Messages in Kafka that the archive has not yet read, by topic and partition.",
		}, []string{"topic", "partition"}),
	}
}

// Read counts rows that were read from the log, and sets how many wait to be written.
func (a *Archive) Read(rows, waiting int) {
	a.read.Add(float64(rows))
	a.waiting.Set(float64(waiting))
}

// Written counts a committed batch, with its duration and the age of its newest record.
func (a *Archive) Written(rows int, took, behind time.Duration) {
	a.rows.Add(float64(rows))
	a.batch.Observe(took.Seconds())
	a.behind.Set(behind.Seconds())
}

// Retried counts a failed write that will be retried.
func (a *Archive) Retried() { a.retries.Inc() }

// Pruned counts rows removed because of their age.
func (a *Archive) Pruned(rows int64) { a.pruned.Add(float64(rows)) }

// Lag sets how many messages of a partition are not yet archived.
func (a *Archive) Lag(topic string, partition int32, messages int64) {
	a.lag.WithLabelValues(topic, partitionLabel(partition)).Set(float64(messages))
}

// Released removes the lag of a partition that another archiver now reads.
func (a *Archive) Released(topic string, partition int32) {
	a.lag.DeleteLabelValues(topic, partitionLabel(partition))
}
