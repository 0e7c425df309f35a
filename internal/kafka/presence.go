package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// ProgramGroup returns the name of the group of the programs that process no partitions, such as the producers, beside a processors' group.
func ProgramGroup(processors string) string { return processors + "-programs" }

// Presence is the membership of this program in ProgramGroup. The broker's list of the members shows where the program runs, and in which
// version, until the program's session ends. The membership reads no records, and nothing depends on it.
type Presence struct {
	dial   Dial
	topics Topics
	group  string

	mu     sync.Mutex
	client *kgo.Client // guarded by mu; nil unless Run runs
	// warned is whether a failure to join was logged and the program has not joined since; guarded by mu.
	warned bool
}

// NewPresence returns the Presence of this program beside the processors of a group. Run makes it known.
func NewPresence(dial Dial, topics Topics, processors string) *Presence {
	return &Presence{dial: dial, topics: topics, group: ProgramGroup(processors)}
}

// Run is a member of the group until ctx ends. A program that may not join works all the same: the error is logged once.
func (p *Presence) Run(ctx context.Context) error {
	dial := p.dial
	dial.Logger = nil // It would have a line for each attempt.
	client, err := kgo.NewClient(dial.Options(append(dial.Group(p.group),
		// A group has a topic; this one every program may describe.
		kgo.ConsumeTopics(p.topics.Readings),
		kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) { p.joined() }),
		kgo.WithHooks(joinErrors{p}),
	)...)...)
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	client.PauseFetchTopics(p.topics.Readings)
	p.set(client)
	defer client.Close() // It leaves the group.
	defer p.set(nil)
	<-ctx.Done()
	return nil
}

// ID returns the id of this program's membership, empty while there is none. It may be called concurrently.
func (p *Presence) ID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.client == nil {
		return ""
	}
	id, _ := p.client.GroupMetadata()
	return id
}

func (p *Presence) set(client *kgo.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.client = client
}

func (p *Presence) joined() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.warned = false
}

// joinErrors logs the first error of a program that cannot join.
type joinErrors struct{ p *Presence }

// OnGroupManageError implements kgo.HookGroupManageError.
func (h joinErrors) OnGroupManageError(err error) {
	h.p.mu.Lock()
	defer h.p.mu.Unlock()
	if h.p.warned || h.p.dial.Logger == nil {
		return
	}
	h.p.warned = true
	h.p.dial.Logger.LogAttrs(context.Background(), slog.LevelWarn, "the system page does not list this program: it cannot join the group of the programs",
		slog.String("group", h.p.group), slog.Any("error", err))
}
