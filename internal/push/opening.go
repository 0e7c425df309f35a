package push

import (
	"fmt"
	"net/url"
	"strconv"

	"iotmon/internal/wire"
)

// opening is what a client asks for when it connects.
type opening struct {
	filter  *filter
	session string
	since   uint64
	batched bool
}

// parseOpening reads what the query of a handshake may carry:
//   - filter: the JSON of the filter to start with, whose lists have at most filterItems items;
//   - session and since: the session of the connection to resume, which its hello named, and the seq of the last message seen on it. The
//     filter must be the one that the connection had. If it cannot be resumed, a snapshot follows.
//   - batch: true for changes no more often than every batchInterval, and alerts every alertInterval.
//
// An error names the parameter and its value.
func parseOpening(query url.Values, filterItems int) (opening, error) {
	o := opening{session: query.Get("session")}
	var err error
	if batch := query.Get("batch"); batch != "" {
		if o.batched, err = strconv.ParseBool(batch); err != nil {
			return opening{}, fmt.Errorf("batch: not true or false (got %q)", batch)
		}
	}
	if since := query.Get("since"); since != "" {
		if o.since, err = strconv.ParseUint(since, 10, 64); err != nil {
			return opening{}, fmt.Errorf("since: not the seq of a message (got %q)", since)
		}
	}
	var wanted wire.Filter
	if text := query.Get("filter"); text != "" {
		if wanted, err = wire.DecodeFilter([]byte(text), filterItems); err != nil {
			return opening{}, fmt.Errorf("filter: %w", err)
		}
	}
	o.filter = newFilter(wanted)
	return o, nil
}
