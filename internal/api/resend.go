package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

func (s *server) registerResend(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "resend-dead-letters",
		Method:      http.MethodPost,
		Path:        Prefix + "/dead-letters/resend",
		Tags:        []string{"System"},
		Summary:     "Send dead letters again",
		Description: "Appends the readings in these dead letters to the log again, as when a device type was missing in the configuration and " +
			"is there now. Each is checked first: one that would be rejected again is not sent, and the answer says why. A reading that " +
			"has been counted already counts once. The dead letters stay where they are.",
		Errors: []int{http.StatusForbidden, http.StatusTooManyRequests, http.StatusServiceUnavailable},
	}, s.resendDeadLetters)
}

type resendInput struct {
	Body struct {
		IDs []DeadLetterID `json:"ids" doc:"The dead letters to send again; one that is listed twice is sent once." minItems:"1" maxItems:"100" nullable:"false"`
	}
}

// resendResult is what became of one dead letter.
type resendResult struct {
	ID     DeadLetterID `json:"id"`
	Result string       `json:"result" doc:"sent: it is in the log again. rejected: it would be rejected again, for the reason given. gone: Kafka has deleted it, or it never was." enum:"sent,rejected,gone"`
	Device iot.DeviceID `json:"device_id,omitempty" doc:"The device of a reading that was sent."`
	Field  string       `json:"field,omitempty" doc:"The JSON path of what is still wrong; absent for the record as a whole."`
	Reason string       `json:"reason,omitempty" doc:"Why it would be rejected again."`
}

// resent is the answer to a request to send dead letters again.
type resent struct {
	Sent  int            `json:"sent" doc:"How many were sent."`
	Items []resendResult `json:"items" doc:"What became of each, in the order of the request." nullable:"false"`
}

const (
	resultSent     = "sent"
	resultRejected = "rejected"
	resultGone     = "gone"
)

func (s *server) resendDeadLetters(ctx context.Context, in *resendInput) (*answer[resent], error) {
	ids := withoutRepeats(in.Body.IDs)
	reading, done, err := s.readDeadLetters(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	letters, err := s.o.DeadLetters.Find(reading, ids)
	if err != nil {
		return nil, s.deadLettersProblem(reading, err)
	}
	out := resent{Items: make([]resendResult, len(ids))}
	var readings []iot.Reading
	for i, id := range ids {
		out.Items[i] = resendResult{ID: id, Result: resultGone}
		if letter, found := letters[id]; found {
			readings = s.admitAgain(&letter, &out.Items[i], readings)
		}
	}
	out.Sent = len(readings)
	if len(readings) == 0 {
		return &answer[resent]{out}, nil
	}
	if err := s.o.Appender.Append(ctx, readings); err != nil {
		if ctx.Err() == nil {
			s.o.Logger.ErrorContext(ctx, "dead letters not sent again", "count", len(readings), "error", err)
		}
		return nil, retryLater(huma.Error503ServiceUnavailable("the log has not acknowledged; some may have been sent, and may be sent again: a reading counts once"), "5")
	}
	s.o.Logger.InfoContext(ctx, "dead letters sent again", "count", len(readings))
	return &answer[resent]{out}, nil
}

// admitAgain decides about one dead letter: it appends its reading to readings if it would be accepted now, and says in the
// result what it has decided.
func (s *server) admitAgain(letter *DeadLetter, result *resendResult, readings []iot.Reading) []iot.Reading {
	reading, err := s.readAgain(letter)
	if err == nil {
		result.Result, result.Device = resultSent, reading.ID
		return append(readings, reading)
	}
	result.Result, result.Reason = resultRejected, err.Error()
	if invalid := (*iot.InvalidError)(nil); errors.As(err, &invalid) {
		result.Field, result.Reason = invalid.Field, invalid.Reason
	}
	return readings
}

// readAgain returns the reading in a dead letter, checked as if it came now. The error is an *iot.InvalidError.
func (s *server) readAgain(letter *DeadLetter) (reading iot.Reading, err error) {
	switch {
	case letter.Source != "":
		return reading, iot.Invalid("", "only readings are sent again, this is what the source %s received", letter.Source)
	case letter.Kind != iot.KindReading:
		return reading, iot.Invalid("", "only readings are sent again, this is a record of the kind %s", letter.Kind)
	case letter.Size > len(letter.Value):
		return reading, iot.Invalid("", "only the first %d of its %d bytes were kept", len(letter.Value), letter.Size)
	}
	// It is appended under its own device's key, whichever key it had.
	err = wire.NewDecoder().Admit(nil, letter.Value, s.o.Now(), s.o.Admission, &reading)
	return reading, err
}

func withoutRepeats(ids []DeadLetterID) []DeadLetterID {
	seen := make(map[DeadLetterID]bool, len(ids))
	var once []DeadLetterID
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			once = append(once, id)
		}
	}
	return once
}
