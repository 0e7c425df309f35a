package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// WebSocket holds the metrics of the hub.
type WebSocket struct {
	connections, behind   prometheus.Gauge
	messages, conflated   *family
	disconnected, refused *family
	bytes, postponed      prometheus.Counter
	delivered             prometheus.Histogram
}

func newWebSocket(auto promauto.Factory) WebSocket {
	return WebSocket{
		connections: gauge(auto, "iot_websocket_connections_active", "Open WebSocket connections."),
		behind:      gauge(auto, "iot_websocket_clients_behind", "Viewers that are still being sent the messages of an earlier round."),
		messages: newFamily(auto, "iot_websocket_messages_broadcast_total", "Messages written to viewers, by type.", "type",
			"hello", "aggregated_data", "device_data", "device_status", "alert", "error"),
		conflated: newFamily(auto, "iot_websocket_changes_conflated_total",
			"Changes not sent to a viewer because a newer change of the same device or window replaced them, by kind.", "kind", "device", "window"),
		disconnected: newFamily(auto, "iot_websocket_disconnects_total", "Closed connections, by reason.", "reason"),
		refused:      newFamily(auto, "iot_websocket_refused_total", "Refused connections, by reason.", "reason"),
		bytes:        counter(auto, "iot_websocket_sent_bytes_total", "Bytes of messages written to viewers, after compression."),
		postponed:    counter(auto, "iot_websocket_changes_postponed_total", "Changes of devices postponed to a later message because too many came at once."),
		delivered:    latency(auto, "iot_end_to_end_latency_seconds", "Time from a reading's timestamp until it was written to a viewer, sampled."),
	}
}

// Connections sets the number of open connections.
func (w *WebSocket) Connections(open int) { w.connections.Set(float64(open)) }

// Sent counts a message of a type that was written to a viewer.
func (w *WebSocket) Sent(kind string, bytes int) {
	w.messages.add(kind, 1)
	w.bytes.Add(float64(bytes))
}

// Conflated counts changes of a kind that newer ones replaced before they were sent.
func (w *WebSocket) Conflated(kind string, changes int) { w.conflated.add(kind, int64(changes)) }

// Postponed counts changes postponed to a later message.
func (w *WebSocket) Postponed(changes int) { w.postponed.Add(float64(changes)) }

// Disconnected counts a closed connection by reason.
func (w *WebSocket) Disconnected(reason string) { w.disconnected.add(reason, 1) }

// Refused counts a refused connection by reason.
func (w *WebSocket) Refused(reason string) { w.refused.add(reason, 1) }

// Queued sets the number of viewers that are still being sent the messages of an earlier round.
func (w *WebSocket) Queued(viewers int) { w.behind.Set(float64(viewers)) }

// Delivered samples the time from a reading's timestamp until it was written to a viewer. If traceID is not empty the
// sample becomes an exemplar, which links a slow sample on a graph to its trace.
func (w *WebSocket) Delivered(age time.Duration, traceID string) {
	if traceID == "" {
		w.delivered.Observe(age.Seconds())
		return
	}
	w.delivered.(prometheus.ExemplarObserver).ObserveWithExemplar(age.Seconds(), prometheus.Labels{"trace_id": traceID})
}
