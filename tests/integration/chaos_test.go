package integration

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/tests/testenv"
)

// fault is something that happens to a deployment while readings are posted.
type fault struct {
	name string
	// strike causes the fault and returns when it is over. Readings that were acknowledged before, during and after the fault
	// must all be counted.
	strike func(t *testing.T, d *deployment, p *posters)
}

// TestServicesSurviveFaults runs the product as separate services on real servers, with two consumers and two web instances, and
// causes one fault after the other while readings are posted and people handle alerts of every kind of rule. After each fault, every window, alert
// and archived row must be that of the acknowledged readings, every event of an alert that of the log, and the receiver of notifications must know
// of each critical alert.
func TestServicesSurviveFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("needs real servers; make test brings them")
	}
	t.Parallel() // Without waiting for a turn, as it takes the longest.
	servers := testenv.Own(t, testenv.KafkaServer, testenv.PostgresServer, testenv.RedisServer)
	database := servers.PostgresURL()
	d := deploy(t, servers)
	h := newHook(t)
	d.config += fmt.Sprintf(shiftConfig, h.URL, h.secret(t))
	in := d.add("producer", "-no-simulator")
	d.add("consumer")
	d.add("consumer")
	web := d.add("web")
	other := d.add("web")
	d.viewer = startViewer(t, web, other)
	shift := startShift(t, d, h, web, other)
	var all []sample
	for _, f := range faults() {
		passed := t.Run(f.name, func(t *testing.T) {
			p := startPosters(t, in.base(), f.name)
			waitFor(t, patience, "readings are acknowledged", func() bool { return p.acknowledged.Load() > 100 })
			before := p.acknowledged.Load()
			crew := shift.work()
			f.strike(t, d, p)
			// While nothing is acknowledged, each gateway has a batch of about fifteen under way, and no more.
			if sent := p.attempted.Load() - before; sent < 30 {
				t.Errorf("%d readings were under way during the fault: that shows nothing", sent)
			} else {
				t.Logf("%d readings were under way during the fault", sent)
			}
			after := p.acknowledged.Load()
			waitFor(t, patience, "many are acknowledged again", func() bool { return p.acknowledged.Load() > after+100 })
			crew.rest(t)
			all = append(all, p.stop()...)
			all = append(all, d.strange...)
			d.strange = nil
			verifyDeployment(t, web, database, all)
			shift.verify(t, database)
		})
		if !passed {
			t.Fatal("the faults that follow would be compared with a truth that lacks readings of this one")
		}
	}
}

func faults() []fault {
	outage := briefly(8*time.Second, 60*time.Second)
	away := func(server string) func(*testing.T, *deployment, *posters) {
		return func(_ *testing.T, d *deployment, _ *posters) {
			d.servers.Stop(server)
			time.Sleep(outage)
			d.servers.Start(server)
		}
	}
	return []fault{
		{"nothing happens", func(*testing.T, *deployment, *posters) { time.Sleep(3 * time.Second) }},
		{"services are killed", killServices},
		{"services are paused", pauseServices},
		{"consumers come and go", scaleConsumers},
		{"Kafka is killed", func(_ *testing.T, d *deployment, _ *posters) {
			d.servers.Kill(testenv.KafkaServer)
			d.servers.Start(testenv.KafkaServer)
		}},
		{"Kafka is away", away(testenv.KafkaServer)},
		{"PostgreSQL is killed", func(_ *testing.T, d *deployment, _ *posters) {
			d.servers.Kill(testenv.PostgresServer)
			d.servers.Start(testenv.PostgresServer)
		}},
		{"PostgreSQL is away", func(t *testing.T, d *deployment, _ *posters) {
			d.servers.Stop(testenv.PostgresServer)
			before := d.viewer.closed()
			time.Sleep(outage)
			// Three types, a window every two seconds.
			waitFor(t, patience, "the viewer saw windows close: the live view must not depend on the database", func() bool {
				return d.viewer.closed()-before >= int(outage/time.Second)
			})
			d.servers.Start(testenv.PostgresServer)
		}},
		{"Redis is away", away(testenv.RedisServer)},
		{"strange readings", strangeReadings},
		{"readings in transactions", readingsInTransactions},
		{"the group's offsets are deleted", offsetsAreDeleted},
		{"transactions have no end", transactionsWithoutEnd},
		{"the network to Kafka is slow", func(t *testing.T, d *deployment, _ *posters) {
			causeFaults(t, d.kafka, networkFaults{delay: 30 * time.Millisecond})
		}},
		{"the network to Kafka is lossy", func(t *testing.T, d *deployment, _ *posters) { causeFaults(t, d.kafka, networkFaults{cut: 0.01}) }},
		{"answers of Kafka get lost", func(t *testing.T, d *deployment, _ *posters) {
			causeFaults(t, d.kafka, networkFaults{cutAnswers: 0.02})
		}},
		{"the network to Kafka is cut", func(t *testing.T, d *deployment, _ *posters) { causeFaults(t, d.kafka, networkFaults{away: true}) }},
		{"the network to PostgreSQL is slow", func(t *testing.T, d *deployment, _ *posters) {
			causeFaults(t, d.postgres, networkFaults{delay: 50 * time.Millisecond})
		}},
		{"answers of PostgreSQL get lost", func(t *testing.T, d *deployment, _ *posters) {
			causeFaults(t, d.postgres, networkFaults{cutAnswers: 0.05})
		}},
	}
}

// strangeReadings sends readings of devices of their own: out of order and twice, minutes late but not so late that they count
// as a backlog, and from a clock that is ahead, which is refused.
func strangeReadings(t *testing.T, d *deployment, p *posters) {
	random := rand.New(rand.NewPCG(3, 3))
	client := &http.Client{Timeout: 15 * time.Second}
	q := &posters{t: t, base: p.base, quit: p.quit}
	now := iot.CutTime(time.Now())
	for round := range 20 {
		var batch []sample
		for i := range 50 {
			// Their type has no rule: alerts follow the order of a device's own time, which the truth does not know here.
			shuffled := sample{device: fmt.Sprintf("shuffled/%02d", i%5), kind: iot.Humidity, at: now.Add(time.Duration(50*round+i) * 10 * time.Millisecond), value: 20}
			late := sample{device: fmt.Sprintf("late/%02d", i%5), kind: iot.Temperature, value: 20 + 10*random.Float64(),
				at: now.Add(-4*time.Minute + time.Duration(50*round+i)*100*time.Millisecond)}
			batch = append(batch, shuffled, late)
		}
		slices.SortStableFunc(batch, func(a, b sample) int { return strings.Compare(a.device[:4], b.device[:4]) })
		humid := batch[50:]
		random.Shuffle(len(humid), func(i, j int) { humid[i], humid[j] = humid[j], humid[i] })
		q.send(client, batch)
		q.send(client, humid)
		ahead := sample{device: "ahead", kind: iot.Temperature, at: time.Now().Add(time.Minute), value: 20}
		response, err := client.Post(p.base+"/api/v1/readings", "application/x-ndjson", bytes.NewReader(encode([]sample{ahead})))
		if err != nil || response.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("a reading from the future: got %v, %v, want 422", response, err)
		}
		if err == nil {
			response.Body.Close()
		}
		time.Sleep(300 * time.Millisecond)
	}
	d.strange = q.samples
}

// causeFaults has the network fail for a while.
func causeFaults(t *testing.T, network *proxy, h networkFaults) {
	network.set(h)
	time.Sleep(briefly(8*time.Second, 60*time.Second))
	times := network.set(networkFaults{})
	if times == 0 {
		t.Error("no fault has happened on the network")
	}
	t.Logf("struck %d times", times)
}

// killServices kills one service after the other, any of them, and starts it again.
func killServices(t *testing.T, d *deployment, p *posters) {
	random := rand.New(rand.NewPCG(2, uint64(time.Now().UnixNano())))
	kills := briefly(8, 100)
	for range kills {
		before := p.acknowledged.Load()
		waitFor(t, patience, "readings are acknowledged again", func() bool { return p.acknowledged.Load() > before })
		time.Sleep(time.Duration(random.IntN(1000)) * time.Millisecond)
		s := d.services[random.IntN(len(d.services))]
		s.kill()
		s.start()
	}
	t.Logf("%d kills", kills)
}

// pauseServices stops a consumer and a web instance for a while, without ending them, as a host that is moved does.
func pauseServices(t *testing.T, d *deployment, _ *posters) {
	for _, signal := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
		for _, name := range []string{"consumer", "web"} {
			if err := d.named(name).cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
		}
		if signal == syscall.SIGSTOP {
			time.Sleep(briefly(8*time.Second, 60*time.Second))
		}
	}
}

// scaleConsumers goes from two consumers to four and back to two, by stopping others than have come.
func scaleConsumers(t *testing.T, d *deployment, p *posters) {
	consumers := func() []*server {
		var found []*server
		for _, s := range d.services {
			if s.name == "consumer" {
				found = append(found, s)
			}
		}
		return found
	}
	pause := func() {
		before := p.acknowledged.Load()
		time.Sleep(2 * time.Second)
		waitFor(t, patience, "readings are acknowledged", func() bool { return p.acknowledged.Load() > before })
	}
	for _, want := range []int{1, 3, 4, 2} {
		for have := consumers(); len(have) > want; have = consumers() {
			d.remove(have[0])
			pause()
		}
		for len(consumers()) < want {
			d.add("consumer")
			pause()
		}
	}
}
