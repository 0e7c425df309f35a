package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/control"
	"iotmon/internal/iot"
)

// Forgetter requests that devices be forgotten.
type Forgetter interface {
	// Forget appends a forget record to the readings' log, and returns once Kafka has acknowledged it. After an error the
	// record may or may not have been appended; forgetting a device twice is harmless. Forget may be called concurrently.
	Forget(ctx context.Context, device iot.DeviceID) error
}

const (
	// forgetTimeout is how long a request waits until the processor has processed the record; it checks every forgetStep.
	forgetTimeout = 2 * time.Second
	forgetStep    = 20 * time.Millisecond
)

func (s *server) registerForget(api huma.API) {
	if s.o.Forgetter == nil && s.o.Registry == nil {
		return
	}
	huma.Register(api, huma.Operation{
		OperationID: "forget-device",
		Method:      http.MethodDelete,
		Path:        Prefix + "/devices/{id}",
		Tags:        []string{"Devices"},
		Summary:     "Forget a device",
		Description: "The device and its open alerts disappear from the lists and from every page, and its registry entry is removed. What it " +
			"has sent, and its past alerts, stay in the archive. A device that sends again is there again, without an entry.",
		DefaultStatus: http.StatusNoContent,
		Responses: map[string]*huma.Response{
			"204": {Description: "The device is forgotten."},
			"202": {Description: "The request is in the log; the device disappears when the processor reads it. That takes longer than two " +
				"seconds when the processor is behind or not running. The answer is the same when the device has sent again meanwhile."},
		},
		Errors: []int{http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusPreconditionFailed, http.StatusTooManyRequests,
			http.StatusServiceUnavailable},
	}, s.forgetDevice)
}

type forgetInput struct{ EntryInput }

// forgotten is an answer without a body.
type forgotten struct{ Status int }

func (s *server) forgetDevice(ctx context.Context, in *forgetInput) (*forgotten, error) {
	defer s.orders.drop()
	in.ID = in.ID.Canonical()
	if s.o.Registry == nil {
		if !s.o.Fleet.Known(in.ID) {
			return nil, s.noSuchDevice(in.ID)
		}
		return s.appendForget(ctx, in.ID)
	}
	condition, err := in.condition()
	if err != nil {
		return nil, err
	}
	outcome, inForce, err := s.decide(ctx, control.Edit{
		Device: iot.Identity{ID: in.ID}, If: condition, To: s.forgetting(in.ID),
	}, in.by("forget"))
	if err != nil {
		return nil, err
	}
	s.o.Logger.InfoContext(ctx, "device is to be forgotten", "device", in.ID, "version", outcome.After.Version)
	if inForce && s.waitForgotten(ctx, in.ID) {
		return &forgotten{http.StatusNoContent}, nil
	}
	return &forgotten{http.StatusAccepted}, nil
}

// forgetting returns the change that forgets a device, which is refused if nothing is known of it.
func (s *server) forgetting(id iot.DeviceID) func(iot.DeviceEntry) (iot.DeviceEntry, error) {
	known := s.o.Fleet.Known(id)
	return func(current iot.DeviceEntry) (iot.DeviceEntry, error) {
		if !known && same(current) {
			return iot.DeviceEntry{}, s.noSuchDevice(id)
		}
		return iot.DeviceEntry{Forget: true}, nil
	}
}

// appendForget has a device forgotten without a registry.
func (s *server) appendForget(ctx context.Context, id iot.DeviceID) (*forgotten, error) {
	release, err := s.admitDecision()
	if err != nil {
		return nil, err
	}
	defer release()
	if err := s.o.Forgetter.Forget(ctx, id); err != nil {
		if ctx.Err() == nil {
			s.o.Logger.ErrorContext(ctx, "device not forgotten", "device", id, "error", err)
		}
		return nil, retryLater(huma.Error503ServiceUnavailable("the log does not acknowledge at the moment"), "5")
	}
	s.o.Logger.InfoContext(ctx, "device is to be forgotten", "device", id)
	if s.waitForgotten(ctx, id) {
		return &forgotten{http.StatusNoContent}, nil
	}
	return &forgotten{http.StatusAccepted}, nil
}

// waitForgotten waits until the device is no longer known; false if it still is after forgetTimeout or when ctx ends.
func (s *server) waitForgotten(ctx context.Context, id iot.DeviceID) bool {
	ctx, cancel := context.WithTimeout(ctx, forgetTimeout)
	defer cancel()
	step := time.NewTicker(forgetStep)
	defer step.Stop()
	for {
		if !s.o.Fleet.Known(id) {
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
