package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// WebSocket counts what the hub does.
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
		behind:      gauge(auto, "iot_websocket_clients_behind", "Clients that are still writing what an earlier round gave them."),
		messages: newFamily(auto, "iot_websocket_messages_broadcast_total", "Messages written to clients, by type.", "type",
			"hello", "aggregated_data", "device_data", "device_status", "alert", "error"),
		conflated: newFamily(auto, "iot_websocket_changes_conflated_total",
			"Changes never sent to a client because a newer one of the same thing replaced them, by kind.", "kind", "device", "window"),
		disconnected: newFamily(auto, "iot_websocket_disconnects_total", "Connections ended, by reason.", "reason"),
		refused:      newFamily(auto, "iot_websocket_refused_total", "Connections not accepted, by reason.", "reason"),
		bytes:        counter(auto, "iot_websocket_sent_bytes_total", "Bytes of messages written to clients, as compressed."),
		postponed:    counter(auto, "iot_websocket_changes_postponed_total", "Changes of devices left for a later message because too many came at once."),
		delivered:    latency(auto, "iot_end_to_end_latency_seconds", "Time from a reading's own timestamp to its being written to a client, sampled."),
	}
}

// Connections tells how many connections are open.
func (w *WebSocket) Connections(open int) { w.connections.Set(float64(open)) }

// Sent tells of a message of a type that was written to a client.
func (w *WebSocket) Sent(kind string, bytes int) {
	w.messages.add(kind, 1)
	w.bytes.Add(float64(bytes))
}

// Conflated counts changes of a kind that newer ones replaced before they were sent.
func (w *WebSocket) Conflated(kind string, changes int) { w.conflated.add(kind, int64(changes)) }

// Postponed counts changes left for a later message.
func (w *WebSocket) Postponed(changes int) { w.postponed.Add(float64(changes)) }

// Disconnected tells why a connection ended.
func (w *WebSocket) Disconnected(reason string) { w.disconnected.add(reason, 1) }

// Refused tells why a connection was not accepted.
func (w *WebSocket) Refused(reason string) { w.refused.add(reason, 1) }

// Queued tells how many clients are still writing what an earlier round gave them.
func (w *WebSocket) Queued(clients int) { w.behind.Set(float64(clients)) }

// Delivered samples the time from a reading's own timestamp to its being written to a client. A sample that belongs to a
// trace, "" for none, is kept as an exemplar: from a slow one on a graph it is one step to what made it slow.
func (w *WebSocket) Delivered(age time.Duration, traceID string) {
	if traceID == "" {
		w.delivered.Observe(age.Seconds())
		return
	}
	w.delivered.(prometheus.ExemplarObserver).ObserveWithExemplar(age.Seconds(), prometheus.Labels{"trace_id": traceID})
}
