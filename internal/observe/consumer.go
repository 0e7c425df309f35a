package observe

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Producer holds the metrics of the producer.
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

// Consumer holds the metrics of the processor.
type Consumer struct {
	processed, late, duplicates, conflicts, skipped, ticks, windows, forgotten, setBack, failures, refused, unreferenced, leftOut, ended, pointsMissing, pointsLeftOut prometheus.Counter
	rejected, alerts, transactions                                                                                                                                     *family
	step, age                                                                                                                                                          prometheus.Histogram
	lag, failing                                                                                                                                                       *prometheus.GaugeVec
}

func newConsumer(auto promauto.Factory) Consumer {
	return Consumer{
		processed:  counter(auto, "iot_consumer_messages_processed_total", "Readings processed, with any result."),
		late:       counter(auto, "iot_consumer_messages_late_total", "Readings whose window had closed; the archive recomputes it."),
		duplicates: counter(auto, "iot_consumer_messages_duplicate_total", "Readings whose device and time had already been counted."),
		conflicts: counter(auto, "iot_consumer_messages_conflicting_total",
			"Duplicates of a device's latest reading that differ from it in value."),
		skipped: counter(auto, "iot_consumer_records_skipped_total",
			"Records skipped because a newer version has written them; how other records are processed does not depend on them."),
		forgotten: counter(auto, "iot_consumer_devices_forgotten_total", "Devices deleted, or silent for devices.forget_after."),
		setBack:   counter(auto, "iot_consumer_clock_set_back_total", "Times that a partition's clock was set back, because the log's clock had been ahead."),
		failures:  counter(auto, "iot_consumer_rule_failures_total", "Readings that a rule could not judge, because its condition failed."),
		failing: auto.NewGaugeVec(prometheus.GaugeOpts{
			Name: "iot_consumer_rules_failing",
			Help: "Rules that fail now, each counted on each device on which it does, by partition.",
		}, []string{"partition"}),
		unreferenced: counter(auto, "iot_consumer_deviations_unjudged_total",
			"Times that a rule of the kind deviation has not judged a reading, because no median of the device's area and type was in force."),
		leftOut: counter(auto, "iot_consumer_references_left_out_total", "Medians that were not put in force, because a partition had too many."),
		ended: counter(auto, "iot_consumer_references_ended_total",
			"Medians that have ended without another one, although a rule of the kind deviation is in force."),
		pointsMissing: counter(auto, "iot_consumer_points_missing_total",
			"Times that the expression of a rule has asked for a point of a machine that has no good value."),
		pointsLeftOut: counter(auto, "iot_consumer_points_left_out_total", "Points of machines that were not put in force, because there were too many."),
		refused: counter(auto, "iot_consumer_commands_refused_total",
			"Commands of people that were not executed, because something else had happened since or they had been executed before."),
		rejected: newFamily(auto, "iot_consumer_messages_rejected_total", "Messages moved to the dead-letter queue, by the invalid field.", "field",
			"message", "device_id", "device_type", "timestamp", "value", "unit", "status"),
		ticks:   counter(auto, "iot_consumer_ticks_total", "Ticks appended to partitions without new messages."),
		windows: counter(auto, "iot_aggregation_window_processed_total", "Windows closed, counted for each partition and device type."),
		alerts:  newFamily(auto, "iot_alerts_generated_total", "Alerts raised, by severity.", "severity", "info", "warning", "critical"),
		transactions: newFamily(auto, "iot_consumer_transactions_total", "Transactions ended, by result.", "result",
			committed, aborted),
		step: latency(auto, "iot_consumer_step_duration_seconds", "Duration of transactions."),
		age:  latency(auto, "iot_consumer_message_age_seconds", "Time from a reading's timestamp until it was processed, sampled."),
		lag: auto.NewGaugeVec(prometheus.GaugeOpts{
			Name: "iot_consumer_lag_messages",
			Help: "Messages in Kafka that are not yet processed, by partition.",
		}, []string{"partition"}),
	}
}

const (
	committed = "committed"
	aborted   = "aborted"
)

// Processed counts readings processed, with any result.
func (c *Consumer) Processed(readings int64) { c.processed.Add(float64(readings)) }

// Late counts the readings among them whose window had closed.
func (c *Consumer) Late(readings int64) { c.late.Add(float64(readings)) }

// Duplicates counts the readings among them whose device and time had already been counted.
func (c *Consumer) Duplicates(readings int64) { c.duplicates.Add(float64(readings)) }

// Conflicts counts the duplicates of a device's latest reading that differ from it in value.
func (c *Consumer) Conflicts(readings int64) { c.conflicts.Add(float64(readings)) }

// Skipped counts records that were skipped because a newer version has written them.
func (c *Consumer) Skipped(records int64) { c.skipped.Add(float64(records)) }

// Forgotten counts devices that were forgotten.
func (c *Consumer) Forgotten(devices int64) { c.forgotten.Add(float64(devices)) }

// RuleFailures counts readings of a partition that a rule could not judge, and sets how many rules fail there now, each on one device.
func (c *Consumer) RuleFailures(partition int32, readings, failing int64) {
	c.failures.Add(float64(readings))
	c.failing.WithLabelValues(partitionLabel(partition)).Set(float64(failing))
}

// Unreferenced counts how often a reading was not judged for want of a median.
func (c *Consumer) Unreferenced(readings int64) { c.unreferenced.Add(float64(readings)) }

// LeftOut counts the medians that were not put in force, because there were too many.
func (c *Consumer) LeftOut(medians int64) { c.leftOut.Add(float64(medians)) }

// Ended counts the medians that have ended without another one.
func (c *Consumer) Ended(medians int64) { c.ended.Add(float64(medians)) }

// Points counts how often a point without a good value was asked for, and the points that were not put in force, because there were too many.
func (c *Consumer) Points(missing, leftOut int64) {
	c.pointsMissing.Add(float64(missing))
	c.pointsLeftOut.Add(float64(leftOut))
}

// Refused counts commands that were not executed.
func (c *Consumer) Refused(commands int64) { c.refused.Add(float64(commands)) }

// SetBack counts that a partition's clock was set back.
func (c *Consumer) SetBack() { c.setBack.Inc() }

// Rejected counts messages moved to the dead-letter queue; field is empty if the message as a whole is invalid.
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

// Step counts a transaction that has ended, with its duration.
func (c *Consumer) Step(ok bool, took time.Duration) {
	result := aborted
	if ok {
		result = committed
	}
	c.transactions.add(result, 1)
	c.step.Observe(took.Seconds())
}

// Age samples the time from a reading's timestamp until it was processed.
func (c *Consumer) Age(age time.Duration) { c.age.Observe(age.Seconds()) }

// Lag sets how many messages of a partition are not yet processed.
func (c *Consumer) Lag(partition int32, messages int64) {
	c.lag.WithLabelValues(partitionLabel(partition)).Set(float64(messages))
}

// Released removes the metrics of a partition that another consumer now reads.
func (c *Consumer) Released(partition int32) {
	c.lag.DeleteLabelValues(partitionLabel(partition))
	c.failing.DeleteLabelValues(partitionLabel(partition))
}

func partitionLabel(partition int32) string { return strconv.FormatInt(int64(partition), 10) }
