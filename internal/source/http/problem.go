package httpsource

import (
	"errors"
	"fmt"
	"net/http"
)

// problem is the answer, after RFC 9457, to a request that is refused as a whole.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// Offset is the number of bytes up to and including the first that is wrong, for a body that is not valid JSON.
	Offset *int64 `json:"offset,omitempty"`

	header, value string
}

func (p *problem) Error() string { return p.Detail }

func refuse(status int, format string, args ...any) *problem {
	return &problem{Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(format, args...)}
}

// with sets the header that goes with the status, such as Retry-After.
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
