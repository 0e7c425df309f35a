package notify

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"iotmon/internal/iot"
)

// Kind is why a message is sent.
type Kind string

// The kinds of messages.
const (
	Raised    Kind = "raised"
	Changed   Kind = "changed"
	Repeated  Kind = "repeated"
	Escalated Kind = "escalated"
	Over      Kind = "over"
	// Digest sums up what would have been many messages after an outage.
	Digest Kind = "digest"
	Test   Kind = "test"
	// FromMemory is of critical alerts while the database is away.
	FromMemory Kind = "from_memory"
)

// The limits of a message.
const (
	// maxListed is how many alerts a message lists of one group, maxDigestListed that of each group in a digest, and maxDigestGroups the
	// number of groups in a digest. Further ones are counted.
	maxListed, maxDigestListed, maxDigestGroups = 20, 2, 200
)

// Key is what the alerts of a group have in common. A part by which a route does not group is empty.
type Key struct {
	Tenant     iot.Tenant     `json:"tenant,omitempty"`
	Severity   iot.Severity   `json:"severity"`
	Rule       string         `json:"alert_type,omitempty"`
	Area       iot.Area       `json:"area,omitempty"`
	DeviceType iot.DeviceType `json:"device_type,omitempty"`
	Device     iot.DeviceID   `json:"device_id,omitempty"`
}

// View is what a message says of one group.
type View struct {
	// Group is the id of the group, the same in all messages about it.
	Group string `json:"group"`
	Route string `json:"route"`
	Key
	// Since is when the first alert of the group came.
	Since time.Time `json:"since"`
	// Open is how many alerts stand, New how many alerts no message before has had, whether they still stand or are over, Acknowledged how many somebody has acknowledged or
	// suppressed. Over is how many have cleared since the message before, Passed how many came and went without one.
	Open         int `json:"open"`
	New          int `json:"new"`
	Acknowledged int `json:"acknowledged"`
	Over         int `json:"over"`
	Passed       int `json:"passed"`
	// Alerts are the first of them: those that stand, new ones first, then those that are over.
	Alerts []Alert `json:"alerts"`
}

// Message is what a channel sends, the same at every try.
type Message struct {
	// ID is the same at every try: a receiver recognizes by it what it has already.
	ID   string    `json:"id"`
	Kind Kind      `json:"kind"`
	Time time.Time `json:"time"`
	// Step is how many steps of escalation have been taken.
	Step int `json:"step,omitempty"`
	// Groups is one group, or in a digest several, the most urgent first. Omitted is how many more there are.
	Groups  []View `json:"groups"`
	Omitted int    `json:"omitted,omitempty"`
	// From is when what a digest sums up began.
	From *time.Time `json:"from,omitempty"`
	// Merged are how many messages a digest replaces.
	Merged int `json:"merged,omitempty"`
}

// Severity returns that of the most urgent group; of a test it is info.
func (m *Message) Severity() iot.Severity {
	most := iot.Info
	for i := range m.Groups {
		if s := m.Groups[i].Severity; s.Rank() > most.Rank() {
			most = s
		}
	}
	return most
}

// Target is where a message goes: to a channel or, if that has recipients, to one of them. Each has its own outcome.
type Target struct {
	Channel   string `json:"channel"`
	Recipient string `json:"recipient,omitempty"`
}

// Compare orders targets.
func (t Target) Compare(u Target) int {
	return cmp.Or(cmp.Compare(t.Channel, u.Channel), cmp.Compare(t.Recipient, u.Recipient))
}

// State is what has become of a delivery.
type State string

// The states of a delivery. Only one that is pending is tried.
const (
	Pending State = "pending"
	Sent    State = "sent"
	// Failed means that it was tried for too long.
	Failed State = "failed"
	// RefusedState means that the receiver has refused the message for good or, if it was not tried, others before it.
	RefusedState State = "refused"
	// Merged means that a digest, or a later message about the same alerts, has been sent instead.
	Merged State = "merged"
)

// Delivery is one message to one target.
type Delivery struct {
	Target
	Message
	State State
	// Created is when it was decided, Due when it is tried next, and Done when it was sent or given up; zero before.
	Created, Due, Done time.Time
	Attempts           int
	// Outcome says in plain words what the last try has brought; empty before the first.
	Outcome string
	// Asked is when somebody has asked for it to be sent again; zero if nobody has.
	Asked time.Time
}

// groups returns the ids of the groups of a message.
func (m *Message) groups() []string {
	ids := make([]string, len(m.Groups))
	for i := range m.Groups {
		ids[i] = m.Groups[i].Group
	}
	return ids
}

// contentID returns an id that derives from its parts, so that the same decision made again has the same id.
func contentID(parts ...any) string {
	var text strings.Builder
	for _, part := range parts {
		fmt.Fprintf(&text, "%v\x00", part)
	}
	hash := sha256.Sum256([]byte(text.String()))
	return "msg_" + hex.EncodeToString(hash[:12])
}

// NewTest returns a message that somebody has asked for to try a channel. The nonce distinguishes it from others.
func NewTest(nonce string, now time.Time) Message {
	return Message{ID: contentID("test", nonce), Kind: Test, Time: now, Groups: []View{}}
}

// sortViews puts the most urgent groups first, those that stand before those that are over.
func sortViews(views []View) {
	slices.SortStableFunc(views, func(a, b View) int {
		return cmp.Or(cmp.Compare(b.Severity.Rank(), a.Severity.Rank()), cmp.Compare(min(b.Open, 1), min(a.Open, 1)),
			cmp.Compare(b.Open+b.Passed, a.Open+a.Passed), cmp.Compare(a.Group, b.Group))
	})
}
