package api

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/singleflight"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// Answers is a cache of answers from the archive. Its methods may be called concurrently and must return quickly: an
// implementation that is slow or down reports a miss.
type Answers interface {
	// Get returns the answer of the key; false if it is not cached, expired, or unreachable.
	Get(ctx context.Context, key string) ([]byte, bool)
	// Keep caches an answer for at most expiry.
	Keep(ctx context.Context, key string, answer []byte, expiry time.Duration)
}

const (
	// freshExpiry is how long answers are cached whose range ends recently: many pages may request them every second.
	// stableExpiry is for all others, which only late readings can change.
	freshExpiry  = time.Second
	stableExpiry = 10 * time.Second
	// stableAfter is how long ago a range must have ended for stableExpiry to apply.
	stableAfter = 2 * time.Minute
	// queryTimeout limits a query of the archive, for which several callers may wait.
	queryTimeout = time.Minute
)

// cachedHistory is a History with a cache. Concurrent equal queries are executed once.
type cachedHistory struct {
	History
	answers Answers
	now     func() time.Time
	// corrected returns an id of the archive's last known correction.
	corrected func() string
	flights   singleflight.Group
}

// Cached returns a history that caches the answers about readings and summaries. They are up to ten seconds old, or up to
// one second for ranges that end less than two minutes ago. The result of corrected is part of the cache key: when the
// archive corrects windows it changes, and nothing cached before is used.
func Cached(history History, answers Answers, now func() time.Time, corrected func() string) History {
	return &cachedHistory{History: history, answers: answers, now: now, corrected: corrected}
}

// Readings implements History.
func (h *cachedHistory) Readings(ctx context.Context, q ReadingsQuery) ([]Point, error) {
	return cachedAnswer(ctx, h, cachedQuery[Point]{
		key: fmt.Sprintf("readings %q %d %d %d %d %d %s", q.Tenant, q.From.UnixMicro(), q.To.UnixMicro(), q.Step, q.MaxPoints, q.Whole, q.Device),
		to:  q.To,
		archive: func(ctx context.Context) ([]Point, error) {
			return h.History.Readings(ctx, q)
		},
		encode: func(points []Point) ([]byte, error) { return json.Marshal(points) },
		decode: decodePoints,
	})
}

// Summaries implements History.
func (h *cachedHistory) Summaries(ctx context.Context, q SummariesQuery) ([]iot.WindowSummary, error) {
	return cachedAnswer(ctx, h, cachedQuery[iot.WindowSummary]{
		key: fmt.Sprintf("summaries %q %d %d %d %d %t %d %q %q %q", q.Tenant, q.From.UnixMicro(), q.To.UnixMicro(), q.AfterStart.UnixMicro(), q.AfterLength,
			q.WithoutAlerts, q.Limit, q.Type, q.AfterType, q.Area),
		to: q.To,
		archive: func(ctx context.Context) ([]iot.WindowSummary, error) {
			return h.History.Summaries(ctx, q)
		},
		encode: encodeSummaries,
		decode: decodeSummaries,
	})
}

// cachedQuery is a query of the archive with the cache key and the encoding of its answer.
type cachedQuery[T any] struct {
	key     string
	to      time.Time
	archive func(context.Context) ([]T, error)
	encode  func([]T) ([]byte, error)
	decode  func([]byte) ([]T, error)
}

// cachedAnswer returns the cached answer, or queries the archive. Concurrent callers with the same query wait for one
// result; if one caller cancels, the others still get it. Each caller gets a copy.
func cachedAnswer[T any](ctx context.Context, h *cachedHistory, q cachedQuery[T]) ([]T, error) {
	q.key += " " + h.corrected()
	flight := h.flights.DoChan(q.key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), queryTimeout)
		defer cancel()
		if text, ok := h.answers.Get(ctx, q.key); ok {
			if answer, err := q.decode(text); err == nil {
				return answer, nil
			}
		}
		answer, err := q.archive(ctx)
		if err != nil {
			return nil, err
		}
		if text, err := q.encode(answer); err == nil {
			h.answers.Keep(ctx, q.key, text, h.expiry(q.to))
		}
		return answer, nil
	})
	select {
	case result := <-flight:
		answer, _ := result.Val.([]T)
		return slices.Clone(answer), result.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (h *cachedHistory) expiry(to time.Time) time.Duration {
	if h.now().Sub(to) < stableAfter {
		return freshExpiry
	}
	return stableExpiry
}

func decodePoints(text []byte) ([]Point, error) {
	var points []Point
	err := json.Unmarshal(text, &points)
	return points, err
}

// encodeSummaries returns the JSON of an array of summaries.
func encodeSummaries(summaries []iot.WindowSummary) ([]byte, error) {
	text := []byte{'['}
	for i := range summaries {
		if i > 0 {
			text = append(text, ',')
		}
		text = wire.AppendWindowSummary(text, &summaries[i])
	}
	return append(text, ']'), nil
}

func decodeSummaries(text []byte) ([]iot.WindowSummary, error) {
	var items []json.RawMessage
	if err := json.Unmarshal(text, &items); err != nil {
		return nil, fmt.Errorf("decode summaries: %w", err)
	}
	summaries := make([]iot.WindowSummary, len(items))
	for i, item := range items {
		summary, err := wire.DecodeWindowSummary(item)
		if err != nil {
			return nil, fmt.Errorf("decode summaries: %w", err)
		}
		summaries[i] = summary
	}
	return summaries, nil
}
