package integration

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"iotmon/tests/testenv"
)

// oldCluster is a cluster with its database in which programs of oldSource run, and then those of today.
type oldCluster struct {
	*cluster
	t           *testing.T
	database    string
	before, now string
}

func startOldCluster(t *testing.T) *oldCluster {
	t.Helper()
	c := &oldCluster{cluster: joinCluster(t), t: t, database: testenv.Postgres(t)}
	c.now = c.config("readings") + fmt.Sprintf("postgres: {url: %q}\n", c.database) + killConfig
	for line := range strings.Lines(c.now) {
		if !strings.Contains(line, "in_force_topic") && !strings.Contains(line, "sources_topic") && !strings.Contains(line, "maps_topic") { // The old programs do not know them.
			c.before += line
		}
	}
	return c
}

func (c *oldCluster) old(name string, args ...string) *server {
	c.t.Helper()
	s := oldProgram(c.t, name, c.before, args...)
	s.start()
	return s
}

func (c *oldCluster) new(name string, args ...string) *server {
	c.t.Helper()
	s := newProgram(c.t, name, c.now, args...)
	s.start()
	return s
}

// shared reports whether so many consumers share the partitions.
func (c *oldCluster) shared(admin *kadm.Client, consumers int) bool {
	groups, err := admin.DescribeGroups(c.t.Context(), c.prefix+"group")
	if err != nil {
		return false
	}
	group := groups[c.prefix+"group"]
	owners := 0
	for _, member := range group.Members {
		if assigned, ok := member.Assigned.AsConsumer(); ok && len(assigned.Topics) > 0 {
			owners++
		}
	}
	return group.State == "Stable" && owners == consumers && len(group.Members) == consumers
}

// more waits until more readings have been acknowledged.
func (p *posters) more(readings int64) {
	p.t.Helper()
	before := p.acknowledged.Load()
	waitFor(p.t, patience, "more readings are acknowledged", func() bool { return p.acknowledged.Load() > before+readings })
}

// TestAnOldClusterGoesOn kills the old programs in the middle of their work, and starts those of today on what they have left in Kafka
// and PostgreSQL.
func TestAnOldClusterGoesOn(t *testing.T) {
	if testing.Short() {
		t.Skip("needs real servers; make test brings them")
	}
	inTurn(t)
	c := startOldCluster(t)
	consumer, web := c.old("consumer"), c.old("web")
	p := startPosters(t, web.base(), "before")
	p.more(5000)
	consumer.kill()
	p.more(1000)
	samples := p.stop()
	web.kill()

	c.new("consumer")
	web = c.new("web")
	p = startPosters(t, web.base(), "after")
	p.more(3000)
	verifyDeployment(t, web, c.database, append(samples, p.stop()...))
}

// TestOldAndNewConsumersShareACluster updates a cluster: consumers first, then web. While old and new consumers share the partitions
// these go back and forth between them. Then somebody decides about devices, which old consumers cannot read: the decisions wait until the
// upgrade is finished. An old consumer that runs nevertheless leaves its partitions to the new ones.
func TestOldAndNewConsumersShareACluster(t *testing.T) {
	if testing.Short() {
		t.Skip("needs real servers; make test brings them")
	}
	inTurn(t)
	c := startOldCluster(t)
	admin := kadm.NewClient(c.client())
	shared := func(consumers int) {
		t.Helper()
		waitFor(t, patience, fmt.Sprint(consumers, " consumers share the partitions"), func() bool { return c.shared(admin, consumers) })
	}
	older, web := c.old("consumer"), c.old("web")
	p := startPosters(t, web.base(), "gateway")
	p.more(2000)
	newer := c.new("consumer")
	shared(2)
	p.more(2000)
	newer.kill()
	shared(1)
	p.more(2000)
	newer.start()
	shared(2)
	newest := c.new("consumer")
	shared(3)
	p.more(2000)

	update := c.new("web")
	const devices = 3
	for i := range devices {
		decide(t, update, fmt.Sprintf("gateway0/%02d", i))
	}
	waitFor(t, patience, "the new web service says what the decisions wait for", func() bool {
		return strings.Contains(update.log.String(), "iotmon upgrade finish")
	})
	p.more(2000)
	const leaves = "processor has left its group: a newer version is needed"
	if strings.Contains(older.log.String(), leaves) {
		t.Error("the old consumer has left its group before the upgrade is finished")
	}
	shared(3)
	if status, said := command(t, "upgrade", "finish", "-config", update.config()); status != 0 {
		t.Fatalf("upgrade finish: got status %d: %s", status, said)
	}
	waitFor(t, patience, "the old consumer leaves", func() bool { return strings.Contains(older.log.String(), leaves) })
	if n := strings.Count(older.log.String(), leaves); n != 1 || !strings.Contains(older.log.String(), `of the kind \"level\"`) {
		t.Errorf("the old consumer says %d times that it leaves, want once, before the end of the upgrade", n)
	}
	shared(2)
	for i := range devices {
		waitFor(t, patience, "the decision is in force", func() bool { return named(t, update, fmt.Sprintf("gateway0/%02d", i)) })
	}
	p.more(2000)
	samples := p.stop()
	web.stop()
	older.stop()
	p = startPosters(t, update.base(), "after")
	p.more(1000)
	newest.kill()
	p.more(2000)
	verifyDeployment(t, update, c.database, append(samples, p.stop()...))

	back := oldProgram(t, "consumer", c.before)
	back.launch()
	select {
	case err := <-back.exited:
		if said := back.log.String(); err == nil || strings.Count(said, "use the program that wrote it, or a newer one") != 1 {
			t.Errorf("the old consumer ended with %v and said %s, want one line that refuses the newer database", err, said)
		}
	case <-time.After(patience):
		t.Errorf("the old consumer runs on a newer database: %s", back.log.String())
	}
}

// named reports whether the name that decide gives is in force.
func named(t *testing.T, web *server, device string) bool {
	t.Helper()
	response, err := http.Get(web.base() + "/api/v1/devices/" + url.PathEscape(device))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return err == nil && strings.Contains(string(body), `"name":"Kessel"`)
}

// decide names a device. At first it may not be known yet what is in force.
func decide(t *testing.T, web *server, device string) {
	t.Helper()
	address := web.base() + "/api/v1/devices/" + url.PathEscape(device)
	var status int
	if !eventually(patience, func() bool {
		request, err := http.NewRequest(http.MethodPatch, address, strings.NewReader(`{"name": "Kessel"}`))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/merge-patch+json")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		status = response.StatusCode
		return response.Body.Close() == nil && status != http.StatusServiceUnavailable
	}) || status/100 != 2 {
		t.Fatalf("%s: got status %d", device, status)
	}
}
