package app

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"time"

	"iotmon/internal/api"
	"iotmon/internal/kafka/sources"
	"iotmon/internal/mapping"
	"iotmon/internal/observe"
	"iotmon/internal/source"
)

// seenBytes is about how much memory this process uses to remember what its sources have received, minSeenBytes the least of one source.
const seenBytes, minSeenBytes = 64 << 20, 32 << 10

// ownSources are the sources that this process runs, or would run if it owned them. It implements api.Sources.
type ownSources struct {
	// instance names this process.
	instance string
	// statuses are by name, maps have the rules by which each maps.
	statuses []*source.Status
	maps     *sourceMaps
	now      func() time.Time
}

var _ api.Sources = (*ownSources)(nil)

// showSources makes the sources' states known to the page, to metrics and, if they are in another process, to web.
func (s *Service) showSources(context.Context) error {
	own := &ownSources{instance: instanceID(), maps: s.maps, now: time.Now}
	for _, status := range s.sources {
		status.LimitSeen(max(seenBytes/len(s.sources), minSeenBytes))
		own.statuses = append(own.statuses, status)
	}
	slices.SortFunc(own.statuses, func(a, b *source.Status) int { return cmp.Compare(a.Name(), b.Name()) })
	s.shownSources = own
	s.metrics.WatchSources(own.metrics)
	if s.broker != nil || len(s.sources) == 0 {
		return nil
	}
	publisher := sources.NewPublisher(sources.PublisherOptions{
		Dial: s.dial, Topics: s.topics, States: own.owned, Detail: own.Detail, Logger: observe.Sparing(s.Logger, repeatedLogs),
	})
	s.add("source states", after(publisher.Run, s.kafka))
	return nil
}

// followSources shows the states that producers publish.
func (s *Service) followSources(context.Context) error {
	follower := sources.NewFollower(sources.FollowerOptions{Dial: s.dial, Topics: s.topics, Now: time.Now, Logger: observe.Sparing(s.Logger, repeatedLogs)})
	s.shownSources = follower
	s.add("source states", after(follower.Run, s.kafka))
	return nil
}

// instanceID names this process among all: its host and its process id.
func instanceID() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return host + "/" + strconv.Itoa(os.Getpid())
}

// States implements api.Sources.
func (o *ownSources) States() ([]api.SourceState, error) {
	now := o.now().UTC()
	states := make([]api.SourceState, len(o.statuses))
	for i, status := range o.statuses {
		states[i] = o.state(status, now)
	}
	return states, nil
}

// owned returns the states of the sources that this process runs now.
func (o *ownSources) owned() []api.SourceState {
	states, _ := o.States() // There is no error.
	return slices.DeleteFunc(states, func(s api.SourceState) bool { return s.State == string(source.Waiting) })
}

func (o *ownSources) state(status *source.Status, now time.Time) api.SourceState {
	s := status.Snapshot()
	decided := o.maps.byName[s.Name].decided
	if decided == s.Name {
		decided = ""
	}
	return api.SourceState{
		Name: s.Name, Kind: s.Kind, State: string(s.State), Since: s.Since.UTC(), Address: s.Address, Instance: o.instance,
		Error: s.Error, ErrorCause: string(s.Cause), ErrorAt: optionalTime(s.ErrorAt), LogError: s.LogError,
		Connections: s.Connections, Messages: s.Messages, Readings: s.Readings, Rejected: s.Rejected, RejectedBy: s.RejectedBy, Untimed: s.Untimed, Unmapped: s.Unmapped, Skipped: s.Skipped, Missed: s.Missed, Lag: s.Lag,
		Map: decided, MapVersion: s.MapVersion, MapError: s.MapError, FollowsMaps: true, Clients: s.Clients,
		LastMessage: optionalTime(s.LastMessage), LastValue: optionalTime(s.LastValue), Counted: now,
	}
}

func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// Detail implements api.Sources.
func (o *ownSources) Detail(name string) (api.SourceDetail, bool) {
	at, known := slices.BinarySearchFunc(o.statuses, name, func(s *source.Status, name string) int { return cmp.Compare(s.Name(), name) })
	if !known {
		return api.SourceDetail{}, false
	}
	status := o.statuses[at]
	detail := api.SourceDetail{Rules: api.ShownRules(o.maps.byName[name].inForce())}
	rejects := status.Snapshot().Rejects
	for i := len(rejects) - 1; i >= 0; i-- {
		r := &rejects[i]
		detail.Rejects = append(detail.Rejects, api.SourceReject{
			At: r.Received.UTC(), Topic: r.Topic, Field: r.Field, Reason: r.Reason, CodedReason: api.CodedReason(r.Why), Sample: api.NewSample(r.Payload, r.Length),
		})
	}
	seen, more := status.Seen()
	detail.More = more
	for i := range seen {
		detail.Seen = append(detail.Seen, shownTopic(&seen[i]))
	}
	return detail, true
}

func shownTopic(seen *source.Seen) api.SourceSeen {
	shown := api.SourceSeen{
		Topic: seen.Topic, Count: seen.Count, At: seen.At.UTC(), ValueCount: seen.Values, Problem: seen.Problem, Report: seen.Report,
		Values: make([]api.SourceValue, len(seen.Points)),
	}
	if why := api.CodedReason(seen.Why); why.Code != "" {
		shown.ProblemWhy = &why
	}
	if seen.Payload != nil {
		sample := api.NewSample(seen.Payload, seen.Length)
		shown.Sample = &sample
	}
	for i := range seen.Points {
		shown.Values[i] = shownValue(&seen.Points[i])
	}
	return shown
}

func shownValue(p *mapping.Point) api.SourceValue {
	value := api.SourceValue{
		Measurement: p.Measurement, Field: p.Field, Tags: p.Tags, Text: p.ValueText, Unit: p.Unit, Quality: p.Quality, Historical: p.Historical,
		Time: optionalTime(p.Time), TimeText: p.TimeText, Group: p.Group, Note: p.Note,
	}
	if r := p.Reading; r != nil {
		value.Time, value.Text = optionalTime(r.Time), r.ValueText
		value.Reading = &api.SourceReading{
			Device: r.ID, Type: r.Type, Value: r.Value, Unit: r.Unit, Time: r.Time, Building: r.Location.Building, Floor: r.Location.Floor, Room: r.Location.Room,
		}
		return value
	}
	switch number := p.Value; {
	case p.ValueText != "":
	case math.IsNaN(number) || math.IsInf(number, 0): // JSON has no such numbers.
		value.Text = fmt.Sprint(number)
	default:
		value.Number = &number
	}
	return value
}

// metrics returns what is measured of each source.
func (o *ownSources) metrics() []observe.Source {
	now := o.now()
	measured := make([]observe.Source, len(o.statuses))
	for i, status := range o.statuses {
		s := status.Snapshot()
		m := observe.Source{
			Name: s.Name, Kind: s.Kind, State: string(s.State), Connections: s.Connections, Messages: s.Messages, Readings: s.Readings, Untimed: s.Untimed, Unmapped: s.Unmapped,
			Skipped: s.Skipped, Missed: s.Missed, RejectedBy: s.RejectedBy, Lag: s.Lag, Blocked: s.LogError != "", Silent: -1,
		}
		if !s.LastMessage.IsZero() {
			m.Silent = now.Sub(s.LastMessage)
		}
		measured[i] = m
	}
	return measured
}
