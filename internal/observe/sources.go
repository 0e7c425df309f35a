package observe

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Source is what is measured of one source of readings. Counters count since the process began.
type Source struct {
	Name, Kind, State                                  string
	Connections, Messages, Readings, Untimed, Unmapped int64
	// Skipped are polls that have not taken place at their time, Missed messages that were deleted at the other side before they were received.
	Skipped, Missed int64
	// RejectedBy counts dead letters by field, of which there are few.
	RejectedBy map[string]int64
	// Lag is how many messages wait at the other side; nil if the protocol does not say.
	Lag *int64
	// Blocked is whether the log does not acknowledge what the source has received.
	Blocked bool
	// Silent is how long ago the last message came; negative if none has.
	Silent time.Duration
}

// sourceStates are the states that a source may have.
var sourceStates = [...]string{"waiting", "connecting", "connected", "failed"}

// sources is the collector of the sources' metrics: it reads them at each scrape.
type sources struct {
	read func() []Source

	state, connections, messages, readings, rejected, untimed, unmapped, skipped, missed, lag, blocked, silent *prometheus.Desc
}

// WatchSources publishes what read returns at each scrape. Call it at most once.
func (m *Metrics) WatchSources(read func() []Source) {
	desc := func(name, help string, more ...string) *prometheus.Desc {
		return prometheus.NewDesc("iot_source_"+name, help, append([]string{"source", "kind"}, more...), nil)
	}
	m.registry.MustRegister(&sources{
		read:        read,
		state:       desc("state", "Whether a source of readings is in a state; waiting means that another process runs it.", "state"),
		connections: desc("connections_total", "Connections that a source has made."),
		messages:    desc("messages_total", "Messages that a source has received."),
		readings:    desc("readings_total", "Readings of a source that are in the log."),
		rejected:    desc("rejected_total", "Dead letters of a source, by the field that was wrong; none for messages that were wrong as a whole.", "field"),
		unmapped:    desc("unmapped_total", "Messages of which no rule of the source's map matches any value."),
		untimed:     desc("untimed_total", "Retained messages that count as no reading, because they do not say when they were measured."),
		skipped:     desc("skipped_polls_total", "Polls that have not taken place at their time, such as those that came due while an earlier one was going on."),
		missed:      desc("missed_messages_total", "Messages that were deleted at the other side before they were received."),
		lag:         desc("lag_messages", "Messages that wait at the other side of a source."),
		blocked:     desc("blocked", "Whether a source waits because the log does not acknowledge what it has received."),
		silent:      desc("last_message_age_seconds", "How long ago a source has received its last message."),
	})
}

// Describe implements prometheus.Collector.
func (s *sources) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{s.state, s.connections, s.messages, s.readings, s.rejected, s.untimed, s.unmapped, s.skipped, s.missed, s.lag, s.blocked, s.silent} {
		out <- desc
	}
}

// Collect implements prometheus.Collector.
func (s *sources) Collect(out chan<- prometheus.Metric) {
	for _, of := range s.read() {
		send := func(desc *prometheus.Desc, kind prometheus.ValueType, value float64, more ...string) {
			out <- prometheus.MustNewConstMetric(desc, kind, value, append([]string{of.Name, of.Kind}, more...)...)
		}
		for _, state := range sourceStates {
			send(s.state, prometheus.GaugeValue, oneIf(state == of.State), state)
		}
		send(s.connections, prometheus.CounterValue, float64(of.Connections))
		send(s.messages, prometheus.CounterValue, float64(of.Messages))
		send(s.readings, prometheus.CounterValue, float64(of.Readings))
		send(s.untimed, prometheus.CounterValue, float64(of.Untimed))
		send(s.unmapped, prometheus.CounterValue, float64(of.Unmapped))
		send(s.skipped, prometheus.CounterValue, float64(of.Skipped))
		send(s.missed, prometheus.CounterValue, float64(of.Missed))
		send(s.blocked, prometheus.GaugeValue, oneIf(of.Blocked))
		for field, count := range rejectedFields(of.RejectedBy) {
			send(s.rejected, prometheus.CounterValue, float64(count), field)
		}
		if of.Lag != nil {
			send(s.lag, prometheus.GaugeValue, float64(*of.Lag))
		}
		if of.Silent >= 0 {
			send(s.silent, prometheus.GaugeValue, of.Silent.Seconds())
		}
	}
}

// rejectedFields returns the counts by the values of a label. There is always one for messages as a whole, so that the rate of a source's
// first dead letters is seen. Fields beyond the limit are counted together.
func rejectedFields(by map[string]int64) map[string]int64 {
	fields := map[string]int64{"none": by[""]}
	for field, count := range by {
		name := strings.ToValidUTF8(field, "\uFFFD")
		if _, known := fields[name]; !known && len(fields) >= maxLabelValues {
			name = otherValue
		}
		if field != "" {
			fields[name] += count
		}
	}
	return fields
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
