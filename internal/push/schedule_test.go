package push

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// roundLog notes when there are rounds, and says what its fields hold.
type roundLog struct {
	began   time.Time
	changed bool
	delay   time.Duration
	// batch is the answer to the first round, after which nothing waits. again is how often another round is asked for.
	batch time.Duration
	again int
	pause time.Duration

	at     []time.Duration
	status []bool
}

func (l *roundLog) statusChanged() bool { return l.changed }

func (l *roundLog) maxDelay() time.Duration { return l.delay }

func (l *roundLog) run(status bool) following {
	l.at = append(l.at, time.Since(l.began))
	l.status = append(l.status, status)
	next := following{pause: l.pause, again: l.again > 0, batch: l.batch}
	l.again--
	l.batch = -1
	l.changed = false
	return next
}

func TestScheduleOfRounds(t *testing.T) {
	const ms = time.Millisecond
	for _, test := range []struct {
		name string
		log  roundLog
		// then is what happens after 100 ms.
		then func(*schedule)
		want []time.Duration
		// status is the round that is for the counts of devices; -1 for none.
		status int
	}{
		{"nothing", roundLog{batch: -1}, func(*schedule) {}, nil, -1},
		{"an urgent change", roundLog{batch: -1, delay: 500 * ms}, func(s *schedule) { signal(s.urgent) }, []time.Duration{100 * ms}, -1},
		{"a deferred change", roundLog{batch: -1, delay: 500 * ms}, func(s *schedule) { signal(s.deferred) }, []time.Duration{600 * ms}, -1},
		{"a deferred change, then another", roundLog{batch: -1, delay: 500 * ms}, func(s *schedule) {
			signal(s.deferred)
			time.Sleep(300 * ms)
			signal(s.deferred)
		}, []time.Duration{600 * ms}, -1},
		{"a deferred change, then an urgent one", roundLog{batch: -1, delay: 500 * ms}, func(s *schedule) {
			signal(s.deferred)
			time.Sleep(300 * ms)
			signal(s.urgent)
		}, []time.Duration{400 * ms}, -1},
		{"urgent changes during the pause", roundLog{batch: -1, pause: 50 * ms}, func(s *schedule) {
			for range 4 {
				signal(s.urgent)
				time.Sleep(10 * ms)
			}
		}, []time.Duration{100 * ms, 150 * ms}, -1},
		{"batches", roundLog{batch: 200 * ms, pause: 50 * ms}, func(s *schedule) { signal(s.urgent) }, []time.Duration{100 * ms, 300 * ms}, -1},
		{"backfills", roundLog{batch: -1, again: 2, pause: 50 * ms}, func(s *schedule) { signal(s.urgent) },
			[]time.Duration{100 * ms, 150 * ms, 200 * ms}, -1},
		{"the counts", roundLog{batch: -1, changed: true, delay: 300 * ms}, func(*schedule) {}, []time.Duration{1300 * ms}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSchedule()
				log := test.log
				log.began = time.Now()
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					s.run(ctx, &log)
				}()
				time.Sleep(100 * ms)
				test.then(s)
				time.Sleep(2 * time.Second)
				stop()
				<-ended
				if !slices.Equal(log.at, test.want) {
					t.Errorf("rounds at %v, want %v", log.at, test.want)
				}
				if got := slices.Index(log.status, true); got != test.status {
					t.Errorf("round with the counts: got %d, want %d", got, test.status)
				}
			})
		})
	}
}
