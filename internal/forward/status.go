package forward

import (
	"fmt"
	"sync"
	"time"
)

// State is how forwarding is doing.
type State struct {
	// Connected is whether the last call to the centre was answered; false before the first one. Problem says why not, or what is wrong
	// although it was.
	Connected bool
	Problem   string
	// Since is when Connected became what it is.
	Since time.Time
	// Lag is how many records of the log are still to be forwarded, ticks and the like included. Waiting is how long the oldest record
	// that is being sent has been in the log; 0 if there is none.
	Lag     int64
	Waiting time.Duration
	// Forwarded are the readings and reports that the centre has accepted, Repeated those of them that were sent ahead of older ones
	// and come again in their order, since the start of the program. Skipped are the records that are no valid reading.
	Forwarded, Repeated, Skipped int64
	// Rejected are the entries that the centre has rejected since the start of the program; LastReason is the reason of the last one.
	Rejected   int64
	LastReason string
	// Early is how many entries of the last call wait because the clock of this machine is ahead of the centre's.
	Early int
	// Errors counts the calls to the centre that have failed, since the start of the program.
	Errors int64
	// Lost are the losses of each partition, as long as the log exists.
	Lost map[int32]Loss
}

// status is the State of a running Forwarder.
type status struct {
	mu    sync.Mutex
	state State
	// oldest is when the oldest record that is being sent was appended; zero for none.
	oldest time.Time
	// read is how far each partition was read into memory, and deleted how many records behind that the log has deleted: the reader may still have
	// some of them in its buffers, so they count as lost only when it has failed.
	read    map[int32]int64
	deleted int64
}

func (s *status) change(change func(*State)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.state)
}

func (s *status) setOldest(appended time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.oldest = appended
}

// answered notes that the centre has answered. What waits for its clock goes on waiting.
func (s *status) answered(now time.Time) (changed bool) {
	s.mu.Lock()
	problem := ""
	if s.state.Early > 0 {
		problem = s.state.Problem
	}
	s.mu.Unlock()
	return s.connected(true, problem, now) && problem == ""
}

// early notes how many entries wait for the centre's clock. Over is whether there were some, and are none any more.
func (s *status) early(entries int) (over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	over = s.state.Early > 0 && entries == 0
	s.state.Early = entries
	if over {
		s.state.Problem = ""
	}
	return over
}

// connected notes whether the centre has answered. The problem is why it has not, or what is wrong although it has.
func (s *status) connected(answered bool, problem string, now time.Time) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if changed = s.state.Connected != answered || s.state.Since.IsZero(); changed {
		s.state.Connected, s.state.Since = answered, now
	}
	s.state.Problem = problem
	return changed
}

// resumed notes from where on the log is read.
func (s *status) resumed(next map[int32]Position, lost map[int32]Loss) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Lost, s.deleted = lost, 0
	s.read = make(map[int32]int64, len(next))
	for id, position := range next {
		s.read[id] = position.Next
	}
}

// reads notes what was read.
func (s *status) reads(records []Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range records {
		s.read[records[i].Partition] = records[i].Offset + 1
	}
}

// delete notes what the log has deleted of what was not read yet. It returns how many records these are, and whether they have become more.
func (s *status) delete(partitions []Partition) (deleted int64, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range partitions {
		if read, known := s.read[p.ID]; known {
			deleted += max(p.Start-read, 0)
		}
	}
	more = deleted > s.deleted
	s.deleted = deleted
	return deleted, more
}

// get returns a copy of the state.
func (s *status) get(now time.Time) State {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.state
	out.Lost = make(map[int32]Loss, len(s.state.Lost))
	for id, loss := range s.state.Lost {
		out.Lost[id] = loss
	}
	if s.deleted > 0 && out.Problem != "" {
		out.Problem += fmt.Sprintf("; meanwhile the log has deleted %d messages that were not forwarded: they are lost", s.deleted)
	}
	if !s.oldest.IsZero() {
		out.Waiting = max(now.Sub(s.oldest), 0)
	}
	return out
}
