package processor

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"iotmon/internal/kafka"
	"iotmon/internal/kafka/kafkatest"
)

func TestCallbacksMayComeAtAnyTimeInAnyOrder(t *testing.T) {
	kafkatest.TestCallbacks(t, func(dial kafka.Dial) map[string]func() kafkatest.Member {
		return map[string]func() kafkatest.Member{"processor": func() kafkatest.Member { return openMember(t, dial) }}
	})
}

func openMember(t *testing.T, dial kafka.Dial) kafkatest.Member {
	t.Helper()
	p := New(Options{
		Dial: dial, Topics: kafka.DefaultTopics(), Group: "test", Process: testProcess(t), CommitInterval: time.Millisecond,
		Ticker: noTicker{}, Metrics: &stepMetrics{}, Logger: kafkatest.Quiet(),
	})
	s, err := p.newSession()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		_ = s.run(ctx)
	}()
	return kafkatest.Member{Assigned: s.assigned, Released: s.released, Use: func(context.Context) {}, Close: sync.OnceFunc(func() {
		stop()
		<-ran
		s.close()
	})}
}

type noTicker struct{}

func (noTicker) Tick(context.Context, int32) error { return errors.New("no log") }
