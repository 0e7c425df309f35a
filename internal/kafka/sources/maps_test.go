package sources

import (
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/control"
	"iotmon/internal/iot"
	"iotmon/internal/kafka/decisions"
	"iotmon/internal/kafka/kafkatest"
	"iotmon/internal/mapping"
)

// versionsSeen remembers the version of each source.
type versionsSeen struct {
	mu       sync.Mutex
	versions map[string]int64
	types    []iot.DeviceType
	refused  int
	caughtUp bool
}

func (r *versionsSeen) BeginMaps() {}
func (r *versionsSeen) MapsCaughtUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.caughtUp = true
}

func (r *versionsSeen) RefuseMap(string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused++
}

func (r *versionsSeen) SetType(spec *iot.TypeSpec) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.types = append(r.types, spec.Name)
}

func (r *versionsSeen) SetMap(e *mapping.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.versions[e.Source] = e.Version
}

func (r *versionsSeen) version(source string) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.caughtUp {
		return -1
	}
	return r.versions[source]
}

// What is decided reaches every program, those that start later as well, and what another program has written stops nothing. Maps need no
// processors, and no level of theirs.
func TestMapsReachEveryProgram(t *testing.T) {
	l := kafkatest.NewLog(t)
	log, err := decisions.NewLog(decisions.LogOptions{Dial: l.Dial, Topics: l.Topics, Group: "g"})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	start := func() *versionsSeen {
		r := &versionsSeen{versions: make(map[string]int64)}
		run(t, NewMapFollower(MapFollowerOptions{Dial: l.Dial, Topics: l.Topics, Maps: []Maps{r, control.NewInForce()}, Logger: kafkatest.Quiet()}).Run)
		return r
	}
	before := start()
	kafkatest.Eventually(t, "nothing to be known", func() bool { return before.version("a") == 0 })
	for version := range int64(3) {
		e := mapping.Entry{Source: "a", Version: version + 1, Rules: []mapping.Rule{{Field: "t", Device: "d", Type: iot.Temperature}}}
		if _, err := log.Append(t.Context(), []control.Object{control.MapObject(&e)}); err != nil {
			t.Fatal(err)
		}
	}
	spec := iot.TypeSpec{Name: "flow", Unit: "L", Max: 1}
	if _, err := log.Append(t.Context(), []control.Object{control.TypeObject(&spec)}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"type/", "type/other", "type/flow"} {
		if err := l.Client.ProduceSync(t.Context(), &kgo.Record{Topic: l.Topics.Maps, Key: []byte(key), Value: []byte(`{"types":[{"name":"x","max":1}]}`)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for _, value := range [][]byte{nil, []byte("x"), []byte(`{"source":"b","version":9}`)} {
		if err := l.Client.ProduceSync(t.Context(), &kgo.Record{Topic: l.Topics.Maps, Key: []byte("a"), Value: value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	kafkatest.Eventually(t, "the last map", func() bool { return before.version("a") == 3 })
	after := start()
	kafkatest.Eventually(t, "the last map in a program that starts later", func() bool { return after.version("a") == 3 && after.version("b") == 0 })
	after.mu.Lock()
	defer after.mu.Unlock()
	if len(after.types) != 1 || after.types[0] != "flow" || after.refused == 0 {
		t.Errorf("got the types %v, and %d records refused", after.types, after.refused)
	}
}
