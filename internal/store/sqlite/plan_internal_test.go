package sqlite

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"iotmon/internal/api"
)

// Of 200,000 alerts a page is read from an index in its order: nothing is sorted, and no table is read from its beginning.
func TestAPageOfAlertsIsNotSorted(t *testing.T) {
	s, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "iotmon.db"), ReadingsTopic: "device-data"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	yes, no := true, false
	at := time.Unix(1_700_000_000, 0)
	for want, queries := range map[string][]api.AlertsQuery{
		"alerts_by_onset":  {{}, {Type: "t"}, {Severity: "critical"}, {Area: "hall/3"}, {Text: "x"}, {Open: &no}, {From: at, To: at}, {BeforeOnset: at, AfterID: "a"}},
		"alerts_by_device": {{Device: "d"}, {Device: "d", Rule: "r"}, {Device: "d", Open: &yes, From: at}},
		"alerts_open":      {{Open: &yes}, {Open: &yes, Rule: "r"}, {Open: &yes, BeforeOnset: at, AfterID: "a"}},
		"alerts_of_rule":   {{Rule: "r"}, {Rule: "r", Severity: "info"}, {Rule: "r", Returned: true}, {Rule: "r", BeforeOnset: at, AfterID: "a"}},
		"alerts_returned":  {{Returned: true}, {Returned: true, Type: "t"}},
		"PRIMARY KEY":      {{ID: "a"}},
	} {
		for _, q := range queries {
			q.Limit = 1000
			query, args := selectAlerts(&q)
			var steps []string
			err := each(t.Context(), s.reader, func(rows *sql.Rows) error {
				var id, parent, unused int
				var step string
				err := rows.Scan(&id, &parent, &unused, &step)
				steps = append(steps, step)
				return err
			}, "EXPLAIN QUERY PLAN "+query, args...)
			if err != nil {
				t.Fatal(err)
			}
			if plan := strings.Join(steps, "; "); len(steps) != 1 || !strings.HasPrefix(plan, "SEARCH") || !strings.Contains(plan, want) {
				t.Errorf("%+v: got %q, want a search by %s alone", q, plan, want)
			}
		}
	}
}
