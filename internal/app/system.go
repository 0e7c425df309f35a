package app

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/archive"
	"iotmon/internal/kafka"
	"iotmon/internal/observe"
)

const (
	// systemAge is how old an answer about the system may be.
	systemAge = time.Second
	// systemTimeout is how long Kafka and the database may take for their part of it.
	systemTimeout = 3 * time.Second
	// latencyPeriod is how far back the latency goes, latencySamples how many samples it has at most.
	latencyPeriod  = time.Minute
	latencySamples = 1000
)

// figures are what the parts of this process report for GET /api/v1/system. They are safe for concurrent use.
type figures struct {
	connected, behind atomic.Int64
	latency           recentAges

	mu sync.Mutex
	// lags holds how many records this process has still to process, by partition; guarded by mu.
	lags map[int32]int64
}

func newFigures() *figures { return &figures{lags: make(map[int32]int64)} }

// setLag notes the lag of a partition that this process processes.
func (f *figures) setLag(partition int32, records int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lags[partition] = records
}

// release notes that another process processes the partition.
func (f *figures) release(partition int32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.lags, partition)
}

// ownLags returns a copy of the lags.
func (f *figures) ownLags() map[int32]int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.lags)
}

// recentAges keeps the newest samples of the age of readings. It is safe for concurrent use.
type recentAges struct {
	mu      sync.Mutex
	samples [latencySamples]ageSample // guarded by mu, as the ring that next goes around
	next    int
}

type ageSample struct {
	at  time.Time
	age time.Duration
}

func (r *recentAges) add(now time.Time, age time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.samples[r.next] = ageSample{now, age}
	r.next = (r.next + 1) % len(r.samples)
}

// quantiles returns the quantiles of the last latencyPeriod, nil without samples.
func (r *recentAges) quantiles(now time.Time) *api.SystemLatency {
	r.mu.Lock()
	var ages []time.Duration
	for _, s := range r.samples {
		if !s.at.IsZero() && now.Sub(s.at) < latencyPeriod {
			ages = append(ages, s.age)
		}
	}
	r.mu.Unlock()
	if len(ages) == 0 {
		return nil
	}
	slices.Sort(ages)
	at := func(q float64) float64 { return float64(ages[int(q*float64(len(ages)-1)+0.5)].Microseconds()) / 1000 }
	return &api.SystemLatency{Samples: len(ages), P50: at(0.5), P95: at(0.95), P99: at(0.99)}
}

// clusterProgress is what the system is asked for of Kafka; a *kafka.Progress.
type clusterProgress interface {
	Partitions(ctx context.Context) ([]kafka.PartitionProgress, error)
	DeadLetters(ctx context.Context) (held, end int64, err error)
	Members(ctx context.Context) ([]kafka.Member, error)
}

// system implements api.System.
type system struct {
	name      string
	started   time.Time
	readiness *observe.Readiness
	figures   *figures
	// stopped holds the partitions that this process does not process until a restart; nil without a processor.
	stopped *findings
	cluster clusterProgress
	// store is nil if nothing is archived.
	store archive.ProgressReader
	// presence is the membership of this process; nil where all programs are one.
	presence *kafka.Presence
	// forwarding is nil where nothing is forwarded.
	forwarding *forwarding
	readings   string
	patience   time.Duration
	// viewers is the maximum number of viewers.
	viewers int
	now     func() time.Time

	mu sync.Mutex // held while the state is read
	// state was read at the time at.
	state api.SystemState
	at    time.Time
}

// makeSystem makes what answers GET /api/v1/system.
func (s *Service) makeSystem() (*system, error) {
	progress, err := kafka.NewProgress(s.dial, s.topics, s.cfg.Kafka.GroupID)
	if err != nil {
		return nil, err
	}
	s.onClose("progress", func() error { progress.Close(); return nil })
	made := &system{
		name: s.name, started: s.Started, readiness: s.readiness, figures: s.figures, stopped: s.stopped, cluster: progress,
		presence: s.presence, readings: s.topics.Readings, viewers: s.cfg.Push.MaxConnections, now: time.Now,
		forwarding: s.forwarding,
	}
	if s.cfg.Archive.Enabled {
		made.store = s.store
		if s.broker != nil {
			made.patience = archivePatience
		}
	}
	return made, nil
}

// State implements api.System. What Kafka or the database cannot say in time is missing.
func (s *system) State(ctx context.Context) api.SystemState {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at.IsZero() || s.now().Sub(s.at) >= systemAge {
		// Others may wait for the answer to a request that is cancelled.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), systemTimeout)
		defer cancel()
		s.state = s.read(ctx)
		s.at = s.now()
	}
	return s.state
}

func (s *system) read(ctx context.Context) api.SystemState {
	state := api.SystemState{Started: s.started, Service: s.name, Latency: s.figures.latency.quantiles(s.now())}
	state.Clients = api.SystemClients{Connected: int(s.figures.connected.Load()), Limit: s.viewers, Behind: int(s.figures.behind.Load())}
	state.Forward = s.forwarding.system()
	for _, p := range s.readiness.Parts() {
		state.Parts = append(state.Parts, api.SystemPart{Name: p.Name, Vital: p.Vital, Ready: p.Reason == "", Reason: p.Reason})
	}
	var archived map[int32]archive.Progress
	var archiveErr error
	var reading sync.WaitGroup
	if s.store != nil {
		reading.Go(func() { archived, archiveErr = s.store.Progress(ctx, s.readings) })
	}
	s.readCluster(ctx, &state)
	reading.Wait()
	if s.store != nil {
		state.Archive = s.archive(&state, archived, archiveErr)
	}
	return state
}

// readCluster adds what Kafka says.
func (s *system) readCluster(ctx context.Context, state *api.SystemState) {
	partitions, err := s.cluster.Partitions(ctx)
	if err != nil {
		state.LogProblem = "Kafka does not answer: " + err.Error()
		return
	}
	lags, stopped := s.figures.ownLags(), s.stopped.reasons()
	for _, p := range partitions {
		of := api.SystemPartition{Partition: p.Partition, Start: p.Start, End: p.End, Lag: max(p.End-max(p.Position, p.Start), 0), Stopped: stopped[p.Partition]}
		if p.Position >= 0 {
			of.Processed = &p.Position
		}
		// What this process has still to process is newer than what is committed.
		if lag, own := lags[p.Partition]; own {
			of.Lag = lag
		}
		state.Partitions = append(state.Partitions, of)
	}
	if held, end, err := s.cluster.DeadLetters(ctx); err == nil {
		state.DeadLetters = &api.SystemDeadLetters{Held: held, End: end}
	}
	members, _ := s.cluster.Members(ctx) // Where the user may not describe groups, there is nothing to show.
	var own string
	if s.presence != nil {
		own = s.presence.ID()
	}
	for _, m := range members {
		state.Members = append(state.Members, api.SystemMember{
			Role: string(m.Role), Client: m.Client, Host: m.Host, Partitions: append([]int32{}, m.Partitions...), Answers: own != "" && m.ID == own,
		})
	}
}

// archive returns how far the archive is behind, and adds it to the partitions.
func (s *system) archive(state *api.SystemState, archived map[int32]archive.Progress, err error) *api.SystemArchive {
	out := &api.SystemArchive{Patience: s.patience.Seconds()}
	switch {
	case err != nil:
		out.Problem = "the database does not answer: " + err.Error()
		return out
	case state.LogProblem != "":
		out.Problem = state.LogProblem
		return out
	}
	out.Lag, out.Delay = new(int64), new(float64)
	for i := range state.Partitions {
		p := &state.Partitions[i]
		progress, known := archived[p.Partition]
		p.ArchiveLag = max(p.End-max(progress.Next, p.Start), 0)
		if known {
			p.Archived = &progress.Next
		}
		*out.Lag += p.ArchiveLag
		if p.ArchiveLag > 0 && !progress.Appended.IsZero() {
			*out.Delay = max(*out.Delay, (s.now().Sub(progress.Appended) - s.patience).Seconds())
		}
	}
	return out
}
