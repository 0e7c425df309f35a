package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/control"
	"iotmon/internal/iot"
)

// ruleProblem says what is wrong with the rule in a body, and where.
func ruleProblem(err error) error { return ruleProblemAt("body", err) }

// ruleProblemAt says what is wrong with the rule at a place in a body.
func ruleProblemAt(place string, err error) error {
	at := ruleFault(err)
	if at.field != "" {
		place += "." + at.field
	}
	return huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{Message: at.reason, Location: place})
}

// fault is what is wrong with a rule; field is the path of the key, empty if it is about the whole rule.
type fault struct{ field, reason string }

// ruleFault returns what an error of a rule says, with the keys of RuleBody.
func ruleFault(err error) fault {
	invalid := (*iot.InvalidError)(nil)
	if !errors.As(err, &invalid) || invalid.Field == "" {
		return fault{reason: err.Error()}
	}
	field := invalid.Field
	switch field {
	case "within", "for", "clear_for":
		field += "_seconds"
	case "alert_type":
		field = "name"
	}
	if slices.Contains([]string{"kind", "below", "threshold", "hysteresis", "within_seconds", "limit", "last", "levels", "expression"}, strings.Split(field, ".")[0]) {
		field = "condition." + field
	}
	return fault{field, invalid.Reason}
}

// ruleDecisionProblem converts an error of ChangeRules to a problem.
func (s *server) ruleDecisionProblem(ctx context.Context, err error) error {
	var problem huma.StatusError
	switch {
	case errors.As(err, &problem):
		return err
	case errors.Is(err, errPrecondition):
		return huma.NewError(http.StatusPreconditionRequired, "there is such a rule already: send its ETag in If-Match, so that nobody's change is lost")
	case errors.Is(err, control.ErrUnavailable):
		return s.decisionProblem(ctx, err)
	case errors.Is(err, control.ErrNameTaken):
		return huma.Error409Conflict(err.Error())
	case errors.Is(err, control.ErrNoVersion):
		return huma.Error409Conflict("the rule cannot be changed: it has the highest version that there is")
	}
	return ruleProblem(err)
}
