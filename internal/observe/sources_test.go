package observe

import (
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestSourcesAreMeasured(t *testing.T) {
	m := NewMetrics("1")
	lag := int64(7)
	many := map[string]int64{"": 2, "value": 3, "\xff": 1}
	for i := range 100 {
		many[fmt.Sprint("f", i)] = 1
	}
	m.WatchSources(func() []Source {
		return []Source{
			{Name: "hall-3", Kind: "mqtt", State: "connected", Connections: 2, Messages: 10, Readings: 8, Untimed: 1, Unmapped: 4, Skipped: 5, Missed: 6, RejectedBy: many, Lag: &lag, Blocked: true, Silent: 90 * time.Second},
			{Name: "plc", Kind: "opcua", State: "failed", Silent: -1},
		}
	})
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	body, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	text := string(body)
	for _, want := range []string{
		`iot_source_state{kind="mqtt",source="hall-3",state="connected"} 1`, `iot_source_state{kind="mqtt",source="hall-3",state="failed"} 0`,
		`iot_source_state{kind="opcua",source="plc",state="failed"} 1`, `iot_source_connections_total{kind="mqtt",source="hall-3"} 2`,
		`iot_source_messages_total{kind="mqtt",source="hall-3"} 10`, `iot_source_readings_total{kind="mqtt",source="hall-3"} 8`,
		`iot_source_untimed_total{kind="mqtt",source="hall-3"} 1`, `iot_source_unmapped_total{kind="mqtt",source="hall-3"} 4`, `iot_source_lag_messages{kind="mqtt",source="hall-3"} 7`,
		`iot_source_skipped_polls_total{kind="mqtt",source="hall-3"} 5`, `iot_source_missed_messages_total{kind="mqtt",source="hall-3"} 6`,
		`iot_source_blocked{kind="mqtt",source="hall-3"} 1`, `iot_source_last_message_age_seconds{kind="mqtt",source="hall-3"} 90`,
		`iot_source_rejected_total{field="none",kind="mqtt",source="hall-3"} 2`, `iot_source_rejected_total{field="none",kind="opcua",source="plc"} 0`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no line %s", want)
		}
	}
	if strings.Contains(text, `age_seconds{kind="opcua"`) || strings.Contains(text, `lag_messages{kind="opcua"`) {
		t.Error("a source that has received nothing has an age, or a lag that nobody knows")
	}
	rejected, total := 0, 0
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "iot_source_rejected_total") && strings.Contains(line, "hall-3") {
			var count int
			if _, err := fmt.Sscan(line[strings.LastIndex(line, " "):], &count); err != nil {
				t.Fatal(err)
			}
			rejected++
			total += count
		}
	}
	if rejected > maxLabelValues+1 || total != 106 {
		t.Errorf("got %d fields with %d dead letters, want at most %d with 106", rejected, total, maxLabelValues+1)
	}
}
