package api

import (
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/iot"
)

// refuseEmptyParameters refuses a query parameter that is given without a value, and one that is given more than once although it has one value. To the
// operations an empty value is an absent one, so that a program whose variable is empty would be answered with everything, or would change everything, and
// of several values only the first would count. It is for the operations that are registered after it is used.
func refuseEmptyParameters(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		address := ctx.URL()
		if wrong := emptyParameters(ctx.Operation(), address.Query()); len(wrong) > 0 {
			_ = huma.WriteErr(api, ctx, http.StatusUnprocessableEntity, "validation failed", wrong...)
			return
		}
		next(ctx)
	}
}

// emptyParameters returns what is wrong with the parameters that an operation knows.
func emptyParameters(op *huma.Operation, query url.Values) (wrong []error) {
	for _, p := range op.Parameters {
		values := query[p.Name]
		if p.In != "query" || len(values) == 0 {
			continue
		}
		message := ""
		if len(values) > 1 && p.Schema.Type != huma.TypeArray {
			message = "must be given once"
		}
		for _, value := range values {
			if selectsNothing(p.Name, value) {
				message = emptyMessage
			}
		}
		if message != "" {
			wrong = append(wrong, &huma.ErrorDetail{Message: message, Location: "query." + p.Name})
		}
	}
	return wrong
}

// emptyMessage is what is wrong with a value that is given and empty.
const emptyMessage = "must not be empty: leave it out to have everything"

// selectsNothing reports whether a value is empty. An area that consists of slashes and white space is. An empty cursor is that of the first page, with which
// programs begin that go through the pages.
func selectsNothing(name, value string) bool {
	return value == "" && name != "cursor" || name == "area" && iot.Area(value).Canonical() == ""
}
