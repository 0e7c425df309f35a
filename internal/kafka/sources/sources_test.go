package sources

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"iotmon/internal/api"
	"iotmon/internal/kafka/kafkatest"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(by)
}

// run runs f until the test ends, or stop is called.
func run(t *testing.T, f func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func follow(t *testing.T, l *kafkatest.Log, now func() time.Time) *Follower {
	t.Helper()
	f := NewFollower(FollowerOptions{Dial: l.Dial, Topics: l.Topics, Now: now, Logger: kafkatest.Quiet()})
	if _, err := f.States(); err == nil {
		t.Error("before anything has been read: got no error, as if there were no sources")
	}
	run(t, f.Run)
	return f
}

func (f *Follower) one(name string) (api.SourceState, bool) {
	states, _ := f.States()
	for _, s := range states {
		if s.Name == name {
			return s, true
		}
	}
	return api.SourceState{}, false
}

// What a producer says of its sources reaches web, at once when it changes; and when the producer is gone, web does not go on showing it.
func TestStatesReachThoseWhoShowThem(t *testing.T) {
	l := kafkatest.NewLog(t)
	own := &clock{at: time.Now()}
	before := follow(t, l, own.now)
	var mu sync.Mutex
	state := api.SourceState{Name: "hall-3", Kind: "mqtt", State: "connecting", Instance: "edge/1", Messages: 1, RejectedBy: map[string]int64{}}
	publisher := NewPublisher(PublisherOptions{
		Dial: l.Dial, Topics: l.Topics, Logger: kafkatest.Quiet(),
		States: func() []api.SourceState {
			mu.Lock()
			defer mu.Unlock()
			return []api.SourceState{state}
		},
		Detail: func(string) (api.SourceDetail, bool) {
			return api.SourceDetail{Seen: []api.SourceSeen{{Topic: "plant/a"}}, Rules: []api.SourceRule{{Field: "temp"}}}, true
		},
	})
	stop := run(t, publisher.Run)
	is := func(f *Follower, want string) func() bool {
		return func() bool {
			s, known := f.one("hall-3")
			return known && s.State == want && s.Instance == "edge/1"
		}
	}
	kafkatest.Eventually(t, "the first state", is(before, "connecting"))
	mu.Lock()
	state.State, state.Since = "connected", own.now()
	mu.Unlock()
	kafkatest.Eventually(t, "the next state", is(before, "connected"))
	after := follow(t, l, own.now)
	kafkatest.Eventually(t, "the state in a program that starts later", is(after, "connected"))
	kafkatest.Eventually(t, "what the source has received", func() bool {
		detail, known := after.Detail("hall-3")
		return known && len(detail.Seen) == 1 && detail.Seen[0].Topic == "plant/a" && len(detail.Rules) == 1
	})
	if _, known := after.Detail("hall-4"); known {
		t.Error("got a source that does not exist")
	}
	stop()
	last := own.now()
	own.move(staleAfter + time.Minute)
	for _, f := range []*Follower{before, after} {
		if s, known := f.one("hall-3"); !known || s.State != api.UnknownSource || s.Since.After(last.Add(time.Second)) {
			t.Errorf("the producer is gone: got %+v, %v; want unknown since then", s, known)
		}
	}
	// A program that starts now knows from the log how old the state is.
	late := follow(t, l, own.now)
	kafkatest.Eventually(t, "the old state", is(late, api.UnknownSource))
	own.move(forgetAfter)
	if s, known := late.one("hall-3"); known {
		t.Errorf("a day later: got %+v, want it no longer listed", s)
	}
}

// Records of other programs, and those of a thousand sources, cost a bounded amount and stop nothing.
func TestStatesOfOtherProgramsDoNoHarm(t *testing.T) {
	l := kafkatest.NewLog(t)
	var records []*kgo.Record
	add := func(key string, value []byte) {
		records = append(records, &kgo.Record{Topic: l.Topics.Sources, Key: []byte(key), Value: value})
	}
	for _, value := range []string{"", "null", "[]", "{", `{"name":"other"}`, `{"name":5}`} {
		add("hall-1", []byte(value))
	}
	add("", []byte("{}"))
	add("gone", []byte(`{"name":"gone","state":"connected"}`))
	add("gone/seen", []byte(`{}`))
	add("gone", nil)
	for i := range 200 {
		add(fmt.Sprintf("s%d/seen", i), []byte(strings.Repeat("x", 500_000)))
	}
	add("hall-3", []byte(`{"name":"hall-3","state":"connected"}`))
	add("hall-3/seen", []byte(`not JSON`))
	if err := l.Client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	f := follow(t, l, time.Now)
	kafkatest.Eventually(t, "the last record", func() bool {
		_, known := f.one("hall-3")
		return known
	})
	if detail, known := f.Detail("hall-3"); !known || len(detail.Seen) > 0 {
		t.Errorf("got %+v, %v", detail, known)
	}
	states, err := f.States()
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil || len(states) > 2 || f.detailBytes > maxFollowed {
		t.Errorf("got %v, %v, and %d bytes of what was received", states, err, f.detailBytes)
	}
}

// However much a source has received, its record has a bounded size, says that something is left out, and can be decoded.
func TestADetailIsCutToItsLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		detail := api.SourceDetail{Rules: []api.SourceRule{{Field: "f"}}}
		topics, rejects := rapid.IntRange(0, 40).Draw(t, "topics"), rapid.IntRange(0, 20).Draw(t, "rejects")
		for i := range topics {
			sample := api.NewSample(rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "payload"), 300)
			detail.Seen = append(detail.Seen, api.SourceSeen{Topic: fmt.Sprint(i), Sample: &sample})
		}
		for range rejects {
			detail.Rejects = append(detail.Rejects, api.SourceReject{Reason: rapid.StringN(0, 100, 300).Draw(t, "reason")})
		}
		limit := rapid.IntRange(500, 30_000).Draw(t, "limit")
		text, err := encodeDetail(detail, limit)
		if err != nil || len(text) > limit {
			t.Fatalf("got %d bytes of at most %d, %v", len(text), limit, err)
		}
		var back api.SourceDetail
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		if back.More != (len(back.Seen) < topics) || len(back.Rules) != 1 {
			t.Errorf("got %d of %d topics and %d rules, more %v", len(back.Seen), topics, len(back.Rules), back.More)
		}
	})
}

func FuzzFollower(f *testing.F) {
	f.Add("hall-3", []byte(`{"name":"hall-3"}`))
	f.Add("hall-3/seen", []byte(`{"seen":[{"topic":"a"}]}`))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		follower := NewFollower(FollowerOptions{Now: time.Now, Logger: kafkatest.Quiet()})
		follower.catchUp()
		_ = follower.apply(&kgo.Record{Key: []byte(key), Value: value})
		name, _ := split([]byte(key))
		if states, err := follower.States(); err != nil || len(states) > 1 {
			t.Errorf("got %v, %v", states, err)
		}
		follower.Detail(name)
	})
}
