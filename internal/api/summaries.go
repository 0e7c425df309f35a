package api

import (
	"context"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

type summariesInput struct {
	Type   iot.DeviceType `query:"type" doc:"Only this device type." example:"temperature_sensor" maxLength:"128"`
	Area   iot.Area       `query:"area" doc:"Only readings of this area, the first level of their location: the building where it is known." example:"A栋" maxLength:"128"`
	From   moment         `query:"from" doc:"The earliest window start: RFC 3339, or a time before now such as -90m or -7d. An hour before to if absent." example:"-5m"`
	To     moment         `query:"to" doc:"The end of the range, exclusive: RFC 3339, now, or a time before now. Now if absent."`
	Step   span           `query:"step" doc:"Merge the windows into longer ones of this length, such as 5m; at most 1d. As they were recorded if absent."`
	Alerts bool           `query:"alerts" doc:"Whether each summary lists its alerts; without them the answer is much shorter." default:"true"`
	Limit  int            `query:"limit" doc:"How many summaries one page holds at most. A day of one type is 2880 windows of 30 s." minimum:"1" maximum:"3000" default:"1000"`
	Cursor string         `query:"cursor" doc:"The next of the page before." maxLength:"2048"`
}

func (in summariesInput) listing() string {
	in.Limit, in.Cursor = 0, ""
	return listing("summaries", in)
}

// summariesRow is a cursor: the last row of a page, and the time range, which the first page fixes.
type summariesRow struct {
	From  time.Time      `json:"f"`
	To    time.Time      `json:"t"`
	Start time.Time      `json:"s,omitzero"`
	Type  iot.DeviceType `json:"d,omitempty"`
	// Length distinguishes windows of a type with the same start.
	Length time.Duration `json:"l,omitempty"`
}

func (s *server) listSummaries(ctx context.Context, in *summariesInput) (*answer[list[wire.Aggregate]], error) {
	row, err := s.summariesStart(in)
	if err != nil {
		return nil, err
	}
	fetch := s.windows
	if in.Step.length > 0 {
		fetch = s.mergedWindows
	}
	rows, next, err := fetch(ctx, in, row)
	if err := s.historyProblem(ctx, err); err != nil {
		return nil, err
	}
	out := &answer[list[wire.Aggregate]]{}
	if next != nil {
		if out.Body.Next, err = seal(in.listing(), *next); err != nil {
			return nil, err
		}
	}
	out.Body.Items = make([]wire.Aggregate, 0, len(rows))
	for i := range rows {
		if rows[i].Empty() {
			continue
		}
		if !in.Alerts {
			rows[i].Alerts = nil
		}
		out.Body.Items = append(out.Body.Items, wire.FromSummary(&rows[i]))
	}
	return out, nil
}

func (s *server) summariesStart(in *summariesInput) (summariesRow, error) {
	if err := s.checkType(in.Type); err != nil {
		return summariesRow{}, err
	}
	if err := in.Area.NormalizeFirst("area"); err != nil {
		return summariesRow{}, badParameter("area", "must be the first level of an area, a name without a slash", in.Area)
	}
	if step := in.Step.length; step > longestStep || step%time.Second != 0 {
		return summariesRow{}, badParameter("step", "must be whole seconds, at most 1d", step.String())
	}
	if in.Cursor != "" {
		return unseal[summariesRow](in.listing(), in.Cursor)
	}
	from, to, err := s.period(in.From, in.To, defaultPeriod)
	return summariesRow{From: from, To: to}, err
}

// behind returns the cursor behind a row.
func (row summariesRow) behind(last *iot.WindowSummary) *summariesRow {
	row.Start, row.Type, row.Length = last.Window.Start, last.Type, last.Window.Length
	return &row
}

// windows returns a page of windows as they were recorded, and the cursor behind it if another follows.
func (s *server) windows(ctx context.Context, in *summariesInput, row summariesRow) ([]iot.WindowSummary, *summariesRow, error) {
	rows, err := s.o.History.Summaries(ctx, SummariesQuery{
		Type: in.Type, Area: in.Area, From: row.From, To: row.To, AfterStart: row.Start, AfterType: row.Type, AfterLength: row.Length,
		WithoutAlerts: !in.Alerts, Limit: in.Limit + 1,
	})
	if err != nil || len(rows) <= in.Limit {
		return rows, nil, err
	}
	return rows[:in.Limit], row.behind(&rows[in.Limit-1]), nil
}

// longestStep limits what must be read for one row.
const longestStep = 24 * time.Hour

const (
	// mergeBlock is how many windows are read at a time, mergeMost how many for one page: a page that would need more ends
	// early, after the last complete step.
	mergeBlock = 2000
	mergeMost  = 20_000
)

// mergedWindows returns a page of windows that are merged to the length of the step, and the cursor behind it if another follows.
func (s *server) mergedWindows(ctx context.Context, in *summariesInput, row summariesRow) ([]iot.WindowSummary, *summariesRow, error) {
	// A page that ended within a step begins with that step again and leaves out the types it has shown.
	q := SummariesQuery{Type: in.Type, Area: in.Area, From: row.From, To: row.To, WithoutAlerts: !in.Alerts, Limit: mergeBlock}
	if row.Start.After(q.From) {
		q.From = row.Start
	}
	m := merger{step: in.Step.length, after: row}
	for read := 0; len(m.done) <= in.Limit; {
		windows, err := s.o.History.Summaries(ctx, q)
		if err != nil {
			return nil, nil, err
		}
		for i := range windows {
			if windows[i].Empty() {
				m.pass(&windows[i])
				continue
			}
			m.add(&windows[i])
		}
		if len(windows) < q.Limit {
			m.flush()
			break
		}
		last := &windows[len(windows)-1]
		q.AfterStart, q.AfterType, q.AfterLength = last.Window.Start, last.Type, last.Window.Length
		if read += len(windows); read < mergeMost {
			continue
		}
		if done := m.done[:min(in.Limit, len(m.done))]; len(done) > 0 {
			return done, row.behind(&done[len(done)-1]), nil
		}
		// Nothing but windows of other areas or tenants. The next page begins with the step in which this one has ended.
		if m.window.Start.After(q.From) {
			row.Start, row.Type, row.Length = m.window.Start, "", 0
			return nil, &row, nil
		}
	}
	if len(m.done) <= in.Limit {
		return m.done, nil, nil
	}
	return m.done[:in.Limit], row.behind(&m.done[in.Limit-1]), nil
}
