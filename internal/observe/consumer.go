package observe

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Producer counts what goes into Kafka.
type Producer struct {
	sent, failed prometheus.Counter
}

func newProducer(auto promauto.Factory) Producer {
	return Producer{
		sent:   counter(auto, "iot_producer_messages_sent_total", "Readings that Kafka has acknowledged."),
		failed: counter(auto, "iot_producer_messages_failed_total", "Readings that Kafka did not acknowledge."),
	}
}

// Sent counts readings that Kafka has acknowledged.
func (p *Producer) Sent(readings int) { p.sent.Add(float64(readings)) }

// Failed counts readings that Kafka did not acknowledge.
func (p *Producer) Failed(readings int) { p.failed.Add(float64(readings)) }

// Consumer counts what the processor does.
type Consumer struct {
	processed, late, duplicates, conflicts, ticks, windows, forgotten, setBack prometheus.Counter
	rejected, alerts, transactions                                             *family
	step, age                                                                  prometheus.Histogram
	lag                                                                        *prometheus.GaugeVec
}

func newConsumer(auto promauto.Factory) Consumer {
	return Consumer{
		processed:  counter(auto, "iot_consumer_messages_processed_total", "Readings processed, whatever became of them."),
		late:       counter(auto, "iot_consumer_messages_late_total", "Readings whose window had closed; the archive recomputes it."),
		duplicates: counter(auto, "iot_consumer_messages_duplicate_total", "Readings of a device and time that had been counted already."),
		conflicts: counter(auto, "iot_consumer_messages_conflicting_total",
			"Duplicates that differ in value from the reading that was counted, as far as that was the device's latest."),
		forgotten: counter(auto, "iot_consumer_devices_forgotten_total", "Devices deleted, or not heard for devices.forget_after."),
		setBack:   counter(auto, "iot_consumer_clock_set_back_total", "Times that a partition's clock was set back: the log's own clock had run ahead."),
		rejected: newFamily(auto, "iot_consumer_messages_rejected_total", "Messages moved to the dead letters, by the field at fault.", "field",
			"message", "device_id", "device_type", "timestamp", "value", "unit", "status"),
		ticks:   counter(auto, "iot_consumer_ticks_total", "Ticks appended to partitions that nobody wrote to."),
		windows: counter(auto, "iot_aggregation_window_processed_total", "Windows closed, counted for each partition and device type."),
		alerts:  newFamily(auto, "iot_alerts_generated_total", "Alerts raised, by severity.", "severity", "info", "warning", "critical"),
		transactions: newFamily(auto, "iot_consumer_transactions_total", "Transactions ended, by result.", "result",
			committed, aborted),
		step: latency(auto, "iot_consumer_step_duration_seconds", "How long transactions were open."),
		age:  latency(auto, "iot_consumer_message_age_seconds", "Time from a reading's own timestamp to its being processed, sampled."),
		lag: auto.NewGaugeVec(prometheus.GaugeOpts{
			Name: "iot_consumer_lag_messages",
			Help: "Messages that are in the log and not yet processed, by partition.",
		}, []string{"partition"}),
	}
}

const (
	committed = "committed"
	aborted   = "aborted"
)

// Processed counts readings processed, whatever became of them.
func (c *Consumer) Processed(readings int64) { c.processed.Add(float64(readings)) }

// Late counts the readings among them whose window had closed.
func (c *Consumer) Late(readings int64) { c.late.Add(float64(readings)) }

// Duplicates counts the readings among them that had been counted already.
func (c *Consumer) Duplicates(readings int64) { c.duplicates.Add(float64(readings)) }

// Conflicts counts the duplicates among them that differ in value from the reading that was counted.
func (c *Consumer) Conflicts(readings int64) { c.conflicts.Add(float64(readings)) }

// Forgotten counts devices that were forgotten.
func (c *Consumer) Forgotten(devices int64) { c.forgotten.Add(float64(devices)) }

// SetBack counts a partition's clock that was set back.
func (c *Consumer) SetBack() { c.setBack.Inc() }

// Rejected counts messages moved to the dead letters; field is empty when the message as a whole is wrong.
func (c *Consumer) Rejected(field string, messages int64) {
	if field == "" {
		field = "message"
	}
	c.rejected.add(field, messages)
}

// Ticks counts ticks appended to silent partitions.
func (c *Consumer) Ticks(n int64) { c.ticks.Add(float64(n)) }

// Windows counts windows closed.
func (c *Consumer) Windows(n int64) { c.windows.Add(float64(n)) }

// Alerts counts alerts raised of a severity.
func (c *Consumer) Alerts(severity string, n int64) { c.alerts.add(severity, n) }

// Step tells of a transaction that has ended after it was open for so long.
func (c *Consumer) Step(ok bool, took time.Duration) {
	result := aborted
	if ok {
		result = committed
	}
	c.transactions.add(result, 1)
	c.step.Observe(took.Seconds())
}

// Age samples the time from a reading's own timestamp to its being processed.
func (c *Consumer) Age(age time.Duration) { c.age.Observe(age.Seconds()) }

// Lag tells how many messages of a partition are still to be processed.
func (c *Consumer) Lag(partition int32, messages int64) {
	c.lag.WithLabelValues(partitionLabel(partition)).Set(float64(messages))
}

// Released forgets the lag of a partition that is another consumer's now.
func (c *Consumer) Released(partition int32) { c.lag.DeleteLabelValues(partitionLabel(partition)) }

func partitionLabel(partition int32) string { return strconv.FormatInt(int64(partition), 10) }
