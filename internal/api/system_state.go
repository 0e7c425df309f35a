package api

import (
	"context"
	"net/http"
	"runtime"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/iot"
)

// System reports how the programs are doing.
type System interface {
	// State returns the present state. It asks Kafka and the database, at most once in a second for all callers, and waits for each
	// for a few seconds at most. It may be called concurrently. The result must not be changed.
	State(ctx context.Context) SystemState
}

// SystemState is how the programs are doing at one moment.
type SystemState struct {
	// Started is when this process began.
	Started time.Time
	// Service is the name of this program, such as web.
	Service string
	Parts   []SystemPart
	Members []SystemMember
	// Partitions are those of the readings' topic, in their order; nil with LogProblem if Kafka does not answer.
	Partitions []SystemPartition
	LogProblem string
	// Archive is nil if nothing is archived, Latency if no reading has been written to a viewer in the last minute, DeadLetters if
	// Kafka does not answer.
	Archive     *SystemArchive
	Latency     *SystemLatency
	Clients     SystemClients
	DeadLetters *SystemDeadLetters
	// Forward is nil where nothing is forwarded to a centre.
	Forward *SystemForward
}

// SystemPart is a part of this process.
type SystemPart struct {
	Name string `json:"name" example:"kafka"`
	// Vital is whether the service is of no use without the part.
	Vital  bool   `json:"vital" doc:"Whether the service is of no use without the part."`
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty" doc:"Why it is not ready."`
}

// SystemMember is a member of a consumer group, in this process or another one.
type SystemMember struct {
	Role       string  `json:"role" doc:"What its group does; program is that of the programs that process no partitions." enum:"processor,archiver,cache,program"`
	Client     string  `json:"client" doc:"The service and its version, as Kafka knows the client." example:"consumer-1.2.3"`
	Host       string  `json:"host,omitempty" doc:"Where it connects from, as Kafka says." example:"10.0.0.7"`
	Partitions []int32 `json:"partitions" doc:"The partitions of the readings' topic that it reads." nullable:"false"`
	Answers    bool    `json:"answers,omitempty" doc:"It is the process that answers."`
}

// SystemPartition is one partition of the readings' topic.
type SystemPartition struct {
	Partition int32 `json:"partition"`
	Start     int64 `json:"start" doc:"The offset of the oldest record that Kafka holds."`
	End       int64 `json:"end" doc:"The offset behind the newest record."`
	// Processed is the position; nil if none is committed.
	Processed *int64 `json:"processed,omitempty" doc:"The offset behind the last record whose results are committed; absent if there are none."`
	Lag       int64  `json:"lag" doc:"How many records are still to be processed. Processors of other processes commit once a second while readings come, and once a minute otherwise: a few records, up to a minute's, may be done although they count here."`
	// Archived is nil if nothing of the partition is archived.
	Archived   *int64 `json:"archived,omitempty" doc:"The offset behind the last archived record; absent if there is none."`
	ArchiveLag int64  `json:"archive_lag" doc:"How many records are still to be archived."`
	Stopped    string `json:"stopped,omitempty" doc:"Why the partition is not processed, where that is known to this process."`
}

// SystemArchive is how far the archive is behind. Lag and Delay are nil, and Problem says why, if Kafka or the database does not
// answer.
type SystemArchive struct {
	Lag      *int64   `json:"lag,omitempty" doc:"How many records are still to be archived."`
	Delay    *float64 `json:"delay_seconds,omitempty" doc:"For how long records have waited to be archived beyond the time that they may wait; 0 if all are archived."`
	Patience float64  `json:"patience_seconds" doc:"How long records may wait to be written together. Queries of the archive have them written at once."`
	Problem  string   `json:"problem,omitempty" doc:"Why there are no figures: Kafka or the database does not answer."`
}

// SystemLatency is how old readings were when they were written to viewers, of the last minute.
type SystemLatency struct {
	Samples int     `json:"samples" doc:"How many readings were looked at."`
	P50     float64 `json:"p50_ms" doc:"Half of the readings were younger than this, in milliseconds."`
	P95     float64 `json:"p95_ms"`
	P99     float64 `json:"p99_ms"`
}

// SystemClients are the viewers of this process.
type SystemClients struct {
	Connected int `json:"connected" doc:"Open WebSocket connections."`
	Limit     int `json:"limit" doc:"How many are accepted at most; 0 for any number."`
	Behind    int `json:"behind" doc:"How many are still being sent the messages of an earlier round."`
}

// SystemDeadLetters is how many records were rejected.
type SystemDeadLetters struct {
	Held int64 `json:"held" doc:"How many records the topic holds at most: markers of transactions count as well."`
	End  int64 `json:"end" doc:"Grows when a record is rejected."`
}

// SystemForward is how the forwarding of readings to a centre is doing. What is counted is counted since the start of the program.
type SystemForward struct {
	To         string              `json:"to" doc:"The address of the central iotmon, or of the brokers of the central Kafka." example:"https://central.example"`
	Connected  bool                `json:"connected" doc:"Whether the centre has acknowledged the last call; false before the first one."`
	Since      *time.Time          `json:"since,omitempty" doc:"Since when that is so; absent before the first call."`
	Problem    string              `json:"problem,omitempty" doc:"Why the last call was not acknowledged, or what is wrong although it was."`
	Lag        int64               `json:"lag" doc:"How many records of the log are still to be forwarded, up to seconds ago."`
	Waiting    float64             `json:"lag_seconds" doc:"How long the oldest record that is being sent has been in the log; 0 if there is none."`
	Forwarded  int64               `json:"forwarded" doc:"Readings, and reports about devices, that the centre has accepted in the order of the log."`
	Repeated   int64               `json:"sent_ahead" doc:"Readings that were sent ahead of a backlog. They are sent again in their order."`
	Early      int                 `json:"early" doc:"Entries of the last call that wait because the clock of this machine is ahead of the centre's."`
	Rejected   int64               `json:"rejected" doc:"Readings that the centre has rejected; they are among the dead letters of this system."`
	LastReason string              `json:"last_reason,omitempty" doc:"The centre's reason for the last one."`
	Skipped    int64               `json:"skipped" doc:"Records that are no valid readings and were not sent."`
	Errors     int64               `json:"errors" doc:"Calls that have failed and were repeated."`
	ClockAhead float64             `json:"clock_ahead_seconds" doc:"How far the clock of this machine is at least ahead of the centre's; negative if it is behind, 0 if that is not known."`
	Lost       []SystemForwardLoss `json:"lost" doc:"What the log has deleted before it was forwarded, since the log was created." nullable:"false"`
}

// SystemForwardLoss is what was lost of one partition.
type SystemForwardLoss struct {
	Partition int32 `json:"partition"`
	Records   int64 `json:"records" doc:"How many records. A few may be of kinds that are never forwarded."`
	First     int64 `json:"first_offset" doc:"The offset of the first of them."`
	Last      int64 `json:"last_offset" doc:"The offset of the last of them."`
}

func (s *server) registerState(api huma.API) {
	if s.o.System == nil {
		return
	}
	huma.Register(api, huma.Operation{
		OperationID: "get-system",
		Method:      http.MethodGet,
		Path:        Prefix + "/system",
		Tags:        []string{"System"},
		Summary:     "Get the state of the system",
		Description: "How the programs are doing: what is ready, how far processing and archive are behind in each partition, how old readings " +
			"are when they reach viewers, which programs take part, and in which version. Figures are at most a second old.",
	}, s.getSystem)
}

// program is the process that answers.
type program struct {
	Service string    `json:"service" example:"iotmon"`
	Version string    `json:"version" example:"1.2.3"`
	Go      string    `json:"go" doc:"The version of Go it was built with."`
	Started time.Time `json:"started_at"`
}

// logState is the readings' topic.
type logState struct {
	Partitions []SystemPartition `json:"partitions" nullable:"false"`
	Lag        *int64            `json:"lag,omitempty" doc:"How many records are still to be processed, of all partitions."`
	Problem    string            `json:"problem,omitempty" doc:"Why there are no figures: Kafka does not answer."`
}

// system is the answer for a SystemState.
type system struct {
	Timestamp         time.Time          `json:"timestamp" doc:"The server's clock."`
	Program           program            `json:"program" doc:"The process that answers."`
	Parts             []SystemPart       `json:"parts" doc:"The parts of that process." nullable:"false"`
	Members           []SystemMember     `json:"members" doc:"The members of the consumer groups, in whatever process." nullable:"false"`
	ReadingsPerSecond float64            `json:"readings_per_second"`
	Log               logState           `json:"log"`
	Archive           *SystemArchive     `json:"archive,omitempty" doc:"Absent where nothing is archived."`
	Latency           *SystemLatency     `json:"latency,omitempty" doc:"How old readings are when they are written to viewers of that process; absent while it has none."`
	Clients           SystemClients      `json:"clients"`
	DeadLetters       *SystemDeadLetters `json:"dead_letters,omitempty" doc:"Absent while Kafka does not answer."`
	Forward           *SystemForward     `json:"forward,omitempty" doc:"Absent where nothing is forwarded to a centre."`
}

func (s *server) getSystem(ctx context.Context, _ *struct{}) (*answer[system], error) {
	state := s.o.System.State(ctx)
	out := system{
		Timestamp:         iot.CutTime(s.o.Now()),
		Program:           program{state.Service, s.o.Version, runtime.Version(), iot.CutTime(state.Started)},
		Parts:             notNil(state.Parts),
		Members:           notNil(state.Members),
		ReadingsPerSecond: s.o.Fleet.Counts().ReadingsPerSecond,
		Log:               logState{Partitions: notNil(state.Partitions), Problem: state.LogProblem},
		Archive:           state.Archive,
		Latency:           state.Latency,
		Clients:           state.Clients,
		DeadLetters:       state.DeadLetters,
		Forward:           state.Forward,
	}
	if state.LogProblem == "" {
		out.Log.Lag = new(int64)
		for _, p := range state.Partitions {
			*out.Log.Lag += p.Lag
		}
	}
	return &answer[system]{out}, nil
}

// notNil returns an empty slice for nil, which is null in JSON.
func notNil[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}
