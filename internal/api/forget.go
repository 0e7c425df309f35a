package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/iot"
)

// Forgetter has devices forgotten.
type Forgetter interface {
	// Forget puts it into the readings' log that the device is to be forgotten, and returns once the log has acknowledged that.
	// After an error it may be there or not; to forget a device twice does no harm. It may be called concurrently.
	Forget(ctx context.Context, device iot.DeviceID) error
}

const (
	// forgetPatience is how long an answer waits for the processor to come to the record, in steps of forgetStep.
	forgetPatience = 2 * time.Second
	forgetStep     = 20 * time.Millisecond
	// forgetsAtOnce bounds the requests that wait.
	forgetsAtOnce = 64
)

func (s *server) registerForget(api huma.API) {
	if s.o.Forgetter == nil {
		return
	}
	huma.Register(api, huma.Operation{
		OperationID: "forget-device",
		Method:      http.MethodDelete,
		Path:        Prefix + "/devices/{id}",
		Tags:        []string{"Devices"},
		Summary:     "Forget a device",
		Description: "The device and its open alerts disappear from the lists and from every page. What it has sent, and its past " +
			"alerts, stay in the archive. A device that sends again is there again.",
		DefaultStatus: http.StatusNoContent,
		Responses: map[string]*huma.Response{
			"204": {Description: "The device is forgotten."},
			"202": {Description: "The log has taken it; the device disappears when the processor comes to it. That takes longer than two " +
				"seconds when the processor is behind or not running. The answer is the same when the device has sent again meanwhile."},
		},
		Errors: []int{http.StatusForbidden, http.StatusNotFound, http.StatusTooManyRequests, http.StatusServiceUnavailable},
	}, s.forgetDevice)
}

type forgetInput struct {
	ID iot.DeviceID `path:"id" doc:"The device's id, percent-encoded." example:"device_001" maxLength:"128"`
}

// forgotten is an answer without a body.
type forgotten struct{ Status int }

func (s *server) forgetDevice(ctx context.Context, in *forgetInput) (*forgotten, error) {
	in.ID = in.ID.Canonical()
	if _, known := s.o.Fleet.Device(in.ID); !known {
		return nil, noSuchDevice(in.ID)
	}
	select {
	case s.forgetting <- struct{}{}:
		defer func() { <-s.forgetting }()
	default:
		return nil, retryLater(huma.Error429TooManyRequests("too many devices are being forgotten at this moment"), "1")
	}
	if err := s.o.Forgetter.Forget(ctx, in.ID); err != nil {
		if ctx.Err() == nil {
			s.o.Logger.ErrorContext(ctx, "device not forgotten", "device", in.ID, "error", err)
		}
		return nil, retryLater(huma.Error503ServiceUnavailable("the log does not acknowledge at the moment"), "5")
	}
	s.o.Logger.InfoContext(ctx, "device is to be forgotten", "device", in.ID)
	if s.disappears(ctx, in.ID) {
		return &forgotten{http.StatusNoContent}, nil
	}
	return &forgotten{http.StatusAccepted}, nil
}

// disappears waits for a device to be known no more; false if it still is when the patience, or ctx, ends.
func (s *server) disappears(ctx context.Context, id iot.DeviceID) bool {
	ctx, cancel := context.WithTimeout(ctx, forgetPatience)
	defer cancel()
	step := time.NewTicker(forgetStep)
	defer step.Stop()
	for {
		if _, known := s.o.Fleet.Device(id); !known {
			return true
		}
		select {
		case <-step.C:
		case <-ctx.Done():
			return false
		}
	}
}

func retryLater(problem huma.StatusError, seconds string) error {
	return huma.ErrorWithHeaders(problem, http.Header{"Retry-After": {seconds}})
}
