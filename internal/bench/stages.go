package bench

import (
	"fmt"
	"io"
	"strings"

	"github.com/google/pprof/profile"
)

// stages are the parts of the program's work, each with the prefixes of its functions' names. A CPU sample belongs to the
// stage of the innermost function that has one: the runtime's work counts for its caller.
var stages = []struct {
	name     string
	prefixes []string
}{
	{"load", []string{"iotmon/internal/bench."}},
	{"garbage collection", []string{"runtime.gcBgMarkWorker", "runtime.bgsweep", "runtime.bgscavenge"}},
	{"broker", []string{"github.com/twmb/franz-go/pkg/kfake.", "iotmon/internal/kafka/embedded."}},
	{"Kafka client", []string{"github.com/twmb/franz-go/pkg/", "github.com/pierrec/lz4", "github.com/klauspost/compress"}},
	{"codec", []string{"iotmon/internal/wire."}},
	{"windows", []string{"iotmon/internal/aggregate."}},
	{"alerts and devices", []string{"iotmon/internal/alert.", "iotmon/internal/fleet."}},
	{"processor", []string{"iotmon/internal/process.", "iotmon/internal/kafka.", "iotmon/internal/kafka/processor.", "iotmon/internal/kafka/feed."}},
	{"archive", []string{"iotmon/internal/archive.", "iotmon/internal/store/", "modernc.org/", "database/sql."}},
	{"live view", []string{"iotmon/internal/view.", "iotmon/internal/push.", "github.com/gorilla/websocket."}},
}

// otherStage is everything else, mostly scheduling.
const otherStage = "scheduling and others"

// StageOrder returns the stages in the order of the report.
func StageOrder() []string {
	var names []string
	for _, stage := range stages {
		names = append(names, stage.name)
	}
	return append(names, otherStage)
}

// Stages returns the CPU seconds of each stage, from a profile.
func Stages(in io.Reader) (map[string]float64, error) {
	p, err := profile.Parse(in)
	if err != nil {
		return nil, fmt.Errorf("read the profile: %w", err)
	}
	value := len(p.SampleType) - 1 // Nanoseconds; the other is the number of samples.
	seconds := make(map[string]float64)
	for _, sample := range p.Sample {
		seconds[stageOf(sample)] += float64(sample.Value[value]) / 1e9
	}
	return seconds, nil
}

func stageOf(sample *profile.Sample) string {
	for _, location := range sample.Location {
		for _, line := range location.Line {
			if line.Function == nil {
				continue
			}
			for _, stage := range stages {
				for _, prefix := range stage.prefixes {
					if strings.HasPrefix(line.Function.Name, prefix) {
						return stage.name
					}
				}
			}
		}
	}
	return otherStage
}
