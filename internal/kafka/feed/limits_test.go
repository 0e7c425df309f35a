package feed

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// The limits in force are read of the partitions that are asked for. What was removed, is of something else, or none of a processor's is
// left out: a processor restores what was there before.
func TestLimitsInForceAreReadOfPartitions(t *testing.T) {
	c := startCluster(t)
	client, err := kgo.NewClient(c.Dial.Options(kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	write := func(partition int32, key, value []byte) {
		t.Helper()
		r := &kgo.Record{Topic: c.Topics.InForce, Partition: partition, Key: key, Value: value}
		if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	limits := func(partition int32, since int64) {
		t.Helper()
		s := iot.SettingsInForce{Since: since, Settings: iot.Settings{
			Revision: since + 1, Window: time.Minute, Limits: &iot.Limits{Types: iot.BuiltinTypes()},
		}}
		write(partition, wire.AppendLimitsKey(nil, since), wire.AppendSettingsInForce(nil, &s))
	}
	read := LimitsInForce(c.Dial, c.Topics)
	if got, err := read(t.Context(), []int32{0, 1}); err != nil || len(got) != 0 {
		t.Errorf("got %v, %v of an empty topic, want nothing", got, err)
	}
	limits(0, 0)
	limits(0, 5)
	limits(0, 9)
	write(0, wire.AppendLimitsKey(nil, 0), nil)
	write(0, wire.AppendLimitsKey(nil, 9), []byte("foreign"))
	write(0, wire.AppendRuleKey(nil, "warm"), []byte("{}"))
	limits(1, 7)
	limits(2, 8)
	got, err := read(t.Context(), []int32{0, 2})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for id, all := range got {
		for _, s := range all {
			lines = append(lines, fmt.Sprintf("%d: since %d, revision %d, %d types", id, s.Since, s.Revision, len(s.Limits.Types)))
		}
	}
	slices.Sort(lines)
	if want := []string{"0: since 5, revision 6, 5 types", "0: since 9, revision 10, 5 types", "2: since 8, revision 9, 5 types"}; !slices.Equal(lines, want) {
		t.Errorf("got %q, want %q", lines, want)
	}
}

// failingFetches is a connection to a broker that goes away with the first fetch.
type failingFetches struct {
	net.Conn
	away *atomic.Bool
}

func (c failingFetches) Write(request []byte) (int, error) {
	const fetch = 1
	if len(request) > 6 && binary.BigEndian.Uint16(request[4:]) == fetch {
		c.away.Store(true)
	}
	if c.away.Load() {
		return 0, errors.New("the broker is away")
	}
	return c.Conn.Write(request)
}

// Sequence: the broker goes away while an archiver reads which limits are in force. It must not go on by none, or by earlier ones.
func TestLimitsInForceAreNotReadInPart(t *testing.T) {
	c := startCluster(t)
	s := iot.SettingsInForce{Settings: iot.Settings{Revision: 7, Window: time.Minute, Limits: &iot.Limits{Types: iot.BuiltinTypes()}}}
	c.Produce(c.Client(), &kgo.Record{Topic: c.Topics.InForce, Key: wire.AppendLimitsKey(nil, 0), Value: wire.AppendSettingsInForce(nil, &s)})
	var away atomic.Bool
	dial := c.Dial
	dial.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
		if away.Load() {
			return nil, errors.New("the broker is away")
		}
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return failingFetches{conn, &away}, err
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if got, err := readLimits(ctx, dial, c.Topics.InForce, []int32{0}, 300*time.Millisecond); err == nil || !away.Load() {
		t.Errorf("got %v and no error, want one", got)
	}
}
