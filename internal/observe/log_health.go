package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// LogHealth counts what is wrong with single partitions of the readings' log, or with what is made of them.
type LogHealth struct {
	failures, lost *prometheus.CounterVec
	stopped, open  *prometheus.GaugeVec
}

func newLogHealth(auto promauto.Factory) LogHealth {
	partition := []string{"partition"}
	return LogHealth{
		failures: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "iot_consumer_partition_failures_total",
			Help: "Failures of a single partition's processing, after each of which it was tried again or has stopped.",
		}, partition),
		stopped: auto.NewGaugeVec(prometheus.GaugeOpts{
			Name: "iot_consumer_partition_stopped",
			Help: "1 for a partition that failed too often and is not processed before a restart; otherwise absent.",
		}, partition),
		open: auto.NewGaugeVec(prometheus.GaugeOpts{
			Name: "iot_log_open_transaction_seconds",
			Help: "For how long another program's open transaction has kept what lies behind it in a partition from being read; absent without one.",
		}, partition),
		lost: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "iot_log_lost_messages_total",
			Help: "Messages that had left the log before they were read, by who missed them: the processor or the archive.",
		}, []string{"role"}),
	}
}

// PartitionFailed counts a failure of a partition's processing.
func (h *LogHealth) PartitionFailed(partition int32) {
	h.failures.WithLabelValues(partitionLabel(partition)).Inc()
}

// PartitionStopped tells that a partition is not processed before a restart.
func (h *LogHealth) PartitionStopped(partition int32) {
	h.stopped.WithLabelValues(partitionLabel(partition)).Set(1)
}

// PartitionReleased forgets a stopped partition that is another consumer's now.
func (h *LogHealth) PartitionReleased(partition int32) {
	h.stopped.DeleteLabelValues(partitionLabel(partition))
}

// OpenTransaction tells for how long a transaction has been in the way of a partition's readers; 0 for none.
func (h *LogHealth) OpenTransaction(partition int32, since time.Duration) {
	if since <= 0 {
		h.open.DeleteLabelValues(partitionLabel(partition))
		return
	}
	h.open.WithLabelValues(partitionLabel(partition)).Set(since.Seconds())
}

// Lost counts messages that had left the log before a role read them.
func (h *LogHealth) Lost(role string, messages int64) {
	h.lost.WithLabelValues(role).Add(float64(messages))
}
