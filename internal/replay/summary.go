package replay

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"iotmon/internal/replay/recording"
)

// Summary is the result of a replay.
type Summary struct {
	// Rows counts the rows after the header, refused ones included. Empty counts the mapped cells without a value.
	Rows, Empty int64
	// Sent counts the readings that the system accepted or rejected, Accepted the accepted ones.
	Sent, Accepted int64
	// Markers counts the texts of the cells without a value; "" for empty cells.
	Markers map[string]int64
	// Own counts the readings that repeat an earlier one of the recording, Known those that the system had received before, from
	// this recording or from another source.
	Own, Known Repetitions
	// Notes are remarks about the recording, for the user.
	Notes []string
	// First and Last are the oldest and newest times among the readings sent, as sent.
	First, Last time.Time
	// Refused has a group for each reason, in the order of their first line. It covers cells that could not be read and readings
	// that the system rejected.
	Refused []Refusal
	// Ignored has the names of the columns that are not mapped, or of the first fields if Payloads is set: then the recording is no table.
	Ignored  []string
	Payloads bool
	Elapsed  time.Duration
}

// Repetitions counts readings whose device and time an earlier one had: Duplicates with the same value, Conflicts with
// another one. The first one counts.
type Repetitions struct{ Duplicates, Conflicts int64 }

// add counts a reading that may repeat an earlier one.
func (r *Repetitions) add(duplicate, conflict bool) {
	if duplicate {
		r.Duplicates++
	}
	if conflict {
		r.Conflicts++
	}
}

// Refusal counts rows, cells or readings that were refused for like reasons.
type Refusal struct {
	Field string
	// Reason is the reason of the first line, with its value.
	Reason string
	Count  int64
	// Lines are the first few lines concerned.
	Lines []int
}

const (
	// maxRefusals limits the groups. All further refusals are counted in the last one.
	maxRefusals = 50
	// maxRefusedLines limits the lines in a group.
	maxRefusedLines = 5
)

// refuse counts one refusal. Reasons that differ only in the refused value form a group.
func (s *Summary) refuse(line int, field, reason string) {
	for i := range s.Refused {
		r := &s.Refused[i]
		if i == maxRefusals-1 || r.Field == field && kindOf(r.Reason) == kindOf(reason) {
			r.Count++
			if len(r.Lines) < maxRefusedLines {
				r.Lines = append(r.Lines, line)
			}
			return
		}
	}
	if len(s.Refused) == maxRefusals-1 {
		field, reason = "", "refused for further reasons"
	}
	s.Refused = append(s.Refused, Refusal{Field: field, Reason: reason, Count: 1, Lines: []int{line}})
}

// maxUnmapped bounds the fields of payloads that are named as not mapped.
const maxUnmapped = 50

// unmapped counts the value of a payload for which there is no rule.
func (s *Summary) unmapped(field string) {
	if len(s.Ignored) < maxUnmapped && !slices.Contains(s.Ignored, field) {
		s.Ignored = append(s.Ignored, field)
	}
}

// maxMarkers bounds the markers that are counted apart.
const maxMarkers = 20

// missing counts a cell without a value.
func (s *Summary) missing(cell string) {
	s.Empty++
	if s.Markers == nil {
		s.Markers = make(map[string]int64)
	}
	cell = strings.TrimSpace(cell)
	if _, ok := s.Markers[cell]; !ok && len(s.Markers) >= maxMarkers {
		cell = "…"
	}
	s.Markers[cell]++
}

// markers lists the texts of the cells without a value, the most frequent first. It leaves out empty cells, NaN and null.
func (s *Summary) markers() string {
	names := slices.SortedFunc(maps.Keys(s.Markers), func(a, b string) int {
		return cmp.Or(cmp.Compare(s.Markers[b], s.Markers[a]), cmp.Compare(a, b))
	})
	names = slices.DeleteFunc(names, func(name string) bool {
		return slices.Contains([]string{"", "nan", "null"}, strings.ToLower(name))
	})
	if len(names) == 0 {
		return ""
	}
	for i, name := range names {
		names[i] = fmt.Sprintf("%d × %q", s.Markers[name], name)
	}
	return " (" + strings.Join(names, ", ") + ")"
}

// kindOf removes the refused value from the end of a reason.
func kindOf(reason string) string {
	kind, _, _ := strings.Cut(reason, " (got ")
	return kind
}

// sent counts one reading that the system has accepted or rejected.
func (s *Summary) sent(at time.Time) {
	s.Sent++
	if s.First.IsZero() || at.Before(s.First) {
		s.First = at
	}
	if at.After(s.Last) {
		s.Last = at
	}
}

// WriteTo writes the summary for a person to read.
func (s *Summary) WriteTo(w io.Writer) (int64, error) {
	var text strings.Builder
	fmt.Fprintf(&text, "read      %d rows, %d cells without a value%s\n", s.Rows, s.Empty, s.markers())
	fmt.Fprintf(&text, "sent      %d readings", s.Sent)
	if s.Sent > 0 {
		fmt.Fprintf(&text, ", %s to %s", s.First.Format(time.RFC3339), s.Last.Format(time.RFC3339))
	}
	rejected := s.Sent - s.Accepted
	fmt.Fprintf(&text, "\naccepted  %d\nrejected  %d by the system", s.Accepted, rejected)
	if unreadable := s.refusals() - rejected; unreadable > 0 {
		fmt.Fprintf(&text, ", %d as not readable", unreadable)
	}
	text.WriteByte('\n')
	for _, r := range s.Refused {
		field := r.Field
		if field != "" {
			field += ": "
		}
		fmt.Fprintf(&text, "          %d × %s%s, %s\n", r.Count, field, r.Reason, lines(r))
	}
	if n := max(s.Own.Duplicates, s.Known.Duplicates); n > 0 {
		fmt.Fprintf(&text, "repeated  %d readings have device, time and value of one before: they count once\n", n)
	}
	if n := max(s.Own.Conflicts, s.Known.Conflicts); n > 0 {
		fmt.Fprintf(&text, "conflicts %d readings have device and time of one before, and another value: the first one counts\n", n)
	}
	if len(s.Ignored) > 0 {
		what := "columns"
		if s.Payloads {
			what = "fields"
		}
		fmt.Fprintf(&text, "not sent  %s %s: not mapped\n", what, recording.QuoteAll(s.Ignored))
	}
	for _, note := range s.Notes {
		fmt.Fprintf(&text, "note      %s\n", note)
	}
	perSecond := 0.0
	if s.Elapsed > 0 {
		perSecond = float64(s.Sent) / s.Elapsed.Seconds()
	}
	fmt.Fprintf(&text, "took      %v, %.0f readings/s\n", s.Elapsed.Round(time.Millisecond), perSecond)
	n, err := io.WriteString(w, text.String())
	return int64(n), err
}

// refusals counts all that was refused, here or by the system.
func (s *Summary) refusals() int64 {
	total := int64(0)
	for _, r := range s.Refused {
		total += r.Count
	}
	return total
}

func lines(r Refusal) string {
	text := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(r.Lines)), ", "), "[]")
	if r.Count > int64(len(r.Lines)) {
		text += ", …"
	}
	if len(r.Lines) == 1 && r.Count == 1 {
		return "line " + text
	}
	return "lines " + text
}
