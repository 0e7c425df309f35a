package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// LogHealth holds the metrics of failures of single partitions of the readings' log.
type LogHealth struct {
	failures, lost *prometheus.CounterVec
	stopped, open  *prometheus.GaugeVec
}

func newLogHealth(auto promauto.Factory) LogHealth {
	partition := []string{"partition"}
	return LogHealth{
		failures: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "iot_consumer_partition_failures_total",
			Help: "Failures of a single partition's processing, after which it was retried or stopped.",
		}, partition),
		stopped: auto.NewGaugeVec(prometheus.GaugeOpts{
			Name: "iot_consumer_partition_stopped",
			Help: "1 for a partition that failed too often and is not processed until a restart; otherwise absent.",
		}, partition),
		open: auto.NewGaugeVec(prometheus.GaugeOpts{
			Name: "iot_log_open_transaction_seconds",
			Help: "Age of another program's open transaction that blocks the readers of a partition; absent without one.",
		}, partition),
		lost: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "iot_log_lost_messages_total",
			Help: "Messages that Kafka had deleted before they were read, by reader: the processor or the archive.",
		}, []string{"role"}),
	}
}

// PartitionFailed counts a failure of a partition's processing.
func (h *LogHealth) PartitionFailed(partition int32) {
	h.failures.WithLabelValues(partitionLabel(partition)).Inc()
}

// PartitionStopped records that a partition is not processed until a restart.
func (h *LogHealth) PartitionStopped(partition int32) {
	h.stopped.WithLabelValues(partitionLabel(partition)).Set(1)
}

// PartitionReleased removes a stopped partition that another consumer now reads.
func (h *LogHealth) PartitionReleased(partition int32) {
	h.stopped.DeleteLabelValues(partitionLabel(partition))
}

// OpenTransaction sets for how long a transaction has blocked the readers of a partition; 0 for none.
func (h *LogHealth) OpenTransaction(partition int32, since time.Duration) {
	if since <= 0 {
		h.open.DeleteLabelValues(partitionLabel(partition))
		return
	}
	h.open.WithLabelValues(partitionLabel(partition)).Set(since.Seconds())
}

// Lost counts messages that Kafka had deleted before a role read them.
func (h *LogHealth) Lost(role string, messages int64) {
	h.lost.WithLabelValues(role).Add(float64(messages))
}
