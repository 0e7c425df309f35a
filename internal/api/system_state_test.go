package api_test

import (
	"context"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"iotmon/internal/api"
)

// systemState is a System that does not change.
type systemState api.SystemState

func (s systemState) State(context.Context) api.SystemState { return api.SystemState(s) }

// fullSystem returns a System in which every optional field of the answer is there.
func fullSystem() systemState {
	lag, delay, processed, archived := int64(12), 0.5, int64(90), int64(88)
	return systemState{
		Started: noon.Add(-time.Hour), Service: "web",
		Parts:       []api.SystemPart{{Name: "kafka", Vital: true, Ready: true}, {Name: "redis", Reason: "no answer"}},
		Members:     []api.SystemMember{{Role: "processor", Client: "consumer-1.2.3", Host: "10.0.0.7", Partitions: []int32{0}}},
		Partitions:  []api.SystemPartition{{Partition: 0, Start: 5, End: 100, Processed: &processed, Lag: 10, Archived: &archived, ArchiveLag: 12, Stopped: "failed"}, {Partition: 1}},
		Archive:     &api.SystemArchive{Lag: &lag, Delay: &delay, Patience: 600},
		Latency:     &api.SystemLatency{Samples: 3, P50: 1.5, P95: 2, P99: 2.5},
		Clients:     api.SystemClients{Connected: 2, Limit: 10000, Behind: 1},
		DeadLetters: &api.SystemDeadLetters{Held: 3, End: 7},
	}
}

func TestSystemSaysHowTheProgramsAreDoing(t *testing.T) {
	h := newAPI(t, plant{}, &archive{}, func(o *api.Options) { o.System = fullSystem() })
	want := `{"timestamp":"2026-03-01T12:00:00Z","program":{"service":"web","version":"1.2.3","go":"` + runtime.Version() + `","started_at":"2026-03-01T11:00:00Z"},` +
		`"parts":[{"name":"kafka","vital":true,"ready":true},{"name":"redis","vital":false,"ready":false,"reason":"no answer"}],` +
		`"members":[{"role":"processor","client":"consumer-1.2.3","host":"10.0.0.7","partitions":[0]}],"readings_per_second":12.5,` +
		`"log":{"partitions":[{"partition":0,"start":5,"end":100,"processed":90,"lag":10,"archived":88,"archive_lag":12,"stopped":"failed"},` +
		`{"partition":1,"start":0,"end":0,"lag":0,"archive_lag":0}],"lag":10},"archive":{"lag":12,"delay_seconds":0.5,"patience_seconds":600},` +
		`"latency":{"samples":3,"p50_ms":1.5,"p95_ms":2,"p99_ms":2.5},"clients":{"connected":2,"limit":10000,"behind":1},"dead_letters":{"held":3,"end":7}}`
	if got := strings.TrimSpace(request(h, http.MethodGet, "/api/v1/system").Body.String()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Without Kafka and the database there are no figures, rather than zeros that look like a system without work.
func TestSystemHasNoFiguresWithoutKafka(t *testing.T) {
	h := newAPI(t, plant{}, &archive{}, func(o *api.Options) {
		o.System = systemState{LogProblem: "Kafka does not answer", Archive: &api.SystemArchive{Problem: "the database does not answer"}}
	})
	got := request(h, http.MethodGet, "/api/v1/system").Body.String()
	for _, want := range []string{
		`"log":{"partitions":[],"problem":"Kafka does not answer"}`, `"archive":{"patience_seconds":0,"problem":"the database does not answer"}`,
		`"parts":[],"members":[]`, `"clients":{"connected":0,"limit":0,"behind":0}}`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s, want in it %s", got, want)
		}
	}
}
