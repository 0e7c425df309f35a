package trial

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"iotmon/internal/alert"
	"iotmon/internal/iot"
)

// Medians says how the medians were found that rules of the kind iot.Deviation compare values with.
type Medians struct {
	// Every is how often they were taken: minMedianStep, or more seldom if there are many devices for the span.
	Every time.Duration
	// Peers is of how many areas and types the rules watch devices, and Without how many of them never had a median, so that no reading was judged.
	Peers, Without int
}

const (
	// minMedianStep is how often medians are taken at most. Live that is a few seconds.
	minMedianStep = 10 * time.Second
	// maxMedianValues bounds the values that are in memory at a time: of each device one for each median.
	maxMedianValues = 8 << 20
)

// medians are the medians of a span, a number for each step of the time: those at its beginning. They do not change once they are computed, so that
// workers may share them.
type medians struct {
	from time.Time
	step time.Duration
	// values are the newest values of the peers at the steps, until they become series, which has math.NaN where there are too few.
	values map[iot.Peers][][]float64
	series map[iot.Peers][]float64
}

// Reference implements alert.References: the median at the beginning of the step in which the reading is.
func (m *medians) Reference(peers iot.Peers, r *iot.Reading) (median float64, ok bool) {
	series := m.series[peers]
	at := int(r.Time.Sub(m.from) / m.step)
	if at < 0 || at >= len(series) || math.IsNaN(series[at]) {
		return 0, false
	}
	return series[at], true
}

// findMedians finds the medians that the rules need for the selected devices, of all their peers among all devices. It returns false if a limit has stopped it.
func (r *run) findMedians(all, selected []iot.Device) (ok bool, err error) {
	wanted := make(map[iot.Peers]bool)
	for i := range selected {
		d := &selected[i]
		if slices.ContainsFunc(r.total.sides, func(s *side) bool { return s.deviates && s.selects(d) }) {
			wanted[alert.PeersOf(r.Entry(d.Identity()), d)] = true
		}
	}
	if len(wanted) == 0 {
		return true, nil
	}
	peers := slices.DeleteFunc(slices.Clone(all), func(d iot.Device) bool {
		entry := r.Entry(d.Identity())
		return entry != nil && entry.Retired || !wanted[alert.PeersOf(entry, &d)]
	})
	span := r.To.Sub(r.From)
	m := &medians{from: r.From, step: medianStep(span, len(peers)), values: make(map[iot.Peers][][]float64), series: make(map[iot.Peers][]float64)}
	for of := range wanted {
		m.values[of] = make([][]float64, int((span-1)/m.step)+1)
	}
	if ok, err = r.collect(m, slices.Collect(slices.Chunk(peers, chunk))); !ok || err != nil {
		return ok, err
	}
	r.result.Medians = &Medians{Every: m.step, Peers: len(wanted), Without: m.compute()}
	for _, engine := range r.engines {
		engine.JudgeBy(m)
	}
	return true, nil
}

// medianStep returns how often medians of so many devices are taken, in whole seconds.
func medianStep(span time.Duration, devices int) time.Duration {
	seconds := math.Ceil(span.Seconds() * float64(devices) / maxMedianValues)
	return max(minMedianStep, time.Duration(seconds)*time.Second)
}

// compute computes the series from the values, and returns how many have no median at all.
func (m *medians) compute() (without int) {
	for of, steps := range m.values {
		series, any := make([]float64, len(steps)), false
		for i, values := range steps {
			if series[i] = math.NaN(); len(values) >= iot.MinPeers {
				series[i], any = iot.Median(values), true
			}
		}
		m.series[of] = series
		if !any {
			without++
		}
	}
	m.values = nil
	return without
}

// collect reads the values of the devices in the chunks.
func (r *run) collect(m *medians, chunks [][]iot.Device) (ok bool, err error) {
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	var mu sync.Mutex
	var running sync.WaitGroup
	var next, readings atomic.Int64
	var stopped Limit
	for range min(workers, len(chunks)) {
		running.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(chunks) {
					return
				}
				s := &sampler{run: r, medians: m, devices: chunks[i], readings: &readings, at: -1}
				failed := r.archive.EachReading(ctx, s.devices, r.From, r.To, s.visit)
				s.endDevice(r.To)
				mu.Lock()
				if s.add(); failed != nil || s.stopped != "" {
					if ctx.Err() == nil {
						err, stopped = failed, s.stopped
					}
					cancel()
				}
				mu.Unlock()
			}
		})
	}
	running.Wait()
	r.result.Stopped = max(r.result.Stopped, stopped)
	return stopped == "", errors.Join(err, r.ctx.Err())
}

// sampler takes the values of some devices at the steps.
type sampler struct {
	*run
	*medians
	devices  []iot.Device
	readings *atomic.Int64
	stopped  Limit

	// samples are those of each device that has readings at the steps, math.NaN for none, and of whom they are.
	samples [][]float64
	peers   []iot.Peers
	// at is the index of the device whose readings are read, -1 before the first. The newest value is of the time since, which is zero if it
	// is not good; it counts for lasts. The first steps, as many as filled, have their samples.
	at     int
	value  float64
	since  time.Time
	lasts  time.Duration
	filled int
}

// visit takes a reading of the device with the given index.
func (s *sampler) visit(index int, reading Reading) bool {
	if index != s.at {
		s.endDevice(s.To)
		s.begin(index)
	}
	if n := s.readings.Add(1); n > s.most {
		s.stopped = StoppedByReadings
		return false
	} else if n%checkEvery == 0 && s.Now().After(s.deadline) {
		s.stopped = StoppedByTime
		return false
	}
	s.fill(reading.Time)
	if s.value, s.since = reading.Value, reading.Time; reading.Quality != "" && reading.Quality != iot.Good {
		s.since = time.Time{}
	}
	return true
}

func (s *sampler) begin(index int) {
	device := &s.devices[index]
	entry := s.Entry(device.Identity())
	s.at, s.since, s.filled = index, time.Time{}, 0
	s.lasts = max(iot.ReferenceLasts, s.step)
	if entry != nil {
		s.lasts = max(s.lasts, iot.ReferenceIntervals*entry.Interval)
	}
	peers := alert.PeersOf(entry, device)
	samples := make([]float64, len(s.values[peers]))
	for i := range samples {
		samples[i] = math.NaN()
	}
	s.samples, s.peers = append(s.samples, samples), append(s.peers, peers)
}

// fill gives the newest value to the steps that begin before a time, at which another value follows.
func (s *sampler) fill(before time.Time) {
	samples := s.samples[len(s.samples)-1]
	for ; s.filled < len(samples); s.filled++ {
		begins := s.medians.from.Add(time.Duration(s.filled) * s.step)
		if !begins.Before(before) {
			return
		}
		if !s.since.IsZero() && begins.Sub(s.since) <= s.lasts {
			samples[s.filled] = s.value
		}
	}
}

func (s *sampler) endDevice(end time.Time) {
	if s.at >= 0 {
		s.fill(end)
	}
}

// add adds the samples to the values of the peers. One goroutine at a time may do so.
func (s *sampler) add() {
	for i, samples := range s.samples {
		steps := s.values[s.peers[i]]
		for j, value := range samples {
			if !math.IsNaN(value) {
				steps[j] = append(steps[j], value)
			}
		}
	}
}
