package control_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/control"
	"iotmon/internal/control/controltest"
	"iotmon/internal/iot"
	"iotmon/internal/store/storetest"
)

const partitions = 2

// plant is a model of the log and the processors of a plant, with several processes that decide.
type plant struct {
	t        tester
	now      time.Time
	database *controltest.Memory
	backups  []*controltest.Memory
	// restored is set once an older database was restored.
	restored bool
	// records are those in the log, by partition; processed counts how many of them were processed, and committed has what is
	// known of that.
	records              [partitions][]control.Object
	processed, committed [partitions]int64
	// state is partition-state.
	state     [partitions]map[control.Ref]control.Object
	appended  int
	append    func() (times int, err error)
	processes []*process
}

// process is one process that decides, with its own knowledge of what is in force.
type process struct {
	*plant
	inForce  *control.InForce
	loop     *control.Loop
	registry *control.Registry
	// behind means that the process has not read the newest partition-state, anew that it has to read it from the start.
	behind, anew bool
}

// tester is what the tests and the properties among them are given.
type tester interface {
	rapid.TB
	Context() context.Context
}

func newPlant(t tester) *plant {
	p := &plant{t: t, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), database: controltest.NewMemory()}
	p.append = func() (int, error) { return 1, nil }
	p.recreate(true)
	for range 2 {
		c := &process{plant: p}
		c.start()
		p.processes = append(p.processes, c)
	}
	return p
}

// start starts the process, which knows nothing.
func (c *process) start() {
	c.inForce = control.NewInForce()
	c.loop = control.NewLoop(control.LoopOptions{
		Store: c.database, InForce: c.inForce, Log: c.plant, Logger: slog.New(slog.DiscardHandler),
	})
	c.registry = control.NewRegistry(control.RegistryOptions{
		Store: c.database, InForce: c.inForce, Decided: c.loop.Decided, Now: func() time.Time { return c.now },
	})
	c.behind, c.anew = true, true
}

// readState has the process read all that is committed. It begins anew if the topic was.
func (c *process) readState() {
	if c.anew {
		c.inForce.Begin(partitions)
		c.anew = false
	}
	for id := range c.state {
		for ref, o := range c.state[id] {
			position := iot.Position{Partition: int32(id)}
			if ref.Kind == control.Rule {
				e, err := o.RuleEntry()
				if err != nil {
					c.t.Fatal(err)
				}
				c.inForce.SetRule(&iot.RuleInForce{RuleEntry: e, Position: position})
				continue
			}
			e, err := o.DeviceEntry()
			if err != nil {
				c.t.Fatal(err)
			}
			c.inForce.SetDevice(ref.Identity(), &iot.EntryInForce{DeviceEntry: e, Position: position})
		}
	}
	c.inForce.CaughtUp()
}

func (p *plant) PartitionOf(device iot.Identity, n int) int32 { return int32(len(device.ID) % n) }

func (p *plant) Append(_ context.Context, objects []control.Object) (map[int32]int64, error) {
	times, err := p.append()
	for range times {
		for _, o := range objects {
			p.appended++
			for id := range p.records {
				if o.Kind == control.Rule || p.PartitionOf(o.Identity(), partitions) == int32(id) {
					p.records[id] = append(p.records[id], o)
				}
			}
		}
	}
	ends := make(map[int32]int64)
	for id := range p.records {
		ends[int32(id)] = int64(len(p.records[id]))
	}
	return ends, err
}

func (p *plant) Progress(context.Context) ([]control.Progress, error) {
	progress := make([]control.Progress, partitions)
	for id := range progress {
		progress[id] = control.Progress{Processed: p.committed[id], End: int64(len(p.records[id]))}
	}
	return progress, nil
}

// process processes the next record of a partition, as a processor does: a higher version comes into force.
func (p *plant) process(id int) {
	if p.processed[id] == int64(len(p.records[id])) {
		p.committed[id] = p.processed[id] // As an idle processor does once a minute.
		return
	}
	o := p.records[id][p.processed[id]]
	p.processed[id]++
	if o.Version > p.state[id][o.Ref].Version {
		p.state[id][o.Ref] = o
		p.committed[id] = p.processed[id]
		for _, c := range p.processes {
			c.behind = true
		}
	}
}

// recreate creates the log, and if all is set partition-state, anew.
func (p *plant) recreate(all bool) {
	for id := range p.records {
		p.records[id], p.processed[id], p.committed[id] = nil, 0, 0
		if all {
			p.state[id] = make(map[control.Ref]control.Object)
		}
	}
	for _, c := range p.processes {
		c.behind, c.anew = true, c.anew || all
	}
}

// decided returns what was decided last.
func (p *plant) decided(ref control.Ref) control.Object {
	found, err := p.database.Objects(context.Background(), []control.Ref{ref})
	if err != nil {
		p.t.Fatal(err)
	}
	return found[0]
}

// decide has somebody decide something at random.
func (c *process) decide(t *rapid.T) {
	device := iot.Identity{ID: iot.DeviceID(rapid.SampledFrom([]string{"a", "bb", "c"}).Draw(t, "device"))}
	name := rapid.SampledFrom([]string{"", "one", "two"}).Draw(t, "name")
	forget := rapid.Bool().Draw(t, "forget")
	_, err := c.registry.Change(context.Background(), []control.Edit{{Device: device, To: func(e iot.DeviceEntry) (iot.DeviceEntry, error) {
		if forget {
			return iot.DeviceEntry{Forget: true}, nil
		}
		e.Name = name
		return e, nil
	}}}, control.By{Actor: "somebody", Action: "put"})
	if err != nil && !errors.Is(err, control.ErrUnavailable) {
		t.Fatal(err)
	}
}

// decideRule does the same with a rule.
func (c *process) decideRule(t *rapid.T) {
	ref := control.RuleRef(rapid.SampledFrom([]string{"high", "low"}).Draw(t, "rule"))
	deleted := rapid.Bool().Draw(t, "deleted")
	threshold := float64(rapid.IntRange(1, 2).Draw(t, "threshold"))
	inForce, known := c.inForce.Version(ref)
	if !known {
		return
	}
	var changed []control.Object
	err := c.database.Change(context.Background(), []control.Ref{ref}, func(current []control.Object) ([]control.Change, error) {
		e := iot.RuleEntry{Version: max(current[0].Version, inForce) + 1, Deleted: deleted, Rule: iot.Rule{Name: ref.ID}}
		if !deleted {
			e.Rule.Condition.Threshold, e.Rule.Severity = threshold, iot.Warning
		}
		if err := e.Normalize(); err != nil {
			t.Fatal(err)
		}
		changed = []control.Object{control.RuleObject(&e)}
		return []control.Change{{Object: changed[0], Actor: "somebody", Action: "put", Time: c.now}}, nil
	})
	if err == nil {
		c.loop.Decided(changed)
	}
}

// disturb does something at random.
func (p *plant) disturb(t *rapid.T) {
	c := rapid.SampledFrom(p.processes).Draw(t, "process")
	switch action := rapid.IntRange(0, 13).Draw(t, "action"); action {
	case 0, 1:
		c.decide(t)
	case 2:
		c.decideRule(t)
	case 3, 4:
		_ = c.loop.Step(t.Context(), p.now) // Failures are part of it.
	case 5, 6:
		p.process(rapid.IntRange(0, partitions-1).Draw(t, "partition"))
	case 7:
		c.readState()
		c.behind = false
	case 8:
		p.now = p.now.Add(time.Duration(rapid.IntRange(1, 100).Draw(t, "seconds")) * time.Second)
	case 9:
		c.start()
	case 10:
		p.database.SetDown(!p.database.Down())
	case 11:
		p.append = rapid.SampledFrom([]func() (int, error){
			func() (int, error) { return 1, nil },
			func() (int, error) { return 2, nil },
			func() (int, error) { return 0, errors.New("not appended") },
			func() (int, error) { return 1, errors.New("appended, but not acknowledged") },
		}).Draw(t, "append")
	case 12:
		if len(p.backups) > 0 && rapid.Bool().Draw(t, "restore") {
			p.database.Restore(p.backups[len(p.backups)-1])
			p.restored = true
		} else {
			p.backups = append(p.backups, p.database.Backup())
		}
	case 13:
		p.recreate(rapid.Bool().Draw(t, "all"))
	}
}

// calmDown ends all disturbances, and lets 25 s pass in each round. Before compareEvery has passed, differences are found by what
// points to them.
func (p *plant) calmDown(t tester, rounds int) {
	p.database.SetDown(false)
	p.append = func() (int, error) { return 1, nil }
	for range rounds {
		p.now = p.now.Add(25 * time.Second)
		for _, c := range p.processes {
			if c.behind {
				c.readState()
				c.behind = false
			}
			if err := c.loop.Step(t.Context(), p.now); err != nil {
				t.Fatal(err)
			}
		}
		for id := range p.records {
			for range len(p.records[id]) + 1 {
				p.process(id)
			}
		}
	}
}

// Whatever happens: in the end, what is in force is what was decided, and nothing is appended any more.
func TestInTheEndWhatWasDecidedIsInForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPlant(t)
		for range rapid.IntRange(1, 60).Draw(t, "disturbances") {
			p.disturb(t)
		}
		p.calmDown(t, 34)
		for _, c := range p.processes {
			for _, o := range p.database.All() {
				if !c.inForce.Agrees(&o) {
					t.Fatalf("%s %s, decided as %s, is not in force", o.Kind, o.ID, o.Body)
				}
			}
		}
		for id := range p.state {
			for ref, o := range p.state[id] {
				if decided := p.decided(ref); ref.Kind == control.Device && decided.Version != o.Version {
					t.Fatalf("%s %s is in force with version %d, decided was %d", ref.Kind, ref.ID, o.Version, decided.Version)
				}
			}
		}
		before := p.appended
		p.calmDown(t, 40)
		if p.appended != before {
			t.Fatalf("%d objects were appended although everything is in force", p.appended-before)
		}
		audit, err := p.database.Audit(t.Context(), control.AuditQuery{Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range audit {
			if entry.Actor != "somebody" && !p.restored {
				t.Fatalf("%+v was decided by nobody", entry)
			}
		}
	})
}

// bodiesRead is a store that counts the bodies that are read from it.
type bodiesRead struct {
	control.Store
	count int
}

func (s *bodiesRead) Since(ctx context.Context, revision int64, limit int) ([]control.Object, error) {
	found, err := s.Store.Since(ctx, revision, limit)
	s.count += len(found)
	return found, err
}

func (s *bodiesRead) Objects(ctx context.Context, refs []control.Ref) ([]control.Object, error) {
	found, err := s.Store.Objects(ctx, refs)
	s.count += len(found)
	return found, err
}

// For a quarter of an hour after its start the loop compares everything every minute. Of 100,000 entries that agree it must not read, and encode,
// every body each time; of those that differ it must.
func TestWhatAgreesIsComparedByItsVersion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, c := lone(t)
		for i := range 20 {
			change(t, c, iot.DeviceID(fmt.Sprint("device", i)), iot.DeviceEntry{Name: "x"})
		}
		p.calmDown(t, 8)
		store := &bodiesRead{Store: c.loop.Store}
		c.loop.Store = store
		p.calmDown(t, 8)
		if store.count != 0 {
			t.Fatalf("%d bodies read, though everything agrees", store.count)
		}
		ref := control.DeviceRef(iot.Identity{ID: "device7"})
		id := p.PartitionOf(ref.Identity(), partitions)
		p.state[id][ref] = control.DeviceObject(ref.Identity(), &iot.DeviceEntry{Version: 5, Name: "decided later"})
		c.readState()
		p.calmDown(t, 4)
		if o := p.decided(ref); o.Version != 5 || store.count == 0 || store.count > 4 {
			t.Fatalf("got version %d with %d bodies read, want the later decision adopted", o.Version, store.count)
		}
	})
}

func deviceEdit(id iot.DeviceID, to iot.DeviceEntry) []control.Edit {
	return []control.Edit{{Device: iot.Identity{ID: id}, To: func(iot.DeviceEntry) (iot.DeviceEntry, error) { return to, nil }}}
}

// lone returns a plant whose first process knows what is in force.
func lone(t tester) (*plant, *process) {
	p := newPlant(t)
	p.processes = p.processes[:1]
	c := p.processes[0]
	c.readState()
	return p, c
}

func change(t tester, c *process, id iot.DeviceID, to iot.DeviceEntry) iot.DeviceEntry {
	out, err := c.registry.Change(t.Context(), deviceEdit(id, to), control.By{Actor: "somebody"})
	if err != nil {
		t.Fatal(err)
	}
	return out[0].After
}

// An entry that waits in the log, because processors are away, is not appended again and again.
func TestNothingIsAppendedTwiceWhileProcessorsAreAway(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, c := lone(t)
		for i := range rapid.IntRange(1, 5).Draw(t, "decisions") {
			change(t, c, iot.DeviceID(fmt.Sprint("device", i)), iot.DeviceEntry{Name: "x"})
		}
		decided := len(p.database.All())
		if rapid.Bool().Draw(t, "killed before the append") {
			c.start()
			c.readState()
		}
		for range 200 {
			p.now = p.now.Add(time.Minute)
			if err := c.loop.Step(t.Context(), p.now); err != nil {
				t.Fatal(err)
			}
		}
		if p.appended != decided {
			t.Fatalf("%d entries were decided and %d appended", decided, p.appended)
		}
	})
}

func TestADecisionIsAppendedAtOnce(t *testing.T) {
	p, c := lone(t)
	change(t, c, "a", iot.DeviceEntry{Name: "x"})
	if err := c.loop.Step(t.Context(), p.now); err != nil || p.appended != 1 {
		t.Fatalf("after one step: %d appended, %v", p.appended, err)
	}
}

// Sequence: somebody imports a table, and while its entries are appended, somebody else changes one device and waits for the answer. With
// the oldest first, an import of 100,000 entries kept that decision waiting for five minutes.
func TestADecisionDoesNotWaitBehindAnImport(t *testing.T) {
	const imported = 5000
	for _, whileAppended := range []bool{false, true} {
		p, c := lone(t)
		var edits []control.Edit
		for i := range imported {
			edits = append(edits, deviceEdit(iot.DeviceID(fmt.Sprint("imported ", i)), iot.DeviceEntry{Name: "x"})...)
		}
		if err := c.registry.ChangeMany(t.Context(), edits, control.By{Actor: "somebody"}, func(*control.Outcome) {}); err != nil {
			t.Fatal(err)
		}
		if whileAppended {
			if err := c.loop.Step(t.Context(), p.now); err != nil {
				t.Fatal(err)
			}
		}
		change(t, c, "a", iot.DeviceEntry{Name: "x"})
		if err := c.loop.Step(t.Context(), p.now); err != nil {
			t.Fatal(err)
		}
		id := p.PartitionOf(iot.Identity{ID: "a"}, partitions)
		if !slices.ContainsFunc(p.records[id], func(o control.Object) bool { return o.ID == "a" }) {
			t.Fatalf("the decision is not among the %d that were appended", p.appended)
		}
		for p.appended < imported+1 {
			before := p.appended
			if err := c.loop.Step(t.Context(), p.now); err != nil || p.appended == before {
				t.Fatalf("%d appended, %v", p.appended, err)
			}
		}
	}
}

// A record that a log has lost is appended again: nothing else says that it is not on its way any more.
func TestALogThatWasCreatedAnewGetsDecisionsAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, c := lone(t)
		change(t, c, "a", iot.DeviceEntry{Name: "x"})
		if err := c.loop.Step(t.Context(), p.now); err != nil || p.appended != 1 {
			t.Fatalf("after one step: %d appended, %v", p.appended, err)
		}
		p.recreate(rapid.Bool().Draw(t, "all"))
		p.calmDown(t, 34)
		if o := p.decided(control.DeviceRef(iot.Identity{ID: "a"})); !c.inForce.Agrees(&o) || p.appended != 2 {
			t.Fatalf("in force: %t, after %d appended", c.inForce.Agrees(&o), p.appended)
		}
	})
}

// A database that was put back to an earlier moment learns what has been decided since from what is in force, also if somebody has
// decided something else meanwhile and revisions were given again.
func TestARestoredDatabaseLearnsWhatIsInForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, c := lone(t)
		empty := p.database.Backup()
		change(t, c, "a", iot.DeviceEntry{Name: "x"})
		p.calmDown(t, 4)
		p.database.Restore(empty)
		if rapid.Bool().Draw(t, "decided meanwhile") {
			change(t, c, "bb", iot.DeviceEntry{Name: "y"})
		}
		p.calmDown(t, 4)
		if o := p.decided(control.DeviceRef(iot.Identity{ID: "a"})); o.Version != 1 || o.Revision == 0 {
			t.Fatalf("the database has version %d", o.Version)
		}
	})
}

// Sequence: another program writes entries of the highest version, and the database is restored. No version is left for what was decided
// about that device, so it does not come into force. The loop must not fail because of that: after a failure it waits for seconds, and
// every other decision with it.
func TestADecisionWithoutAVersionLeftStopsNoOther(t *testing.T) {
	p, c := lone(t)
	device := iot.Identity{ID: "a"}
	id := p.PartitionOf(device, partitions)
	foreign := func(name string) control.Object {
		return control.DeviceObject(device, &iot.DeviceEntry{Version: iot.MaxVersion, Name: name})
	}
	p.records[id] = append(p.records[id], foreign("adopted"))
	p.calmDown(t, 10)
	other := foreign("another")
	p.state[id][other.Ref] = other
	change(t, c, "bb", iot.DeviceEntry{Name: "x"})
	c.start() // Killed before the append: only the database knows the decision.
	p.calmDown(t, 10)
	if o := p.decided(control.DeviceRef(iot.Identity{ID: "bb"})); !c.inForce.Agrees(&o) {
		t.Fatal("the decision about another device is not in force")
	}
}

// A device that was forgotten and has sent since is not forgotten again when topics are created anew.
func TestADeviceIsForgottenOnce(t *testing.T) {
	p, c := lone(t)
	change(t, c, "a", iot.DeviceEntry{Forget: true})
	p.calmDown(t, 3)
	appended := p.appended
	p.recreate(true)
	p.calmDown(t, 5)
	if appended != 1 || p.appended != appended {
		t.Fatalf("appended %d times, then %d times", appended, p.appended-appended)
	}
	change(t, c, "a", iot.DeviceEntry{Forget: true})
	p.calmDown(t, 3)
	if p.appended != appended+1 {
		t.Fatal("a device that is to be forgotten again is not")
	}
}

// The model of a database must be as good as a real one.
func TestTheStoreInMemory(t *testing.T) {
	storetest.RunControl(t, func(*testing.T) control.Store { return controltest.NewMemory() })
	controltest.RunMany(t, func(*testing.T) (a, b control.Store) {
		store := controltest.NewMemory()
		return store, store
	})
}
