// Package sources passes the states of sources from the programs that run them to those that show them, through a compacted topic whose keys
// begin with the source's name: so the states of a thousand sources are as many records, and no program asks another.
package sources

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"iotmon/internal/api"
)

const (
	// detailKey is behind the name of a source in the key of its detail. No name of a source has a slash.
	detailKey = "/seen"
	// renewal is how often a state is published although it has not changed.
	renewal = 5 * time.Second
	// detailInterval is how often what a source has received is published at most.
	detailInterval = 10 * time.Second
	// staleAfter is how long after its last renewal a state is unknown, forgetAfter how long the source is listed.
	staleAfter, forgetAfter = 15 * time.Second, 24 * time.Hour
	// maxDetail is the maximum size in bytes of what is published of what a source has received, maxDetails that of all sources of a program.
	maxDetail, maxDetails = 256 << 10, 32 << 20
	// maxSources is how many sources a Follower remembers, maxFollowed how many bytes of what they have received.
	maxSources, maxFollowed = 5_000, 64 << 20
)

// encodeDetail returns the JSON of a detail with at most limit bytes: topics are left out from the end, then rejects, and
// then the rules, until it fits.
func encodeDetail(detail api.SourceDetail, limit int) ([]byte, error) {
	for {
		text, err := json.Marshal(detail)
		if err != nil {
			return nil, fmt.Errorf("encode what a source has received: %w", err)
		}
		switch {
		case len(text) <= limit:
			return text, nil
		case len(detail.Seen) > 0:
			// Most of the size is that of the topics.
			keep := min(len(detail.Seen)-1, len(detail.Seen)*limit/len(text))
			detail.Seen, detail.More = detail.Seen[:keep], true
		case len(detail.Rejects) > 0:
			detail.Rejects = detail.Rejects[:len(detail.Rejects)/2]
		case len(detail.Rules) > 0:
			detail.Rules, detail.RulesLeftOut = nil, true
		default:
			return nil, fmt.Errorf("%d bytes, which is more than %d", len(text), limit)
		}
	}
}

// split returns the name of the source in a key, and whether the record is its detail.
func split(key []byte) (name string, detail bool) { return strings.CutSuffix(string(key), detailKey) }
