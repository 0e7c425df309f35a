package observe

import (
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// MQTTBroker is what is measured of the program's own MQTT broker. Counters count since the process began.
type MQTTBroker struct {
	Clients, Sessions, Subscriptions, Retained, RetainedBytes, QueuedBytes int64
	Connections, TakenOver, Evicted, Received, Delivered, Wills            int64
	Slowed, Failures, RefusedSubscriptions, UnsentRetained, WaitingWills   int64
	// Dropped are messages, Refused connections, RefusedMessages messages, and Ended connections, by their few reasons.
	Dropped, Refused, RefusedMessages, Ended map[string]int64
}

type mqttBrokerMetric struct {
	description *prometheus.Desc
	kind        prometheus.ValueType
	value       func(*MQTTBroker) int64
}

type mqttBrokerReasons struct {
	description *prometheus.Desc
	counts      func(*MQTTBroker) map[string]int64
}

// mqttBrokerCollector reads the numbers at each scrape.
type mqttBrokerCollector struct {
	read    func() MQTTBroker
	metrics []mqttBrokerMetric
	reasons []mqttBrokerReasons
}

// WatchMQTTBroker publishes what read returns at each scrape. Without a broker it is not called, and nothing is published.
func (m *Metrics) WatchMQTTBroker(read func() MQTTBroker) {
	const prefix = "iot_mqtt_broker_"
	c := &mqttBrokerCollector{read: read}
	gauge := func(name, help string, value func(*MQTTBroker) int64) {
		c.metrics = append(c.metrics, mqttBrokerMetric{prometheus.NewDesc(prefix+name, help, nil, nil), prometheus.GaugeValue, value})
	}
	counter := func(name, help string, value func(*MQTTBroker) int64) {
		c.metrics = append(c.metrics, mqttBrokerMetric{prometheus.NewDesc(prefix+name, help, nil, nil), prometheus.CounterValue, value})
	}
	byReason := func(name, help string, counts func(*MQTTBroker) map[string]int64) {
		c.reasons = append(c.reasons, mqttBrokerReasons{prometheus.NewDesc(prefix+name, help, []string{"reason"}, nil), counts})
	}
	gauge("clients", "Clients that are connected to the MQTT broker.", func(b *MQTTBroker) int64 { return b.Clients })
	gauge("sessions", "Sessions of clients that are connected or will come back.", func(b *MQTTBroker) int64 { return b.Sessions })
	gauge("subscriptions", "Subscriptions of all sessions.", func(b *MQTTBroker) int64 { return b.Subscriptions })
	gauge("retained_messages", "Retained messages.", func(b *MQTTBroker) int64 { return b.Retained })
	gauge("retained_bytes", "About how much memory the retained messages use.", func(b *MQTTBroker) int64 { return b.RetainedBytes })
	gauge("queued_bytes", "About how much memory the messages use that subscribers have not got yet.", func(b *MQTTBroker) int64 { return b.QueuedBytes })
	gauge("waiting_wills", "Last wills that wait for the log.", func(b *MQTTBroker) int64 { return b.WaitingWills })
	counter("connections_total", "Connections of clients that were accepted.", func(b *MQTTBroker) int64 { return b.Connections })
	counter("taken_over_total", "Connections that were ended because a newer one had the same client id and user.", func(b *MQTTBroker) int64 { return b.TakenOver })
	counter("evicted_sessions_total", "Sessions of absent clients that ended to make room for others.", func(b *MQTTBroker) int64 { return b.Evicted })
	counter("received_messages_total", "Messages that clients have published, wills included.", func(b *MQTTBroker) int64 { return b.Received })
	counter("delivered_messages_total", "Messages that were sent to subscribers.", func(b *MQTTBroker) int64 { return b.Delivered })
	counter("wills_total", "Last wills that were published.", func(b *MQTTBroker) int64 { return b.Wills })
	counter("slowed_messages_total", "Messages that had to wait because of mqtt_broker.max_rate.", func(b *MQTTBroker) int64 { return b.Slowed })
	counter("failures_total", "Packets at which the broker failed, which is a fault of the program.", func(b *MQTTBroker) int64 { return b.Failures })
	counter("refused_subscriptions_total", "Filters that clients may not subscribe to.", func(b *MQTTBroker) int64 { return b.RefusedSubscriptions })
	counter("unsent_retained_total", "Subscriptions whose retained messages were not sent, because those of max_subscriptions others of the client waited.", func(b *MQTTBroker) int64 { return b.UnsentRetained })
	byReason("dropped_messages_total", "Messages that a subscriber has not got or that were not retained, and last wills that are not in the log.", func(b *MQTTBroker) map[string]int64 { return b.Dropped })
	byReason("refused_connections_total", "Connections that were refused.", func(b *MQTTBroker) map[string]int64 { return b.Refused })
	byReason("refused_messages_total", "Messages that were not taken from their clients.", func(b *MQTTBroker) map[string]int64 { return b.RefusedMessages })
	byReason("ended_connections_total", "Connections that have ended.", func(b *MQTTBroker) map[string]int64 { return b.Ended })
	m.registry.MustRegister(c)
}

// Describe implements prometheus.Collector.
func (c *mqttBrokerCollector) Describe(out chan<- *prometheus.Desc) {
	for i := range c.metrics {
		out <- c.metrics[i].description
	}
	for i := range c.reasons {
		out <- c.reasons[i].description
	}
}

// Collect implements prometheus.Collector.
func (c *mqttBrokerCollector) Collect(out chan<- prometheus.Metric) {
	now := c.read()
	for i := range c.metrics {
		m := &c.metrics[i]
		out <- prometheus.MustNewConstMetric(m.description, m.kind, float64(m.value(&now)))
	}
	for i := range c.reasons {
		counts := c.reasons[i].counts(&now)
		for _, reason := range slices.Sorted(maps.Keys(counts)) {
			out <- prometheus.MustNewConstMetric(c.reasons[i].description, prometheus.CounterValue, float64(counts[reason]), reason)
		}
	}
}
