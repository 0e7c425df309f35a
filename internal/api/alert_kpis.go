package api

import (
	"context"
	"math"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/iot"
	"iotmon/internal/kpi"
)

const (
	// defaultKPISpan is the time of the figures if the request does not say: the standards ask for at least 30 days.
	defaultKPISpan = 30 * 24 * time.Hour
	// maxStale is up to how many stale alerts are counted.
	maxStale = 100_000
	// maxKPIPoints is the maximum length of the series.
	maxKPIPoints = 400
)

func (s *server) registerKPIs(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "get-alert-kpis", Method: http.MethodGet, Path: Prefix + "/alerts/kpis", Tags: []string{"Alerts"},
		Summary: "Key figures of alarm management",
		Description: "How many alerts operators had to deal with in a time, by the terms of ISA-18.2 / IEC 62682 and EEMUA 191, with the targets of those. Only alerts count of which somebody was notified: " +
			"not those that were suppressed (shelved, out of service, by design) when they were raised, nor violations found in a backlog. The time is widened to whole periods of ten minutes, at most 92 days. " +
			"At most 500,000 alerts are counted: truncated says that there are more, and counted_until up to when the figures are.",
		Errors: []int{http.StatusTooManyRequests, http.StatusServiceUnavailable},
	}, s.alertKPIs)
}

type kpisInput struct {
	From      moment   `query:"from" doc:"The beginning: RFC 3339, or a time before now such as -7d. 30 days before the end if absent."`
	To        moment   `query:"to" doc:"The end, exclusive; now if absent."`
	Area      iot.Area `query:"area" doc:"Only devices of this area and those below it; of devices without a registry entry, those in this building." maxLength:"1024"`
	Operators int      `query:"operators" doc:"How many operators share the alerts: rates are for one of them." minimum:"1" maximum:"1000" default:"1" example:"2"`
}

// alertFigures are the key figures of a time.
type alertFigures struct {
	From         time.Time  `json:"from" doc:"From when the figures are: the first archived window, if the time asked for begins before it."`
	To           time.Time  `json:"to"`
	Operators    int        `json:"operators"`
	Truncated    bool       `json:"truncated,omitempty" doc:"There are more than 500,000 alerts."`
	CountedUntil time.Time  `json:"counted_until" doc:"Up to when the figures are."`
	Alerts       int64      `json:"alerts" doc:"Alerts that were not suppressed when they were raised."`
	Suppressed   int64      `json:"suppressed" doc:"Alerts that were shelved, out of service or suppressed by design when they were raised. No other figure counts them, but stale."`
	AveragedFrom time.Time  `json:"averaged_from" doc:"From when averages and parts of the time are: the first period of ten minutes for the whole of which there is data."`
	AveragedTo   time.Time  `json:"averaged_until" doc:"Until when they are: a period that is not over would lower them, and is left out. If no period is whole, they are about what there is."`
	PerDay       float64    `json:"per_day" doc:"For one operator, on average."`
	PerHour      float64    `json:"per_hour" doc:"For one operator, on average."`
	PerTen       float64    `json:"per_10_minutes" doc:"For one operator, on average."`
	Peak         float64    `json:"peak_10_minutes" doc:"The most in ten minutes, for one operator."`
	PeakAt       time.Time  `json:"peak_at,omitzero" doc:"When those began."`
	BusyTen      float64    `json:"busy_10_minutes_percent" doc:"Periods of ten minutes with more than 10 alerts for one operator, of all."`
	BusyHours    float64    `json:"busy_hours_percent" doc:"Hours with more than 30 alerts for one operator, of all."`
	Flood        float64    `json:"flood_percent" doc:"Periods in floods, of all. A flood begins with more than 10 alerts in ten minutes for one operator, and ends with less than 5."`
	Floods       int        `json:"floods"`
	MostShare    float64    `json:"most_percent" doc:"The part of all alerts that the ten most frequent have."`
	Most         []frequent `json:"most" nullable:"false" doc:"The rules and devices with the most alerts, at most ten."`
	Chattering   int64      `json:"chattering" doc:"How many rules on a device have raised three or more alerts within a minute."`
	Fleeting     int64      `json:"fleeting" doc:"How many alerts have cleared within a minute."`
	Stale        int64      `json:"stale" doc:"How many alerts were open for more than 24 hours at the end; at most 100,000 are counted."`
	Priorities   priorities `json:"priorities"`
	Acknowledged int64      `json:"acknowledged" doc:"How many of the alerts were acknowledged."`
	AckMedian    float64    `json:"acknowledge_median_seconds" doc:"Half of those were acknowledged within this time."`
	AckLate      float64    `json:"acknowledge_late_seconds" doc:"Nine of ten of those were."`
	Targets      kpiTargets `json:"targets" doc:"What the standards say is acceptable."`
	Step         float64    `json:"step_seconds" doc:"The length of a point of the series."`
	Series       []int64    `json:"series" nullable:"false" doc:"The alerts in each step since from."`
}

// priorities are the parts of the alerts by severity.
type priorities struct {
	Critical float64 `json:"critical_percent"`
	Warning  float64 `json:"warning_percent"`
	Info     float64 `json:"info_percent"`
}

// frequent is how many alerts a rule has raised on a device.
type frequent struct {
	Rule       string       `json:"alert_type"`
	DeviceID   iot.DeviceID `json:"device_id"`
	Alerts     int64        `json:"alerts"`
	Chattering bool         `json:"chattering,omitempty"`
}

// kpiTargets are the limits up to which figures are acceptable.
type kpiTargets struct {
	PerDay     float64 `json:"per_day"`
	PerHour    float64 `json:"per_hour"`
	PerTen     float64 `json:"per_10_minutes"`
	Peak       float64 `json:"peak_10_minutes"`
	BusyTen    float64 `json:"busy_10_minutes_percent"`
	BusyHours  float64 `json:"busy_hours_percent"`
	Flood      float64 `json:"flood_percent"`
	MostShare  float64 `json:"most_percent"`
	Chattering float64 `json:"chattering"`
	Fleeting   float64 `json:"fleeting"`
	Stale      float64 `json:"stale"`
	Critical   float64 `json:"critical_percent"`
	Warning    float64 `json:"warning_percent"`
}

// acceptable are the targets of ISA-18.2 / IEC 62682 for one operator, "very likely to be acceptable".
var acceptable = kpiTargets{
	PerDay: 144, PerHour: 6, PerTen: 1, Peak: 10, BusyTen: 1, BusyHours: 1, Flood: 1, MostShare: 5, Stale: 4, Critical: 5, Warning: 15,
}

func (s *server) alertKPIs(ctx context.Context, in *kpisInput) (*answer[alertFigures], error) {
	from, to, err := s.period(in.From, in.To, defaultKPISpan)
	if err != nil {
		return nil, err
	}
	if to.Sub(from) > kpi.MaxSpan {
		return nil, badParameter("from", "must be at most 92 days before to", from.Format(time.RFC3339))
	}
	area := in.Area.Canonical()
	release, err := s.admitScan(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	// Rates over a time from which there is no data would say that alerts are few.
	first, err := s.o.History.Summaries(ctx, SummariesQuery{From: from, To: to, WithoutAlerts: true, Limit: 1})
	if err := s.historyProblem(ctx, err); err != nil {
		return nil, err
	}
	since := from.Truncate(kpi.Period)
	if len(first) > 0 && first[0].Window.Start.After(from) {
		from, since = first[0].Window.Start, first[0].Window.Start
	}
	tally := kpi.New(kpi.Span{From: from, To: to, Since: since, Now: s.o.Now()}, in.Operators)
	q := kpi.Query{Area: area, From: tally.From(), To: tally.To()}
	err = s.o.History.RaisedAlerts(ctx, q, tally.Add)
	if err := s.historyProblem(ctx, err); err != nil {
		return nil, err
	}
	figures := tally.Figures()
	q.To = to
	figures.Stale, err = s.o.History.StaleAlerts(ctx, q, maxStale)
	if err := s.historyProblem(ctx, err); err != nil {
		return nil, err
	}
	return &answer[alertFigures]{toFigures(tally, &figures, max(in.Operators, 1))}, nil
}

func toFigures(t *kpi.Tally, f *kpi.Figures, operators int) alertFigures {
	out := alertFigures{
		From: t.From(), To: t.To(), Operators: operators, Truncated: f.Truncated, CountedUntil: f.Counted, AveragedFrom: f.AveragedFrom, AveragedTo: f.AveragedUntil, Alerts: f.Alerts, Suppressed: f.Suppressed,
		PerDay: rounded(f.PerDay), PerHour: rounded(f.PerHour), PerTen: rounded(f.PerPeriod), Peak: rounded(f.Peak), PeakAt: f.PeakAt,
		BusyTen: percent(f.BusyPeriods), BusyHours: percent(f.BusyHours), Flood: percent(f.Flood), Floods: f.Floods, MostShare: percent(f.MostShare),
		Most: make([]frequent, len(f.Most)), Chattering: f.Chattering, Fleeting: f.Fleeting, Stale: f.Stale,
		Acknowledged: f.Acknowledged, AckMedian: f.Median.Seconds(), AckLate: f.Late.Seconds(), Targets: acceptable,
	}
	for i, m := range f.Most {
		out.Most[i] = frequent{m.Rule, m.Device, m.Alerts, m.Chattering}
	}
	if f.Alerts > 0 {
		share := func(s iot.Severity) float64 { return percent(float64(f.Severities[s]) / float64(f.Alerts)) }
		out.Priorities = priorities{share(iot.Critical), share(iot.Warning), share(iot.Info)}
	}
	step := 1
	for _, periods := range []int{1, 6, 36, 144} { // Ten minutes, an hour, six hours, a day.
		if step = periods; len(f.Periods) <= periods*maxKPIPoints {
			break
		}
	}
	out.Step = (time.Duration(step) * kpi.Period).Seconds()
	out.Series = make([]int64, (len(f.Periods)+step-1)/step)
	for i, alerts := range f.Periods {
		out.Series[i/step] += alerts
	}
	return out
}

// rounded rounds to three digits after the point.
func rounded(x float64) float64 { return math.Round(x*1000) / 1000 }

func percent(part float64) float64 { return rounded(100 * part) }
