package api

import (
	"context"
	"net/http"
	"runtime"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

func (s *server) registerSystem(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "list-types",
		Method:      http.MethodGet,
		Path:        Prefix + "/types",
		Tags:        []string{"System"},
		Summary:     "List device types",
		Description: "Every device type with its unit, its physical range and its names in each language.",
	}, s.listTypes)
	huma.Register(api, huma.Operation{
		OperationID: "get-status",
		Method:      http.MethodGet,
		Path:        Prefix + "/status",
		Tags:        []string{"System"},
		Summary:     "Get the state of the plant",
		Description: "How many devices there are and how many of them are online, how many readings arrive, and how many alerts are open.",
	}, s.getStatus)
	huma.Register(api, huma.Operation{
		OperationID: "get-version",
		Method:      http.MethodGet,
		Path:        Prefix + "/version",
		Tags:        []string{"System"},
		Summary:     "Get the version",
	}, s.getVersion)
	if s.o.Admission == nil {
		return
	}
	huma.Register(api, huma.Operation{
		OperationID: "get-limits",
		Method:      http.MethodGet,
		Path:        Prefix + "/limits",
		Tags:        []string{"System"},
		Summary:     "Get what is admitted",
		Description: "How old and how far ahead of the server's clock a reading may be. Ask before sending an old recording.",
	}, s.getLimits)
}

func (s *server) listTypes(context.Context, *struct{}) (*answer[list[wire.TypeSpec]], error) {
	return &answer[list[wire.TypeSpec]]{list[wire.TypeSpec]{Items: wire.FromCatalog(s.o.Catalog)}}, nil
}

// status is the state of the plant in numbers.
type status struct {
	Timestamp time.Time `json:"timestamp" doc:"The server's clock."`
	wire.StatusCounts
	ByType            map[iot.DeviceType]wire.StatusCounts `json:"by_type" doc:"The same counts by device type."`
	ReadingsPerSecond float64                              `json:"readings_per_second"`
	OpenAlerts        map[iot.Severity]int64               `json:"open_alerts" doc:"Open alerts by severity; every severity is there."`
}

func (s *server) getStatus(context.Context, *struct{}) (*answer[status], error) {
	counts := s.o.Fleet.Counts()
	return &answer[status]{status{
		Timestamp:         iot.CutTime(s.o.Now()),
		StatusCounts:      counts.StatusCounts,
		ByType:            counts.ByType,
		ReadingsPerSecond: counts.ReadingsPerSecond,
		OpenAlerts:        s.o.Fleet.OpenAlerts(),
	}}, nil
}

// version is the running program.
type version struct {
	Name    string `json:"name" example:"iotmon"`
	Version string `json:"version"`
	Go      string `json:"go" doc:"The version of Go it was built with."`
}

func (s *server) getVersion(context.Context, *struct{}) (*answer[version], error) {
	return &answer[version]{version{Name: "iotmon", Version: s.o.Version, Go: runtime.Version()}}, nil
}

// admitted is the range of times that readings may have.
type admitted struct {
	Retention int64     `json:"readings_retention_seconds" example:"1209600" doc:"How old a reading may be when it arrives; 0 is any age. The setting is archive.retention.readings."`
	Earliest  time.Time `json:"earliest" doc:"The oldest timestamp that a reading may have. The setting is ingest.earliest_year."`
	Skew      int64     `json:"max_clock_skew_seconds" example:"10" doc:"How far ahead of the server's clock a reading may be. The setting is aggregation.max_clock_skew."`
}

func (s *server) getLimits(context.Context, *struct{}) (*answer[admitted], error) {
	a := s.o.Admission
	return &answer[admitted]{admitted{
		Retention: int64(a.Retention.Seconds()), Earliest: a.EarliestTime().UTC(), Skew: int64(a.Skew.Seconds()),
	}}, nil
}
