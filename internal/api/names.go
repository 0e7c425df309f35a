package api

import (
	"net/url"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/text/unicode/norm"
)

// humaContext is huma.Context under a name that is not that of one of its methods.
type humaContext huma.Context

// canonicalContext is a request whose parameters are in Unicode's form NFC, as all names are that are stored.
type canonicalContext struct {
	humaContext
	// query is the encoded query.
	query string
}

// canonicalParameters puts the parameters in the paths and queries of the operations that are registered after it is used into Unicode's form NFC: a name is
// found in each form in which it may be typed.
func canonicalParameters(ctx huma.Context, next func(huma.Context)) {
	address := ctx.URL()
	query := address.Query()
	changed := false
	for _, values := range query {
		for i, value := range values {
			values[i] = norm.NFC.String(value)
			changed = changed || values[i] != value
		}
	}
	if changed {
		address.RawQuery = query.Encode()
	}
	next(&canonicalContext{ctx, address.RawQuery})
}

// Param returns a parameter of the path.
func (c *canonicalContext) Param(name string) string {
	return norm.NFC.String(c.humaContext.Param(name))
}

// Query returns the first value of a parameter of the query.
func (c *canonicalContext) Query(name string) string {
	address := c.URL()
	return address.Query().Get(name)
}

// URL returns the address.
func (c *canonicalContext) URL() url.URL {
	address := c.humaContext.URL()
	address.RawQuery = c.query
	return address
}

// canonicalName puts a name in a body into Unicode's form NFC.
func canonicalName[T ~string](name *T) { *name = T(norm.NFC.String(string(*name))) }

// Resolve puts the name into canonical form.
func (r *NewRule) Resolve(huma.Context) []error {
	canonicalName(&r.Name)
	return nil
}

// Resolve puts the name into canonical form.
func (m *NewMaintenance) Resolve(huma.Context) []error {
	canonicalName(&m.Name)
	return nil
}

// Resolve puts the name into canonical form.
func (b *TrialBody) Resolve(huma.Context) []error {
	canonicalName(&b.Name)
	return nil
}
