package modbus

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
)

// Unit is one device at an address.
type Unit struct {
	ID uint8
	// Every is the interval between polls.
	Every     time.Duration
	Registers []Register
	// MaxGap is how many addresses that nobody asked for a request may read, so that there are fewer requests. MaxBlock is how many
	// registers one request may read; 0 means 125, the protocol's limit.
	MaxGap, MaxBlock int
}

const (
	// retryRefused is how long a device is not asked again for what it does not have.
	retryRefused = 10 * time.Second
	// forgetRefusals is how often blocks that have been cut because the device refused them are made whole again.
	forgetRefusals = 10 * time.Minute
	// repeatReport is how often a report about a device is repeated while its reason lasts, so that the device does not count as silent.
	repeatReport = 5 * time.Second
	// leastSilence is how long at least a unit must not answer until its devices are reported as offline.
	leastSilence = 5 * time.Second
	// spares is for how many polls room is kept: one is appended to the log while the next is made.
	spares = 2
)

// unit polls a Unit. It belongs to the goroutine of the connection.
type unit struct {
	Unit
	topic string
	tags  map[string]string
	grid  grid
	// blocks are those of all registers, made at plannedAt. waiting are those that the present poll has not requested yet.
	blocks    []*block
	plannedAt time.Time
	waiting   []*block
	// instant is the time of the present poll, points its values.
	instant time.Time
	points  []mapping.Point
	// spare has what the points of earlier polls were in, once those are in the log.
	spare chan []mapping.Point
	// answered is when the unit answered last, or when it was asked first; failures is how often in a row it has not answered since, and
	// retryAt when it may be asked again. offlineAt is when its devices were last reported as offline.
	answered  time.Time
	failures  int
	retryAt   time.Time
	offlineAt time.Time
	// bad has the registers that are reported as bad.
	bad map[*Register]reported
}

type reported struct {
	reason string
	at     time.Time
}

func newUnit(u Unit) *unit {
	if u.MaxBlock == 0 {
		u.MaxBlock = maxRegisters
	}
	id := strconv.Itoa(int(u.ID))
	return &unit{Unit: u, topic: "unit/" + id, tags: map[string]string{"unit": id}, grid: grid{every: u.Every}, spare: make(chan []mapping.Point, spares), bad: make(map[*Register]reported)}
}

// connect prepares for a new connection.
func (u *unit) connect(now time.Time) {
	u.grid.start(now)
	u.grid.ran = 0
	u.waiting, u.points = nil, nil
	u.failures, u.retryAt = 0, time.Time{}
	u.blocks = nil
	if u.answered.IsZero() {
		u.answered = now
	}
}

// begin begins the poll that is due, if one is, and returns how many were skipped before it. running is for how long the poller has run.
func (u *unit) begin(now time.Time, running time.Duration) (skipped int64) {
	if len(u.waiting) > 0 || now.Before(u.retryAt) {
		return 0
	}
	instant, skipped, ok := u.grid.due(now, running)
	if !ok {
		return 0
	}
	if u.blocks == nil || now.Sub(u.plannedAt) > forgetRefusals {
		u.plan(now)
	}
	u.instant = instant
	u.points = u.empty()
	for _, b := range u.blocks {
		if !now.Before(b.retryAt) {
			u.waiting = append(u.waiting, b)
		}
	}
	return skipped
}

func (u *unit) plan(now time.Time) {
	registers := make([]*Register, len(u.Registers))
	for i := range u.Registers {
		registers[i] = &u.Registers[i]
	}
	u.blocks, u.plannedAt = makeBlocks(registers, u.MaxGap, u.MaxBlock), now
}

// wake returns when the unit has something to do, if nothing is waiting.
func (u *unit) wake() time.Time {
	next := u.grid.next()
	if next.Before(u.retryAt) {
		return u.retryAt
	}
	return next
}

// take adds the values of a block to the poll.
func (u *unit) take(b *block, data []byte) (bad []reason) {
	base := b.offset()
	width := 2
	if b.kind.bits() {
		width = 1
	}
	for _, r := range b.registers {
		from := (int(r.Offset) - base) * width
		number, text, err := 0.0, "", error(nil)
		if b.kind.bits() {
			number = float64(data[from])
		} else {
			number, text, err = r.value(data[from : from+r.length()*width])
		}
		if err != nil {
			bad = append(bad, reason{r, err.Error()})
			continue
		}
		delete(u.bad, r)
		u.points = append(u.points, mapping.Point{Field: r.Field, Tags: r.Tags, Time: u.instant, Value: number, ValueText: text, Unit: r.Unit, Interval: u.Every})
	}
	return bad
}

// reason is why a register has no value.
type reason struct {
	register *Register
	text     string
}

func reasons(b *block, text string) []reason {
	all := make([]reason, len(b.registers))
	for i, r := range b.registers {
		all[i] = reason{r, text}
	}
	return all
}

// refuse notes that the device has refused a block: a block that it does not have is cut in two.
func (u *unit) refuse(b *block, err error, now time.Time) []reason {
	if judge(err) == illegal {
		if halves := b.split(); halves != nil {
			at := slices.Index(u.blocks, b)
			u.blocks = slices.Replace(u.blocks, at, at+1, halves...)
			u.waiting = slices.Insert(u.waiting, 0, halves...)
			return nil
		}
		b.retryAt = now.Add(retryRefused)
	}
	return reasons(b, err.Error())
}

// values returns the message of what the poll has read; nil if that is nothing.
func (u *unit) values(now time.Time) *source.Message {
	points := u.points
	u.points = nil
	if len(points) == 0 {
		return nil
	}
	return &source.Message{Topic: u.topic, Tags: u.tags, Points: points, Received: now, Done: func(error) { u.reuse(points) }}
}

// empty returns room for the values of a poll.
func (u *unit) empty() []mapping.Point {
	select {
	case points := <-u.spare:
		return points
	default:
		return make([]mapping.Point, 0, len(u.Registers))
	}
}

// reuse keeps the room of values that nobody needs any more for a later poll. It may be called by any goroutine.
func (u *unit) reuse(points []mapping.Point) {
	clear(points)
	select {
	case u.spare <- points[:0]:
	default: // There is enough.
	}
}

// badReports returns what to report about registers without a value: for each reason that is new, or that was reported long ago, one message.
func (u *unit) badReports(bad []reason, now time.Time) []*source.Message {
	byReason := make(map[string][]mapping.Point)
	for _, b := range bad {
		if old, known := u.bad[b.register]; known && old.reason == b.text && now.Sub(old.at) < repeatReport {
			continue
		}
		u.bad[b.register] = reported{b.text, now}
		byReason[b.text] = append(byReason[b.text], mapping.Point{Field: b.register.Field, Tags: b.register.Tags, Time: now})
	}
	var messages []*source.Message
	for text, points := range byReason {
		messages = append(messages, u.report(iot.ReportedBad, text, points, now))
	}
	return messages
}

func (u *unit) report(status iot.Reported, text string, points []mapping.Point, now time.Time) *source.Message {
	report := &iot.StatusReport{Status: status, Reason: fmt.Sprintf("Modbus unit %d: %s", u.ID, text), Time: iot.CutTime(now)}
	return &source.Message{Topic: u.topic, Tags: u.tags, Points: points, Report: report, Received: now}
}

// offline reports whether the devices have been reported as offline since the unit answered last.
func (u *unit) offline() bool { return u.offlineAt.After(u.answered) }

// offlineReport returns the report that the unit does not answer, if that lasts and was not reported yet.
func (u *unit) offlineReport(cause error, now time.Time) *source.Message {
	if u.offline() || now.Sub(u.answered) < max(leastSilence, 3*u.Every) {
		return nil
	}
	u.offlineAt = now
	points := make([]mapping.Point, len(u.Registers))
	for i := range u.Registers {
		r := &u.Registers[i]
		points[i] = mapping.Point{Field: r.Field, Tags: r.Tags, Time: now}
	}
	clear(u.bad)
	return u.report(iot.ReportedOffline, cause.Error(), points, now)
}
