package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// badParameter returns the problem for a query parameter that is well formed but invalid.
func badParameter(name, message string, value any) error {
	return huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{
		Message: message, Location: "query." + name, Value: value,
	})
}

// maxEchoed is how many bytes of a refused text a problem repeats.
const maxEchoed = 200

// shortened returns the beginning of a text.
func shortened(text string) string {
	if len(text) <= maxEchoed {
		return text
	}
	return strings.ToValidUTF8(text[:maxEchoed], "") + "…"
}

// sparingProblem takes out of a problem what makes it as long as the request: objects and lists that were refused, and the ends of long texts. The
// location says where they are. It says plainly what the library has found wrong with a body.
func sparingProblem(registry huma.Registry) huma.Transformer {
	return func(ctx huma.Context, _ string, body any) (any, error) {
		problem, ok := body.(*huma.ErrorModel)
		if !ok {
			return body, nil
		}
		if schema := jsonBody(ctx.Operation()); schema != nil {
			problem.Errors = plainly(registry, schema, "body", problem.Errors)
		}
		for _, detail := range problem.Errors {
			switch value := detail.Value.(type) {
			case string:
				detail.Value = shortened(value)
			case []any, map[string]any: // What is decoded without a type, as requests are checked.
				detail.Value = nil
			}
		}
		return problem, nil
	}
}

// historyProblem converts any error of the archive to a 503 with Retry-After, and nil to nil. It logs only the first failure of
// an outage, and the first success after it. It does not log the failure of a request that the client has cancelled.
func (s *server) historyProblem(ctx context.Context, err error) error {
	switch {
	case err == nil:
		if s.historyDown.Swap(false) {
			s.o.Logger.InfoContext(ctx, "history answers again")
		}
		return nil
	case ctx.Err() == nil && !s.historyDown.Swap(true):
		s.o.Logger.ErrorContext(ctx, "history does not answer", "err", err)
	}
	return huma.ErrorWithHeaders(
		huma.Error503ServiceUnavailable("the archive does not answer at the moment; live data is not affected"),
		http.Header{"Retry-After": {"5"}},
	)
}

func writeProblem(w http.ResponseWriter, problem huma.StatusError) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(problem.GetStatus())
	_ = marshal(w, problem)
}
