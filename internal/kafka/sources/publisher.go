package sources

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/api"
	"iotmon/internal/kafka"
)

// PublisherOptions configure a Publisher. All fields are required.
type PublisherOptions struct {
	Dial   kafka.Dial
	Topics kafka.Topics
	// States returns the states of the sources that this program runs at the moment.
	States func() []api.SourceState
	// Detail returns what one of them has received.
	Detail func(name string) (api.SourceDetail, bool)
	Logger *slog.Logger
}

// Publisher publishes the states of a program's sources. Nothing of a source waits for it.
type Publisher struct {
	PublisherOptions
	// published holds what was published of each source. It belongs to Run.
	published map[string]*published
}

// published is what was published of a source.
type published struct {
	state api.SourceState
	at    time.Time
	// detailAt is when its detail was published, received the number of messages and dead letters by then.
	detailAt time.Time
	received int64
}

// NewPublisher returns a Publisher; Run does the work.
func NewPublisher(options PublisherOptions) *Publisher {
	return &Publisher{PublisherOptions: options, published: make(map[string]*published)}
}

// look is how often the Publisher looks for changes, attempt how long it waits for the broker to acknowledge.
const look, attempt = time.Second, 5 * time.Second

// Run publishes until ctx ends. While the broker does not acknowledge it tries again with the states of then.
func (p *Publisher) Run(ctx context.Context) error {
	client, err := kgo.NewClient(p.Dial.Options(
		kgo.DefaultProduceTopic(p.Topics.Sources),
		kgo.ProducerBatchCompression(kgo.SnappyCompression(), kgo.NoCompression()),
		kgo.RecordDeliveryTimeout(attempt),
	)...)
	if err != nil {
		return fmt.Errorf("publish the states of sources: %w", err)
	}
	defer client.Close()
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		if err := p.publish(ctx, client, time.Now()); err != nil && ctx.Err() == nil {
			p.Logger.Warn("the states of the sources are not published: other programs show them as unknown", "error", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// publish publishes what is due.
func (p *Publisher) publish(ctx context.Context, client *kgo.Client, now time.Time) error {
	states := p.States()
	limit := maxDetail
	if len(states) > 0 {
		limit = min(limit, maxDetails/len(states))
	}
	var records []*kgo.Record
	done := make(map[string]*published)
	for i := range states {
		state := &states[i]
		before := p.published[state.Name]
		if before == nil {
			before = &published{}
		}
		after := *before
		if changed(&before.state, state) || now.Sub(before.at) >= renewal {
			value, err := json.Marshal(state)
			if err != nil {
				return fmt.Errorf("encode the state of the source %s: %w", state.Name, err)
			}
			records = append(records, &kgo.Record{Key: []byte(state.Name), Value: value})
			after.state, after.at = *state, now
		}
		if received := state.Messages + state.Rejected; now.Sub(before.detailAt) >= detailInterval && (received != before.received || before.detailAt.IsZero()) || state.MapVersion != before.state.MapVersion {
			detail, _ := p.Detail(state.Name)
			value, err := encodeDetail(detail, limit)
			if err != nil {
				return fmt.Errorf("source %s: %w", state.Name, err)
			}
			records = append(records, &kgo.Record{Key: []byte(state.Name + detailKey), Value: value})
			after.detailAt, after.received = now, received
		}
		done[state.Name] = &after
	}
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return err
	}
	p.published = done // Those that another program runs now are published anew when they come back.
	return nil
}

// changed reports whether a state differs in what a reader must know at once.
func changed(before, after *api.SourceState) bool {
	return before.State != after.State || !before.Since.Equal(after.Since) || before.Error != after.Error || before.LogError != after.LogError ||
		before.Address != after.Address || before.MapVersion != after.MapVersion || before.MapError != after.MapError
}
