package observe

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestTheMQTTBrokerIsMeasured(t *testing.T) {
	m := NewMetrics("test")
	m.WatchMQTTBroker(func() MQTTBroker {
		return MQTTBroker{Clients: 3, Received: 9, WaitingWills: 4, UnsentRetained: 5, Dropped: map[string]int64{"queue_full": 2}, Refused: map[string]int64{"login": 1}}
	})
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		"iot_mqtt_broker_clients 3", "iot_mqtt_broker_received_messages_total 9", "iot_mqtt_broker_waiting_wills 4", "iot_mqtt_broker_unsent_retained_total 5", `iot_mqtt_broker_dropped_messages_total{reason="queue_full"} 2`,
		`iot_mqtt_broker_refused_connections_total{reason="login"} 1`,
	} {
		if !strings.Contains(answer.Body.String(), want+"\n") {
			t.Errorf("no %s", want)
		}
	}
}
