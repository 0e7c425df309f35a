package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/kafka"
	"iotmon/internal/process"
	"iotmon/internal/wire"
)

// shiftConfig has critical alerts notified to a webhook.
const shiftConfig = `
notifications:
  language: en
  channels:
    - name: hook
      webhook: {url: %q, secret_file: %q}
  routes:
    - {name: critical, severities: [critical], channels: [hook], wait: 0s, interval: 1s, repeat: 0s}
`

// shiftRules are decided over REST: each kind of condition that people can choose, for the values that makeBatch makes.
var shiftRules = []string{
	`{"name":"average","device_type":"temperature_sensor","severity":"warning","condition":{"kind":"average","threshold":24.6,"hysteresis":0.4,"within_seconds":5}}`,
	`{"name":"maximum","device_type":"temperature_sensor","severity":"info","condition":{"kind":"maximum","threshold":32.5,"within_seconds":2}}`,
	`{"name":"count","device_type":"humidity_sensor","severity":"warning","condition":{"kind":"count","threshold":7,"limit":26,"within_seconds":4}}`,
	`{"name":"fraction","device_type":"pressure_sensor","severity":"warning","condition":{"kind":"fraction","threshold":0.4,"limit":25.5,"within_seconds":5}}`,
	`{"name":"of last","device_type":"pressure_sensor","severity":"warning","latch":true,"condition":{"kind":"of_last","threshold":6,"limit":25,"last":8}}`,
	`{"name":"quiet","device_type":"humidity_sensor","severity":"warning","condition":{"kind":"no_data","within_seconds":10}}`,
	`{"name":"levels","device_type":"temperature_sensor","severity":"warning","condition":{"kind":"levels","hysteresis":1,
		"levels":{"low":{"limit":20.1},"high":{"limit":31.5},"high_high":{"limit":32.3,"severity":"critical"}}}}`,
	`{"name":"expression","device_type":"pressure_sensor","severity":"warning","for_seconds":0.2,"clear_for_seconds":0.5,
		"condition":{"kind":"expression","threshold":1.5,"within_seconds":5,"expression":"value > average + threshold and elapsed < 1"}}`,
	`{"name":"rise","device_type":"temperature_sensor","severity":"info","condition":{"kind":"rise","threshold":12.3,"hysteresis":4,"within_seconds":2}}`,
}

// shift is what people have to do with alerts in a deployment, and what must come of it: the events in the archive are those that one pass of the pure
// processor over the whole log makes, and the receiver of notifications knows what stands.
type shift struct {
	d    *deployment
	webs []*server
	hook *hook
	log  replayedLog
	// answered are the keys of the requests whose answers said that they were in the log.
	answered []string
}

// startShift decides the rules and a maintenance that comes and goes.
func startShift(t *testing.T, d *deployment, h *hook, webs ...*server) *shift {
	t.Helper()
	s := &shift{d: d, webs: webs, hook: h}
	for _, rule := range shiftRules {
		addInForce(t, webs[0], "/api/v1/rules", rule)
	}
	var periods []string
	for i := range 200 {
		from := time.Now().Add(time.Duration(5+12*i) * time.Second)
		periods = append(periods, fmt.Sprintf(`{"from":%q,"until":%q}`, from.UTC().Format(time.RFC3339), from.Add(4*time.Second).UTC().Format(time.RFC3339)))
	}
	maintenance := fmt.Sprintf(`{"name":"lubrication","reason":"bearings","device_type":"pressure_sensor","area":%q,"periods":[%s]}`,
		(&iot.Location{Building: buildings[0]}).FirstArea(), strings.Join(periods, ","))
	addInForce(t, webs[0], "/api/v1/maintenance", maintenance)
	return s
}

// addInForce adds a rule or a maintenance. On a busy machine it comes into force after the answer.
func addInForce(t *testing.T, web *server, path, body string) {
	t.Helper()
	code, answer := call(t, web, "POST", path, body)
	if code != http.StatusCreated && code != http.StatusAccepted {
		t.Fatalf("%s: got %d %s", body, code, answer)
	}
	var of struct{ Name string }
	if err := json.Unmarshal([]byte(body), &of); err != nil {
		t.Fatal(err)
	}
	waitFor(t, patience, of.Name+" is in force", func() bool {
		_, answer := call(t, web, "GET", path+"/"+url.PathEscape(of.Name), "")
		return strings.Contains(answer, `"in_force":true`)
	})
}

// crew are people at work.
type crew struct {
	s       *shift
	quit    chan struct{}
	running sync.WaitGroup

	mu       sync.Mutex
	answered []string
	wrong    []string
}

// work has people handle alerts and change a rule until rest, while the receiver of notifications fails, hangs and takes messages without saying so.
func (s *shift) work() *crew {
	c := &crew{s: s, quit: make(chan struct{})}
	for person := range s.webs {
		c.running.Go(func() { c.handle(rand.New(rand.NewPCG(uint64(person), uint64(time.Now().UnixNano())))) })
	}
	c.running.Go(func() {
		random := rand.New(rand.NewPCG(9, uint64(time.Now().UnixNano())))
		for c.wait(time.Duration(random.IntN(2000)) * time.Millisecond) {
			s.hook.mode.Store(random.Int32N(4))
			if s.hook.mode.Load() == 3 {
				c.wait(200 * time.Millisecond)
				s.hook.CloseClientConnections()
			}
		}
		s.hook.mode.Store(0)
		s.hook.CloseClientConnections()
	})
	return c
}

// rest ends the work once the requests under way are answered.
func (c *crew) rest(t *testing.T) {
	t.Helper()
	close(c.quit)
	c.running.Wait()
	for _, wrong := range c.wrong {
		t.Error(wrong)
	}
	t.Logf("people have done %d things about alerts and rules", len(c.answered))
	c.s.answered = append(c.s.answered, c.answered...)
}

func (c *crew) wait(d time.Duration) bool {
	select {
	case <-c.quit:
		return false
	case <-time.After(d):
		return true
	}
}

func (c *crew) handle(random *rand.Rand) {
	for c.wait(time.Duration(50+random.IntN(200)) * time.Millisecond) {
		if random.IntN(15) == 0 {
			rule := strings.Replace(shiftRules[0], "24.6", fmt.Sprint(24.4+random.Float64()/2), 1)
			c.send(random, "PUT", "/api/v1/rules/average", rule[:1]+strings.TrimPrefix(rule[1:], `"name":"average",`), "If-Match", "*")
			continue
		}
		_, answer := c.send(random, "GET", "/api/v1/alerts?state=open&limit=200", "")
		var open struct {
			Items []wire.Alert `json:"items"`
		}
		if err := json.Unmarshal(answer, &open); err != nil || len(open.Items) == 0 {
			continue
		}
		a := open.Items[random.IntN(len(open.Items))]
		key := uuid.NewString()
		action, body := "comment", ""
		if a.Severity != iot.Critical { // Each of these is to be notified.
			action = []string{"acknowledge", "acknowledge", "comment", "reset", "shelve", "unshelve", "out_of_service", "in_service"}[random.IntN(8)]
		}
		if action == "shelve" {
			body = fmt.Sprintf(`,"seconds":%d,"one_shot":%v`, 1+random.IntN(5), random.IntN(2) == 0)
		}
		path, body := "/api/v1/alerts/"+a.ID+"/"+action, fmt.Sprintf(`{"comment":%q%s}`, key, body)
		code, answer := c.send(random, "POST", path, body, "Idempotency-Key", key)
		if random.IntN(3) == 0 { // As if the answer had been lost.
			code, answer = c.send(random, "POST", path, body, "Idempotency-Key", key)
		}
		c.mu.Lock()
		switch code {
		case http.StatusOK, http.StatusAccepted:
			c.answered = append(c.answered, key)
		case http.StatusNotFound, 0: // It has cleared and is acknowledged, and is not archived yet; or the work is over.
		default:
			c.wrong = append(c.wrong, fmt.Sprintf("%s %s: got %d %s", path, body, code, answer))
		}
		c.mu.Unlock()
	}
}

// send repeats a request to any web instance until it is answered by neither an outage nor too much to do. It returns the status 0 if rest was called
// before.
func (c *crew) send(random *rand.Rand, method, path, body string, headers ...string) (int, []byte) {
	client := http.Client{Timeout: 10 * time.Second}
	for {
		request, err := http.NewRequest(method, c.s.webs[random.IntN(len(c.s.webs))].base()+path, bytes.NewReader([]byte(body)))
		if err != nil {
			panic(err)
		}
		request.Header.Set("Content-Type", "application/json")
		for i := 0; i < len(headers); i += 2 {
			request.Header.Set(headers[i], headers[i+1])
		}
		if response, err := client.Do(request); err == nil {
			answer, err := io.ReadAll(response.Body)
			response.Body.Close()
			if err == nil && response.StatusCode < 500 && response.StatusCode != http.StatusTooManyRequests {
				return response.StatusCode, answer
			}
		}
		if !c.wait(100 * time.Millisecond) {
			return 0, nil
		}
	}
}

// verify compares the archive's events, and what the receiver of notifications knows, with the log.
func (s *shift) verify(t *testing.T, database string) {
	t.Helper()
	s.log.read(t, s.d)
	var wrong []string
	if !eventually(patience, func() bool { wrong = s.log.differs(t, database); return len(wrong) == 0 }) {
		t.Errorf("%d of %d events of alerts are wrong; the first: %q", len(wrong), len(s.log.events), wrong[:min(12, len(wrong))])
	}
	for _, key := range s.answered {
		if !s.log.commands[key] {
			t.Errorf("command %s was answered and is not in the log", key)
		}
	}
	s.answered = nil
	t.Logf("%d events of alerts of %d kinds of rules equal those of the log", len(s.log.events), len(s.log.rules()))
	var known, truth notified
	if !eventually(patience, func() bool {
		known, truth = s.hook.knows(), criticalAlerts(t, database)
		if long() { // What is sent from memory may be sent again from the database.
			known.Raised = truth.Raised
		}
		return known == truth
	}) {
		t.Errorf("the receiver of notifications knows of %+v, want %+v", known, truth)
	}
	s.hook.mu.Lock()
	defer s.hook.mu.Unlock()
	for _, bad := range s.hook.bad {
		t.Error(bad)
	}
	s.hook.bad = nil
	t.Logf("%d messages of %d critical alerts, %d of them came again", len(s.hook.received), truth.Raised, s.hook.repeated)
}

// notified are critical alerts of which somebody was notified.
type notified struct{ Open, Raised int }

// knows returns how many alerts stand as far as the receiver knows, and how many it was notified of, each once.
func (h *hook) knows() notified {
	h.mu.Lock()
	defer h.mu.Unlock()
	var n notified
	open := make(map[string]int)
	for _, id := range h.order {
		for _, group := range h.received[id].Data.Groups {
			open[group.Group] = group.Open
			n.Raised += group.New
		}
	}
	for _, count := range open {
		n.Open += count
	}
	return n
}

func criticalAlerts(t *testing.T, database string) (n notified) {
	t.Helper()
	query(t, database, func(rows pgx.Rows) error { return rows.Scan(&n.Open, &n.Raised) },
		`SELECT count(*) FILTER (WHERE cleared IS NULL), count(*) FROM alerts WHERE severity = 'critical' AND NOT historical`)
	return n
}

func query(t *testing.T, database string, each func(pgx.Rows) error, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, text)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			t.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// replayedLog is what one pass of the pure processor makes of all committed records of the readings' topic.
type replayedLog struct {
	client     *kgo.Client
	partitions map[int32]*process.Partition
	// events are those of alerts, in words, by alert, partition and offset. historical are the ids of alerts found in past readings.
	events     map[string]string
	rulesOf    map[string]bool
	commands   map[string]bool
	historical map[string]bool
}

// read reads to the present end of the log.
func (l *replayedLog) read(t *testing.T, d *deployment) {
	t.Helper()
	topic := d.topics.prefix + "readings"
	if l.client == nil {
		l.client = d.topics.client(kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
		l.partitions, l.events = make(map[int32]*process.Partition), make(map[string]string)
		l.commands, l.rulesOf, l.historical = make(map[string]bool), make(map[string]bool), make(map[string]bool)
	}
	ends, err := kadm.NewClient(l.client).ListCommittedOffsets(t.Context(), topic)
	if err != nil || ends.Error() != nil {
		t.Fatal(err, ends.Error())
	}
	behind := func() (n int) {
		ends.Each(func(end kadm.ListedOffset) {
			if p := l.partitions[end.Partition]; end.Offset > 0 && (p == nil || p.Next() < end.Offset) {
				n++
			}
		})
		return n
	}
	for deadline := time.Now().Add(patience); behind() > 0; {
		if time.Now().After(deadline) {
			t.Fatalf("%d partitions of the log could not be read to their ends", behind())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		fetches := l.client.PollFetches(ctx)
		cancel()
		fetches.EachPartition(func(fetched kgo.FetchTopicPartition) { l.process(t, fetched.Partition, fetched.Records) })
	}
}

func (l *replayedLog) process(t *testing.T, id int32, records []*kgo.Record) {
	t.Helper()
	p := l.partitions[id]
	if p == nil {
		catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
		if err != nil {
			t.Fatal(err)
		}
		p = process.New(&process.Options{
			Admission: &iot.Admission{Catalog: catalog, Skew: 10 * time.Second, MaxText: 128, Earliest: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)},
			Lateness:  time.Second, Window: 2 * time.Second, Revision: 1, Rules: []iot.Rule{killRule}, RuleRevision: 1, OfflineAfter: 15 * time.Second,
		}, id, process.Checkpoint{}, false)
		l.partitions[id] = p
	}
	var batch []process.Record
	next := p.Next()
	for _, r := range records {
		next = r.Offset + 1
		if r.Attrs.IsControl() {
			continue
		}
		record := process.Record{Offset: r.Offset, Appended: r.Timestamp, Key: r.Key, Value: r.Value, RecordKind: kafka.KindOf(r)}
		if command, err := wire.DecodeCommand(r.Value); record.Kind == iot.KindCommand && err == nil {
			l.commands[command.Key] = true
		}
		batch = append(batch, record)
	}
	if err := p.Process(batch, l); err != nil {
		t.Fatal(err)
	}
	p.Skip(next)
}

// Alert implements process.Output.
func (l *replayedLog) Alert(a *iot.Alert) {
	l.rulesOf[a.Rule] = true
	if a.Historical {
		l.historical[a.ID] = true
		return
	}
	l.events[eventKey(a.ID, a.Partition, a.Offset)] = eventWords(string(a.Transition), string(a.LifeState()), a.Time, a.Value, string(a.Reason),
		suppressionWords(string(a.Suppressed), a.SuppressedUntil, a.SuppressedBy, a.SuppressedReason, a.SuppressedActor), a.Actor, a.Comment)
}

func (*replayedLog) Summary(*iot.WindowSummary)          {}
func (*replayedLog) Areas(*iot.DeviceAreas)              {}
func (*replayedLog) State(*iot.DeviceState)              {}
func (*replayedLog) Forget(iot.Identity, iot.Position)   {}
func (*replayedLog) InForce(_, _ []byte, _ iot.Position) {}
func (*replayedLog) Reject(*process.Reject)              {}

func (l *replayedLog) rules() []string {
	var names []string
	for name := range l.rulesOf {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func eventKey(alert string, partition int32, offset int64) string {
	return fmt.Sprintf("%s at %d:%d", alert, partition, offset)
}

// eventWords says all of an event. Of one that is noted, what it does not say itself is that of the alert in the archive.
func eventWords(transition, life string, at time.Time, value float64, reason, suppressed, actor, comment string) string {
	if transition == string(iot.Noted) {
		return fmt.Sprint(transition, " ", at.UnixMicro(), " ", actor, " ", comment)
	}
	return fmt.Sprint(transition, " ", life, " ", at.UnixMicro(), " ", value, " ", reason, " ", suppressed, " ", actor, " ", comment)
}

// suppressionWords says what suppresses an alert, until when, why, and who has decided so.
func suppressionWords(suppressed string, until time.Time, by, why, who string) string {
	return fmt.Sprint(suppressed, " ", max(until.UnixMicro(), 0), " ", by, " ", why, " ", who)
}

// differs compares the events in the archive with those of the log, as far as it was read.
func (l *replayedLog) differs(t *testing.T, database string) (wrong []string) {
	t.Helper()
	stored := make(map[string]bool)
	comments := make(map[string]string)
	query(t, database, func(rows pgx.Rows) error {
		var id, transition, life, reason, suppressed, by, why, who, actor, comment, rule, device string
		var partition int32
		var position int64
		var at time.Time
		var until *time.Time
		var value float64
		if err := rows.Scan(&id, &partition, &position, &transition, &life, &at, &value, &reason, &suppressed, &until, &by, &why, &who, &actor,
			&comment, &rule, &device); err != nil {
			return err
		}
		if p := l.partitions[partition]; p != nil && position > p.Next() {
			return nil // Ticks go on. An event's position is that behind its record.
		}
		if until == nil {
			until = new(time.Time)
		}
		key := eventKey(id, partition, position)
		if before := comments[comment]; comment != "" && before != "" {
			wrong = append(wrong, fmt.Sprintf("what is said once has two events: %s and %s", before, key))
		}
		comments[comment] = key
		got := eventWords(transition, life, at, value, reason, suppressionWords(suppressed, *until, by, why, who), actor, comment)
		if want := l.events[key]; got != want {
			wrong = append(wrong, fmt.Sprintf("%s of %s on %s: got %s, want %s", key, rule, device, got, want))
		}
		stored[key] = true
		return nil
	}, `SELECT e.id, a.partition, e.position, e.state, e.life, e.time, e.value, e.reason, e.suppressed, e.suppressed_until, e.suppressed_by, e.suppressed_reason, e.suppressed_actor, e.actor, e.comment, a.rule, a.device_id
		FROM alert_events e JOIN alerts a ON a.id = e.id`)
	for key, want := range l.events {
		if !stored[key] {
			wrong = append(wrong, fmt.Sprintf("%s is missing: %s", key, want))
		}
	}
	past := 0
	query(t, database, func(rows pgx.Rows) error {
		var id string
		past++
		err := rows.Scan(&id)
		if !l.historical[id] {
			wrong = append(wrong, "the past alert "+id+" never happened")
		}
		return err
	}, `SELECT id FROM alerts WHERE historical`)
	if past != len(l.historical) {
		wrong = append(wrong, fmt.Sprintf("%d past alerts, want %d", past, len(l.historical)))
	}
	return wrong
}
