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

// Answers keeps answers about the past for a while. Its methods may be called concurrently and must be quick: whatever it
// cannot do in time, it does not.
type Answers interface {
	// Get returns what was kept under the key; false if that is unknown, forgotten, or out of reach.
	Get(ctx context.Context, key string) ([]byte, bool)
	// Keep keeps an answer for as long as it is told, or less.
	Keep(ctx context.Context, key string, answer []byte, expiry time.Duration)
}

const (
	// freshExpiry is how long answers are kept that reach into the present: a page that everybody looks at asks for them once
	// a second. settledExpiry is for all others, which only readings that come late can change.
	freshExpiry   = time.Second
	settledExpiry = 10 * time.Second
	// settled is how old the end of a range is that few readings are still expected in.
	settled = 2 * time.Minute
	// questionTimeout bounds a question to the archive that several callers may wait for.
	questionTimeout = time.Minute
)

// cachedHistory answers from what was answered before, and asks each question once at a time.
type cachedHistory struct {
	History
	answers Answers
	now     func() time.Time
	// corrected names the last correction of the archive that is known here.
	corrected func() string
	flights   singleflight.Group
}

// Cached returns a history that keeps what it was told about readings and summaries. Its answers are up to ten seconds old;
// of ranges that end less than two minutes ago, up to one. None is older than the last correction of the archive that corrected
// names: when it names another, everything is asked anew.
func Cached(history History, answers Answers, now func() time.Time, corrected func() string) History {
	return &cachedHistory{History: history, answers: answers, now: now, corrected: corrected}
}

// Readings implements History.
func (h *cachedHistory) Readings(ctx context.Context, q ReadingsQuery) ([]Point, error) {
	return ask(ctx, h, question[Point]{
		key: fmt.Sprintf("readings %d %d %d %d %d %s", q.From.UnixMicro(), q.To.UnixMicro(), q.Step, q.MaxPoints, q.Whole, q.Device),
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
	return ask(ctx, h, question[iot.WindowSummary]{
		key: fmt.Sprintf("summaries %d %d %d %t %d %q %q", q.From.UnixMicro(), q.To.UnixMicro(), q.AfterStart.UnixMicro(),
			q.WithoutAlerts, q.Limit, q.Type, q.AfterType),
		to: q.To,
		archive: func(ctx context.Context) ([]iot.WindowSummary, error) {
			return h.History.Summaries(ctx, q)
		},
		encode: encodeSummaries,
		decode: decodeSummaries,
	})
}

// question is what the archive is asked, and how its answer is kept.
type question[T any] struct {
	key     string
	to      time.Time
	archive func(context.Context) ([]T, error)
	encode  func([]T) ([]byte, error)
	decode  func([]byte) ([]T, error)
}

// ask returns the kept answer, or that of the archive. Whoever asks the same meanwhile waits for it too; that one of them
// goes away ends it for none of the others. Each gets an answer of its own.
func ask[T any](ctx context.Context, h *cachedHistory, q question[T]) ([]T, error) {
	q.key += " " + h.corrected()
	flight := h.flights.DoChan(q.key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), questionTimeout)
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
	if h.now().Sub(to) < settled {
		return freshExpiry
	}
	return settledExpiry
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
