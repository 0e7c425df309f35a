package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Notifications holds the metrics of the messages by which people are notified of alerts.
type Notifications struct {
	tries                                     *prometheus.CounterVec
	waiting, oldest                           *prometheus.GaugeVec
	alerts, groups, sending                   prometheus.Gauge
	unrouted, untracked, fromMemory, failures prometheus.Counter
}

func newNotifications(auto promauto.Factory) Notifications {
	byChannel := func(name, help string) *prometheus.GaugeVec {
		return auto.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"channel"})
	}
	return Notifications{
		tries: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "iot_notifications_tries_total", Help: "Attempts to send a notification: sent, failed (it is tried again) or refused (it is not).",
		}, []string{"channel", "result"}),
		waiting:    byChannel("iot_notifications_waiting", "Notifications that are decided and not yet sent."),
		oldest:     byChannel("iot_notifications_oldest_seconds", "For how long the oldest of them has been waiting."),
		alerts:     gauge(auto, "iot_notifications_alerts", "Alerts that stand and have a route."),
		groups:     gauge(auto, "iot_notifications_groups", "Groups of those alerts."),
		sending:    gauge(auto, "iot_notifications_sending", "1 in the process that sends notifications, 0 in those that wait to take over."),
		unrouted:   counter(auto, "iot_notifications_unrouted_total", "Alerts that no route matches: nobody is notified of them."),
		untracked:  counter(auto, "iot_notifications_untracked_total", "Alerts beyond the limit of those that are tracked; they are only counted in messages."),
		fromMemory: counter(auto, "iot_notifications_from_memory_total", "Notifications of critical alerts sent while the database was away."),
		failures:   counter(auto, "iot_notifications_failures_total", "Times that the notifier has started over because the log or the database failed."),
	}
}

// Channel makes the metrics of a channel visible before its first message.
func (n *Notifications) Channel(channel string) {
	for _, result := range []string{"sent", "failed", "refused"} {
		n.tries.WithLabelValues(channel, result)
	}
	n.Waiting(channel, 0, 0)
}

// Tried counts an attempt.
func (n *Notifications) Tried(channel, result string) { n.tries.WithLabelValues(channel, result).Inc() }

// Waiting sets how many notifications of a channel wait, and for how long the oldest.
func (n *Notifications) Waiting(channel string, notifications int, oldest time.Duration) {
	n.waiting.WithLabelValues(channel).Set(float64(notifications))
	n.oldest.WithLabelValues(channel).Set(oldest.Seconds())
}

// Open sets how many alerts are tracked, in how many groups.
func (n *Notifications) Open(alerts, groups int) {
	n.alerts.Set(float64(alerts))
	n.groups.Set(float64(groups))
}

// Sending sets whether this process sends.
func (n *Notifications) Sending(sending bool) {
	n.sending.Set(map[bool]float64{true: 1}[sending])
}

// Unrouted counts alerts without a route.
func (n *Notifications) Unrouted(alerts int) { n.unrouted.Add(float64(alerts)) }

// Untracked counts alerts beyond the limit.
func (n *Notifications) Untracked(alerts int) { n.untracked.Add(float64(alerts)) }

// FromMemory counts notifications sent without the database.
func (n *Notifications) FromMemory(notifications int) { n.fromMemory.Add(float64(notifications)) }

// Failed counts a start over.
func (n *Notifications) Failed() { n.failures.Inc() }
