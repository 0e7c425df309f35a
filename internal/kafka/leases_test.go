package kafka_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"iotmon/internal/kafka"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/source"
)

// ownership records which members own each source, and how often two owned one at once.
type ownership struct {
	mu     sync.Mutex
	owners map[string]map[string]bool
	twice  int
}

func (o *ownership) begin(source, member string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.owners[source] == nil {
		o.owners[source] = make(map[string]bool)
	}
	o.owners[source][member] = true
	if len(o.owners[source]) > 1 {
		o.twice++
	}
}

func (o *ownership) end(source, member string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.owners[source], member)
}

// owned returns how many sources have exactly one owner, and how many a member has.
func (o *ownership) owned() (alone int, by map[string]int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	by = make(map[string]int)
	for _, members := range o.owners {
		if len(members) == 1 {
			alone++
		}
		for member := range members {
			by[member]++
		}
	}
	return alone, by
}

const leasedSources = 20

// join has a member own what it can of the sources until the returned function is called. Dial reaches the broker, or no longer does.
func (o *ownership) join(c *cluster, member string, dial kafka.Dial) (leave func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	leases := kafka.NewLeases(dial, c.Topics.Sources, "test")
	var owner source.Owner = leases
	running.Go(func() {
		if err := leases.Run(ctx); err != nil {
			c.T.Error(err)
		}
	})
	for i := range leasedSources {
		running.Go(func() {
			name := fmt.Sprint("source ", i)
			for {
				owned, release, err := owner.Acquire(ctx, name)
				if err != nil {
					return
				}
				o.begin(name, member)
				<-owned.Done()
				o.end(name, member)
				release()
			}
		})
	}
	return func() { cancel(); running.Wait() }
}

func TestEachSourceHasOneOwner(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	admin := kadm.NewClient(c.Client())
	if _, err := admin.CreateTopic(t.Context(), 16, 1, nil, c.Topics.Sources); err != nil {
		t.Fatal(err)
	}
	o := &ownership{owners: make(map[string]map[string]bool)}
	leaveFirst := o.join(c, "first", c.Dial)
	kafkatest.Eventually(t, "one member owns every source", func() bool { alone, _ := o.owned(); return alone == leasedSources })
	leaveSecond := o.join(c, "second", c.Dial)
	kafkatest.Eventually(t, "two members share the sources", func() bool {
		alone, by := o.owned()
		return alone == leasedSources && by["first"] > 0 && by["second"] > 0
	})
	leaveFirst()
	kafkatest.Eventually(t, "the member that is left owns every source", func() bool {
		alone, by := o.owned()
		return alone == leasedSources && by["second"] == leasedSources
	})
	leaveSecond()
	if alone, _ := o.owned(); alone != 0 || o.twice != 0 {
		t.Errorf("in the end: got %d sources owned, and a source owned by two members %d times, want neither", alone, o.twice)
	}
}

// A member that no longer reaches the broker gives its sources up, and another one has them within ten seconds.
func TestSourcesMoveWhenTheirOwnerIsLost(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	admin := kadm.NewClient(c.Client())
	if _, err := admin.CreateTopic(t.Context(), 16, 1, nil, c.Topics.Sources); err != nil {
		t.Fatal(err)
	}
	o := &ownership{owners: make(map[string]map[string]bool)}
	reach := newReach()
	lost := c.Dial
	lost.Dialer = reach.dial
	defer o.join(c, "lost", lost)()
	kafkatest.Eventually(t, "the first member owns every source", func() bool { alone, _ := o.owned(); return alone == leasedSources })
	defer o.join(c, "heir", c.Dial)()
	kafkatest.Eventually(t, "both have sources", func() bool {
		_, by := o.owned()
		return by["lost"] > 0 && by["heir"] > 0
	})
	reach.cut()
	kafkatest.Eventually(t, "the heir has every source, and the lost member none", func() bool {
		alone, by := o.owned()
		return alone == leasedSources && by["heir"] == leasedSources && by["lost"] == 0
	})
}

// reach is a network that can be cut.
type reach struct {
	mu    sync.Mutex
	gone  bool
	conns []net.Conn
}

func newReach() *reach { return new(reach) }

func (r *reach) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone {
		return nil, fmt.Errorf("dial %s: no route to host", addr)
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err == nil {
		r.conns = append(r.conns, conn)
	}
	return conn, err
}

func (r *reach) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone = true
	for _, conn := range r.conns {
		conn.Close()
	}
}
