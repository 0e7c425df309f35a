package modbus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	client "github.com/simonvetter/modbus"

	"iotmon/internal/retry"
	"iotmon/internal/source"
)

// Options configure an Adapter.
type Options struct {
	Connection
	Units []Unit
}

// Adapter polls the units behind one address. It implements source.Adapter.
type Adapter struct {
	connection Connection
	// units keep from one connection to the next what has been reported about them. They belong to Run.
	units []*unit
}

var _ source.Adapter = (*Adapter)(nil)

// longestRetry is the longest pause before a unit that does not answer is asked again, if there are others at the address.
const longestRetry = 5 * time.Second

// New returns an Adapter. The error says which register no device could have.
func New(o Options) (*Adapter, error) {
	a := &Adapter{connection: o.Connection}
	for _, u := range o.Units {
		for i := range u.Registers {
			if err := u.Registers[i].check(); err != nil {
				return nil, fmt.Errorf("unit %d: %w", u.ID, err)
			}
		}
		a.units = append(a.units, newUnit(u))
	}
	return a, nil
}

// Run implements source.Adapter. It returns when the address cannot be reached, or none of its units answers any more; at the latest the
// time of one connect and one request after ctx has ended, because the client cannot be interrupted.
func (a *Adapter) Run(ctx context.Context, session *source.Session) error {
	p := &poller{Adapter: a, session: session, began: time.Now()}
	for _, u := range a.units {
		u.connect(session.Now())
	}
	err := p.run(ctx)
	if p.client != nil {
		_ = p.client.Close() // What was read is sent, and nothing was written.
	}
	if ctx.Err() == nil {
		for _, u := range a.units {
			if lost := u.offlineReport(err, session.Now()); lost != nil {
				err = errors.Join(err, session.Send(ctx, lost))
			}
		}
	}
	return err
}

// poller is one Run.
type poller struct {
	*Adapter
	session *source.Session
	// began is when Run was called.
	began  time.Time
	client *client.ModbusClient
	// connected is whether a unit has answered; broken is how many requests in a row have broken the connection.
	connected bool
	broken    int
	// turn is the unit whose turn is next.
	turn int
}

func (p *poller) run(ctx context.Context) (err error) {
	if p.client, err = p.connection.open(); err != nil {
		return err
	}
	if err := p.probe(ctx); err != nil {
		return err
	}
	for ctx.Err() == nil {
		u := p.pick()
		if u == nil {
			if err := retry.Wait(ctx, p.idle()); err != nil {
				return err
			}
			continue
		}
		if err := p.request(ctx, u); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// probe asks the units in turn until one answers, whatever it says. Its values do not count: they have no instant.
func (p *poller) probe(ctx context.Context) (err error) {
	for _, u := range p.units {
		u.plan(p.session.Now())
		if _, err = read(p.client, u.ID, u.blocks[0]); err == nil || judge(err) < gone {
			p.answered(u)
			return nil
		}
		err = source.WithCause(fmt.Errorf("unit %d: %w", u.ID, err), causeOf(err))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		p.session.Problem(err)
		if err := p.reopen(); err != nil {
			return err
		}
	}
	return err
}

// pick returns the unit whose next request is sent: in turn one of those that answer, or else one of those that do not.
func (p *poller) pick() *unit {
	now := p.session.Now()
	var silent *unit
	for i := range p.units {
		u := p.units[(p.turn+i)%len(p.units)]
		if skipped := u.begin(now, time.Since(p.began)); skipped > 0 {
			p.session.Skipped(skipped)
		}
		switch {
		case len(u.waiting) == 0:
		case u.failures == 0:
			p.turn = (p.turn + i + 1) % len(p.units)
			return u
		case silent == nil || u.retryAt.Before(silent.retryAt):
			silent = u
		}
	}
	return silent
}

// idle returns how long there is nothing to do. It is never long, because the clock may be set meanwhile.
func (p *poller) idle() time.Duration {
	now := p.session.Now()
	pause := time.Second
	for _, u := range p.units {
		pause = min(pause, u.wake().Sub(now))
	}
	return max(pause, 0)
}

// request sends the next request of a unit, and what there is to send when it was the last of the poll. The error ends the connection.
func (p *poller) request(ctx context.Context, u *unit) error {
	b := u.waiting[0]
	u.waiting = u.waiting[1:]
	data, err := read(p.client, u.ID, b)
	now := p.session.Now()
	var bad []reason
	lost := false
	switch {
	case err == nil:
		p.answered(u)
		bad = u.take(b, data)
	case judge(err) == broken:
		lost = true
	case judge(err) == gone:
		p.broken = 0
		lost = true
		for _, b := range u.blocks {
			if !u.offline() { // A report of bad values would say that the device is there.
				bad = append(bad, reasons(b, err.Error())...)
			}
		}
	default:
		p.answered(u)
		bad = u.refuse(b, err, now)
	}
	if len(bad) > 0 {
		p.session.Problem(fmt.Errorf("unit %d: %s: %s", u.ID, bad[0].register.Field, bad[0].text))
	}
	if lost {
		u.waiting = nil
	}
	if err := p.send(ctx, u, bad, now); err != nil {
		return err
	}
	if lost {
		return p.failed(ctx, u, err)
	}
	return nil
}

// send sends the values of the poll if it is over, and reports what is wrong.
func (p *poller) send(ctx context.Context, u *unit, bad []reason, now time.Time) error {
	for _, report := range u.badReports(bad, now) {
		if err := p.session.Send(ctx, report); err != nil {
			return err
		}
	}
	if len(u.waiting) > 0 {
		return nil
	}
	if values := u.values(now); values != nil {
		return p.session.Send(ctx, values)
	}
	return nil
}

func (p *poller) answered(u *unit) {
	u.answered, u.failures, u.retryAt, p.broken = p.session.Now(), 0, time.Time{}, 0
	if !p.connected {
		p.connected = true
		p.session.Connected(p.connection.Address)
	}
}

// failed notes that a unit has not answered. It is asked less and less often, so that the others have their turns. When no unit answers,
// the connection is given up.
func (p *poller) failed(ctx context.Context, u *unit, cause error) error {
	cause = source.WithCause(fmt.Errorf("unit %d: %w", u.ID, cause), causeOf(cause))
	p.session.Problem(cause)
	now := p.session.Now()
	if report := u.offlineReport(cause, now); report != nil {
		if err := p.session.Send(ctx, report); err != nil {
			return err
		}
	}
	u.failures++
	if len(p.units) > 1 {
		pause := min(p.connection.Timeout<<min(u.failures-1, 10), longestRetry)
		u.retryAt = now.Add(pause)
	}
	if judge(cause) != broken {
		return nil
	}
	if p.broken++; p.broken > len(p.units) {
		return cause
	}
	if strings.HasPrefix(p.connection.Address, "rtuovertcp:") {
		// Nothing in an answer says to which request it belongs. So the late answer to this request must be over before the next one.
		if err := retry.Wait(ctx, p.connection.Timeout); err != nil {
			return err
		}
	}
	return p.reopen()
}

// reopen makes the connection anew.
func (p *poller) reopen() error {
	_ = p.client.Close()
	fresh, err := p.connection.open()
	if err != nil {
		p.client = nil
		return err
	}
	p.client, p.connected = fresh, false
	return nil
}
