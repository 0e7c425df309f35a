package httpsource

import (
	"errors"
	"fmt"
	"net/http"
)

// problem is an RFC 9457 answer to a request of which no reading was taken in.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// Offset counts the bytes up to and including the first that cannot belong to a JSON text.
	Offset *int64 `json:"offset,omitempty"`

	header, value string
}

func (p *problem) Error() string { return p.Detail }

func refuse(status int, format string, args ...any) *problem {
	return &problem{Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(format, args...)}
}

// with adds the one header that some statuses call for.
func (p *problem) with(header, value string) *problem {
	p.header, p.value = header, value
	return p
}

func writeProblem(w http.ResponseWriter, err error) {
	p, ok := errors.AsType[*problem](err)
	if !ok {
		p = refuse(http.StatusInternalServerError, "%v", err)
	}
	if p.header != "" {
		w.Header().Set(p.header, p.value)
	}
	writeJSON(w, p.Status, "application/problem+json", p)
}
