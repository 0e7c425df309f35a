package sparkplug_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"iotmon/internal/mqtt/packet"
	"iotmon/internal/source/sparkplug"
)

const ownState = "spBv1.0/STATE/iotmon"

// trace runs a primary host from its connection to its end, and returns what has passed, and when the host was started and stopped.
func trace(t *testing.T, version int) (packets []passed, started, stopped time.Time) {
	t.Helper()
	broker := newBroker(t)
	tr := newTracer(t, broker.Address())
	observer := newClient(t, broker.Address(), "observer", nil, ownState)
	started = time.Now()
	h := startHost(t, tr.address, func(o *sparkplug.Options) { o.Broker.Version = version })
	if birth, _ := observer.nextState(); !birth.Online {
		t.Fatalf("got %+v, want online", birth)
	}
	stopped = time.Now()
	h.stop()
	<-tr.ended
	return tr.all(), started, stopped
}

// TestTckHostTopicPhid is about the session of a host application, from CONNECT to DISCONNECT, as its packets show it with either version of
// MQTT. Each check names the assertions that it shows.
func TestTckHostTopicPhid(t *testing.T) {
	for _, version := range []int{3, 5} {
		t.Run(fmt.Sprintf("MQTT %d", version), func(t *testing.T) {
			t.Parallel()
			packets, started, stopped := trace(t, version)
			check := func(ok bool, got any, assertions ...string) {
				t.Helper()
				if !ok {
					t.Errorf("got %+v: not %q", got, assertions)
				}
			}
			connect := packets[0].connect(t)
			checkConnect(t, check, connect, started)
			var subscribed, accepted, left bool
			var states []published
			for _, p := range packets[1:] {
				switch {
				case p.kind == packet.Subscribe && p.fromHost:
					check(!subscribed && len(states) == 0 && bytes.Contains(p.body, []byte(ownState)) && bytes.Contains(p.body, []byte("spBv1.0/Plant/#")), p,
						"tck-id-host-topic-phid-birth-sub-required", "tck-id-message-flow-phid-sparkplug-subscription", "tck-id-payloads-state-subscribe")
					subscribed = true
				case p.kind == packet.Suback:
					accepted = true
				case p.kind == packet.Publish && p.fromHost:
					check(accepted, p, "tck-id-host-topic-phid-birth-required", "tck-id-message-flow-phid-sparkplug-state-publish", "tck-id-payloads-state-birth")
					states = append(states, p.publish(t, connect.version))
				case p.kind == packet.Disconnect:
					left = true
					check(len(states) == 2, states, "tck-id-operational-behavior-host-application-disconnect-intentional")
				}
			}
			check(len(states) == 2 && left, packets, "tck-id-operational-behavior-host-application-connect-birth", "tck-id-conformance-primary-host",
				"tck-id-operational-behavior-host-application-termination", "tck-id-intro-sparkplug-host-state", "tck-id-components-ph-state")
			if len(states) == 2 {
				checkBirth(t, check, states[0], connect)
				checkDeath(t, check, states[1], stopped)
			}
		})
	}
}

type checker func(ok bool, got any, assertions ...string)

func checkConnect(t *testing.T, check checker, c connected, started time.Time) {
	t.Helper()
	clean := c.flags&packet.ConnectClean != 0
	if c.version == 5 {
		expiry := slices.Concat([]byte{packet.PropSessionExpiry}, binary.BigEndian.AppendUint32(nil, 0))
		check(clean && bytes.HasPrefix(c.properties, expiry), c, "tck-id-message-flow-phid-sparkplug-clean-session-50")
	} else {
		check(clean, c, "tck-id-message-flow-phid-sparkplug-clean-session-311")
	}
	check(c.flags&packet.ConnectWill != 0, c, "tck-id-host-topic-phid-death-required", "tck-id-operational-behavior-host-application-connect-will")
	check(c.will.topic == ownState, c, "tck-id-operational-behavior-host-application-connect-will-topic", "tck-id-payloads-state-will-message")
	check(c.will.qos == 1, c, "tck-id-operational-behavior-host-application-connect-will-qos", "tck-id-payloads-state-will-message-qos")
	check(c.will.retained, c, "tck-id-operational-behavior-host-application-connect-will-retained", "tck-id-payloads-state-will-message-retain")
	will := c.will.certificate(t)
	check(!will.Online, will, "tck-id-operational-behavior-host-application-connect-will-payload", "tck-id-payloads-state-will-message-payload")
	check(will.Timestamp >= started.UnixMilli() && will.Timestamp <= c.will.at.UnixMilli(), will, "tck-id-host-topic-phid-death-payload-timestamp-connect")
}

func checkBirth(t *testing.T, check checker, p published, c connected) {
	t.Helper()
	birth := p.certificate(t)
	check(birth.Online, birth, "tck-id-host-topic-phid-birth-message", "tck-id-principles-birth-certificates-order", "tck-id-host-topic-phid-birth-payload",
		"tck-id-operational-behavior-host-application-connect-birth-payload", "tck-id-message-flow-phid-sparkplug-state-publish-payload", "tck-id-payloads-state-birth-payload")
	check(p.topic == ownState, p, "tck-id-host-topic-phid-birth-topic", "tck-id-operational-behavior-host-application-connect-birth-topic",
		"tck-id-topic-structure-namespace-a")
	check(p.qos == 1, p, "tck-id-host-topic-phid-birth-qos", "tck-id-operational-behavior-host-application-connect-birth-qos")
	check(p.retained, p, "tck-id-host-topic-phid-birth-retain", "tck-id-operational-behavior-host-application-connect-birth-retained")
	check(birth.Timestamp == c.will.certificate(t).Timestamp, birth, "tck-id-host-topic-phid-birth-payload-timestamp",
		"tck-id-message-flow-phid-sparkplug-state-publish-payload-timestamp")
}

func checkDeath(t *testing.T, check checker, p published, stopped time.Time) {
	t.Helper()
	death := p.certificate(t)
	check(!death.Online, death, "tck-id-host-topic-phid-death-payload", "tck-id-operational-behavior-host-application-death-payload")
	check(p.topic == ownState, p, "tck-id-host-topic-phid-death-topic", "tck-id-operational-behavior-host-application-death-topic")
	check(p.qos == 1, p, "tck-id-host-topic-phid-death-qos", "tck-id-operational-behavior-host-application-death-qos")
	check(p.retained, p, "tck-id-host-topic-phid-death-retain", "tck-id-operational-behavior-host-application-death-retained")
	check(death.Timestamp >= stopped.UnixMilli() && death.Timestamp <= p.at.UnixMilli(), death,
		"tck-id-host-topic-phid-death-payload-timestamp-disconnect-clean")
}

// TestTckOperationalBehaviorHostApplicationMultiServerTimestamp: each source is the host application of one broker, with a birth and a timestamp of its
// own (tck-id-operational-behavior-primary-application-state-with-multiple-servers-state-subs): what one broker has kept of the future does not
// change what the other one gets.
func TestTckOperationalBehaviorHostApplicationMultiServerTimestamp(t *testing.T) {
	t.Parallel()
	future := time.Now().Add(time.Hour).UnixMilli()
	for i, newer := range []bool{true, false} {
		broker := newBroker(t)
		observer := newClient(t, broker.Address(), "observer", nil, ownState)
		if newer {
			observer.publish(ownState, fmt.Appendf(nil, `{"online":false,"timestamp":%d}`, future), 1, true)
			observer.nextState()
		}
		startHost(t, broker.Address(), nil)
		if birth, _ := observer.nextState(); !birth.Online || newer != (birth.Timestamp > future) {
			t.Errorf("broker %d: got %+v, the state of the first is of %d", i+1, birth, future)
		}
	}
}
