package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/iot"
)

// pointsPerBucket is how many readings History may return for one bucket.
const pointsPerBucket = 4

// defaultPeriod is the length of the range of a query without from.
const defaultPeriod = time.Hour

func (s *server) registerHistory(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "list-device-readings",
		Method:      http.MethodGet,
		Path:        Prefix + "/devices/{id}/readings",
		Tags:        []string{"History"},
		Summary:     "Get the readings of one device",
		Description: "The archived readings in [from, to), oldest first. When there are too many, the range is cut into buckets " +
			"of equal length, and each gives its first, smallest, largest and last reading: no extreme disappears.",
		Errors: []int{http.StatusNotFound, http.StatusServiceUnavailable},
	}, s.listReadings)
	huma.Register(api, huma.Operation{
		OperationID: "list-summaries",
		Method:      http.MethodGet,
		Path:        Prefix + "/summaries",
		Tags:        []string{"History"},
		Summary:     "List window summaries",
		Description: "The closed windows that start in [from, to): one item for each window and device type, oldest first. The " +
			"first page fixes the range; its cursors keep it, also when from and to are relative. With step, consecutive windows are " +
			"merged: readings add up, device_count is the largest of the windows merged, and the counts at a window's close, such " +
			"as online_devices, are those of the last.",
		Errors: []int{http.StatusBadRequest, http.StatusServiceUnavailable},
	}, s.listSummaries)
	huma.Register(api, huma.Operation{
		OperationID: "list-alerts",
		Method:      http.MethodGet,
		Path:        Prefix + "/alerts",
		Tags:        []string{"History"},
		Summary:     "List alerts",
		Description: "Alerts, newest onset first: of each its latest event, and when it was raised and cleared.",
		Errors:      []int{http.StatusBadRequest, http.StatusServiceUnavailable},
	}, s.listAlerts)
	huma.Register(api, huma.Operation{
		OperationID: "get-alert", Method: http.MethodGet, Path: Prefix + "/alerts/{id}", Tags: []string{"History"},
		Summary: "Get an alert", Description: "Its latest event, and when it was raised and cleared.",
		Errors: []int{http.StatusNotFound, http.StatusServiceUnavailable},
	}, s.getAlert)
	huma.Register(api, huma.Operation{
		OperationID: "list-alert-events", Method: http.MethodGet, Path: Prefix + "/alerts/{id}/events", Tags: []string{"History"},
		Summary: "List the events of an alert",
		Description: "What became of one alert, oldest first: when it was raised, acknowledged, shelved, commented and cleared, and by whom. At most 1,000: truncated says that there are more. They are kept as " +
			"long as the alert.",
		Errors: []int{http.StatusNotFound, http.StatusServiceUnavailable},
	}, s.listAlertEvents)
}

type readingsInput struct {
	ID        iot.DeviceID `path:"id" doc:"The device's id, percent-encoded." example:"device_001" maxLength:"128"`
	From      moment       `query:"from" doc:"The start of the range: RFC 3339, or a time before now such as -90m or -7d. An hour before to if absent." example:"-15m"`
	To        moment       `query:"to" doc:"The end of the range, exclusive: RFC 3339, now, or a time before now. Now if absent."`
	Step      span         `query:"step" doc:"The shortest bucket, such as 10s or 5m; it grows as needed to keep to max_points."`
	MaxPoints int          `query:"max_points" doc:"How many readings to answer with at most." minimum:"4" maximum:"5000" default:"1000"`
}

// readingList is the readings of one device in a range.
type readingList struct {
	DeviceID iot.DeviceID `json:"device_id"`
	From     time.Time    `json:"from"`
	To       time.Time    `json:"to"`
	Items    []point      `json:"items" nullable:"false"`
}

// point is one archived reading.
type point struct {
	Timestamp time.Time   `json:"timestamp"`
	Value     float64     `json:"value" doc:"In the device type's unit."`
	Quality   iot.Quality `json:"quality,omitempty" enum:"good,uncertain,bad" doc:"Absent for good."`
}

func (s *server) listReadings(ctx context.Context, in *readingsInput) (*answer[readingList], error) {
	from, to, err := s.period(in.From, in.To, defaultPeriod)
	if err != nil {
		return nil, err
	}
	buckets := in.MaxPoints / pointsPerBucket
	points, err := s.o.History.Readings(ctx, ReadingsQuery{
		Device: in.ID.Canonical(), From: from, To: to, Step: bucketLength(in.Step.length, to.Sub(from), buckets), MaxPoints: buckets,
		Whole: in.MaxPoints,
	})
	if err := s.historyProblem(ctx, err); err != nil {
		return nil, err
	}
	if !s.o.Fleet.Known(in.ID.Canonical()) && len(points) == 0 {
		return nil, s.noSuchDevice(in.ID)
	}
	items := make([]point, len(points))
	for i, p := range points {
		items[i] = point{p.Time, p.Value, p.Quality}
	}
	return &answer[readingList]{readingList{in.ID, from, to, items}}, nil
}

// bucketLength increases step until at most the given number of buckets cover the range. 0 stays 0, which means no given
// length.
func bucketLength(step, length time.Duration, buckets int) time.Duration {
	if step == 0 {
		return 0
	}
	shortest := (length + time.Duration(buckets) - 1) / time.Duration(buckets)
	return max(step, shortest)
}
