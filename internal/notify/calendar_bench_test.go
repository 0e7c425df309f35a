package notify

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkTurns is the longest calendar: who is on call for two weeks, as the API shows it.
func BenchmarkTurns(b *testing.B) {
	spec := CalendarSpec{Name: "longest", TimeZone: "Europe/Berlin", Otherwise: []string{"head"}}
	for i := range maxTurns {
		span := SpanSpec{From: fmt.Sprintf("%02d:%02d", i%24, i%60), To: fmt.Sprintf("%02d:%02d", (i+7)%24, (i*7)%60)}
		spec.Shifts = append(spec.Shifts, ShiftSpec{span, []string{fmt.Sprint("channel", i%17)}})
	}
	calendar, err := spec.Calendar("")
	if err != nil {
		b.Fatal(err)
	}
	from := time.Date(2026, 3, 20, 12, 0, 0, 0, time.UTC)
	for b.Loop() {
		calendar.Turns(from, from.AddDate(0, 0, 14))
	}
}
