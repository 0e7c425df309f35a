package api

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/iot"
)

// DeadLetters reads the records that the processor has rejected. Its methods may be called concurrently, and return an error if
// Kafka does not answer.
type DeadLetters interface {
	// Newest returns at most limit dead letters, the newest first. Before holds, by partition of their topic, the offset that all of
	// them are below; nil begins with the newest.
	Newest(ctx context.Context, before map[int32]int64, limit int) (DeadLetterPage, error)
	// Find returns the dead letters with these ids. Those that Kafka has deleted, or that never were, are missing in the result.
	Find(ctx context.Context, ids []DeadLetterID) (map[DeadLetterID]DeadLetter, error)
}

// Appender appends readings to the log.
type Appender interface {
	// Append returns once Kafka has acknowledged the readings. After an error some of them may have been appended. It may be called
	// concurrently.
	Append(ctx context.Context, readings []iot.Reading) error
}

// DeadLetterID is the place of a dead letter in its topic.
type DeadLetterID struct {
	Partition int32
	Offset    int64
}

// String returns the text of the id, such as 0-17.
func (id DeadLetterID) String() string { return fmt.Sprintf("%d-%d", id.Partition, id.Offset) }

// MarshalText implements encoding.TextMarshaler.
func (id DeadLetterID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText parses the text that String returns, and nothing else: each id has one text.
func (id *DeadLetterID) UnmarshalText(text []byte) error {
	partition, offset, _ := strings.Cut(string(text), "-")
	p, partitionErr := strconv.ParseInt(partition, 10, 32)
	o, offsetErr := strconv.ParseInt(offset, 10, 64)
	parsed := DeadLetterID{int32(p), o}
	if partitionErr != nil || offsetErr != nil || p < 0 || o < 0 || parsed.String() != string(text) {
		return fmt.Errorf("must be the id of a dead letter, such as 0-17 (got %.40q)", text)
	}
	*id = parsed
	return nil
}

// Schema describes the text.
func (DeadLetterID) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Pattern: `^[0-9]+-[0-9]+$`, Examples: []any{"0-17"}}
}

// DeadLetter is a record that the processor has rejected.
type DeadLetter struct {
	ID DeadLetterID
	// Rejected is when it was rejected.
	Rejected time.Time
	// Field is the JSON path of what is wrong, empty for the record as a whole.
	Field, Reason string
	// Why is the reason by its code; earlier versions have written none.
	Why CodedReason
	// Kind is the kind of the record.
	Kind iot.Kind
	// Source is the name of the source that has received the value; empty for a record of the readings' topic. Then Topic is one of the
	// source's own, and Partition, Offset and Appended are zero. The value is what the source received, not a reading.
	Source string
	// Topic, Partition and Offset are where the record was, Appended is when it came there. They are zero if the dead letter does not
	// say, as one of another program.
	Topic     string
	Partition int32
	Offset    int64
	Appended  time.Time
	// Key and Value are the record's, untouched. Size is the length of the value in bytes as it was received: a longer one than
	// Value has been cut.
	Key, Value []byte
	Size       int
}

// DeadLetterPage is one page of a listing of dead letters.
type DeadLetterPage struct {
	// Letters have at least the first ShownBytes of their values. There may be fewer than were asked for, or none, although more follow.
	Letters []DeadLetter
	// Next continues behind the last one, as before does; nil if there are no more.
	Next map[int32]int64
	// End is SystemDeadLetters.End at the moment at which the page was read.
	End int64
}

// ShownBytes is how much of a value a listing shows.
const ShownBytes = 2 << 10

const (
	// deadLettersAtOnce is the maximum number of requests that read dead letters at the same time.
	deadLettersAtOnce = 4
	// deadLetterTimeout is how long one of them may take.
	deadLetterTimeout = 10 * time.Second
)

func (s *server) registerDeadLetters(api huma.API) {
	if s.o.DeadLetters == nil {
		return
	}
	huma.Register(api, huma.Operation{
		OperationID: "list-dead-letters",
		Method:      http.MethodGet,
		Path:        Prefix + "/dead-letters",
		Tags:        []string{"System"},
		Summary:     "List dead letters",
		Description: "Records that were rejected after they had come into the log, with the field and the reason, the newest first. Of long " +
			"values the beginning is shown. A page may have fewer than limit items although next is there.",
		Errors: []int{http.StatusBadRequest, http.StatusTooManyRequests, http.StatusServiceUnavailable},
	}, s.listDeadLetters)
	huma.Register(api, huma.Operation{
		OperationID: "get-dead-letter",
		Method:      http.MethodGet,
		Path:        Prefix + "/dead-letters/{id}",
		Tags:        []string{"System"},
		Summary:     "Get one dead letter",
		Description: "One dead letter with its whole value.",
		Errors:      []int{http.StatusNotFound, http.StatusTooManyRequests, http.StatusServiceUnavailable},
	}, s.getDeadLetter)
	if s.o.Appender == nil || s.o.Admission == nil {
		return
	}
	s.registerResend(api)
}

type deadLettersInput struct {
	Limit  int    `query:"limit" doc:"How many dead letters one page holds at most." minimum:"1" maximum:"100" default:"50" example:"10"`
	Cursor string `query:"cursor" doc:"The next of the page before." maxLength:"2048"`
}

// deadLetters is one page of the listing.
type deadLetters struct {
	Items []deadLetter `json:"items" nullable:"false"`
	Next  string       `json:"next,omitempty" doc:"The cursor of the next page; absent on the last."`
	End   *int64       `json:"end,omitempty" doc:"On the first page, what dead_letters.end of the state of the system was when the page was read: once that is higher, there are newer ones." example:"19"`
}

// deadLettersListing identifies the listing of a cursor; it has no parameters besides limit and cursor.
const deadLettersListing = "dead-letters"

type deadLetterInput struct {
	ID DeadLetterID `path:"id" doc:"The dead letter's id." example:"0-17"`
}

// letterSource is where a rejected record came from.
type letterSource struct {
	Topic     string    `json:"topic" example:"device-data"`
	Partition int32     `json:"partition"`
	Offset    int64     `json:"offset"`
	Appended  time.Time `json:"appended_at" doc:"When the record came into that topic."`
}

// letterReceiver is the source that has received a rejected message.
type letterReceiver struct {
	Name  string `json:"name" example:"hall-3-mqtt"`
	Topic string `json:"topic" doc:"Where in the source the message came from." example:"plant/press/1"`
}

// deadLetter is the answer for a DeadLetter. The encoding is chosen so that what can be read is shown as it is.
type deadLetter struct {
	ID       DeadLetterID `json:"id"`
	Rejected time.Time    `json:"rejected_at"`
	Field    string       `json:"field" doc:"The JSON path of what is wrong; empty for the record as a whole." example:"value"`
	Reason   string       `json:"reason"`
	CodedReason
	Kind   string        `json:"kind" doc:"What the record is about: reading, status, settings and so on." example:"reading"`
	Source *letterSource `json:"source,omitempty" doc:"Where the record was; absent if the dead letter does not say."`
	// Receiver is set instead of Source.
	Receiver *letterReceiver `json:"received_by,omitempty" doc:"The source that has received the value, which is a message and not a reading; absent for a record of the log."`
	Key      string          `json:"key" doc:"The record's key, which is the device's id; invalid UTF-8 is replaced." example:"press-7"`
	Encoding string          `json:"encoding" doc:"How value is written: as its text, or in base64 where that is not valid UTF-8." enum:"utf-8,base64"`
	Value    string          `json:"value" doc:"The record's value, untouched."`
	Size     int             `json:"size" doc:"The length of the value in bytes, as it was received."`
	Complete bool            `json:"complete" doc:"Whether value is all of it."`
}

// fromLetter returns the answer with at most most bytes of the value.
func fromLetter(letter *DeadLetter, most int) deadLetter {
	out := deadLetter{
		ID: letter.ID, Rejected: letter.Rejected, Field: letter.Field, Reason: letter.Reason, CodedReason: letter.Why, Kind: letter.Kind.String(),
		Key: strings.ToValidUTF8(string(letter.Key), "\uFFFD"), Size: letter.Size,
	}
	switch {
	case letter.Source != "":
		out.Receiver = &letterReceiver{letter.Source, letter.Topic}
	case letter.Topic != "":
		out.Source = &letterSource{letter.Topic, letter.Partition, letter.Offset, letter.Appended}
	}
	sample := NewSample(letter.Value[:min(most, len(letter.Value))], letter.Size)
	out.Encoding, out.Value, out.Complete = sample.Encoding, sample.Payload, sample.Complete
	return out
}

// wholeRunes cuts what is left of a character that does not end within the text.
func wholeRunes(text []byte) []byte {
	for cut := 1; cut < utf8.UTFMax && cut <= len(text); cut++ {
		if begin := len(text) - cut; utf8.RuneStart(text[begin]) {
			if !utf8.FullRune(text[begin:]) {
				return text[:begin]
			}
			break
		}
	}
	return text
}

func (s *server) listDeadLetters(ctx context.Context, in *deadLettersInput) (*answer[deadLetters], error) {
	var before map[int32]int64
	if in.Cursor != "" {
		var err error
		if before, err = unseal[map[int32]int64](deadLettersListing, in.Cursor); err != nil {
			return nil, err
		}
	}
	ctx, done, err := s.readDeadLetters(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	page, err := s.o.DeadLetters.Newest(ctx, before, in.Limit)
	if err != nil {
		return nil, s.deadLettersProblem(ctx, err)
	}
	out := &answer[deadLetters]{deadLetters{Items: make([]deadLetter, len(page.Letters))}}
	for i := range page.Letters {
		out.Body.Items[i] = fromLetter(&page.Letters[i], ShownBytes)
	}
	if before == nil {
		out.Body.End = &page.End
	}
	if page.Next != nil {
		if out.Body.Next, err = seal(deadLettersListing, page.Next); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *server) getDeadLetter(ctx context.Context, in *deadLetterInput) (*answer[deadLetter], error) {
	ctx, done, err := s.readDeadLetters(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	found, err := s.o.DeadLetters.Find(ctx, []DeadLetterID{in.ID})
	if err != nil {
		return nil, s.deadLettersProblem(ctx, err)
	}
	letter, ok := found[in.ID]
	if !ok {
		return nil, huma.Error404NotFound(fmt.Sprintf("there is no dead letter %s: Kafka deletes old ones", in.ID))
	}
	return &answer[deadLetter]{fromLetter(&letter, len(letter.Value))}, nil
}

// readDeadLetters admits one more request that reads dead letters, or returns a 429 problem. Done must be called at its end.
func (s *server) readDeadLetters(ctx context.Context) (_ context.Context, done func(), err error) {
	select {
	case s.readingLetters <- struct{}{}:
	default:
		return nil, nil, retryLater(huma.Error429TooManyRequests("too many requests read dead letters at this moment"), "1")
	}
	ctx, cancel := context.WithTimeout(ctx, deadLetterTimeout)
	return ctx, func() {
		cancel()
		<-s.readingLetters
	}, nil
}

// deadLettersProblem converts an error of Kafka to a 503 with Retry-After. It does not log the failure of a request that the
// client has cancelled.
func (s *server) deadLettersProblem(ctx context.Context, err error) error {
	if ctx.Err() == nil || context.Cause(ctx) == context.DeadlineExceeded {
		s.o.Logger.WarnContext(ctx, "dead letters cannot be read", "reason", err)
	}
	return retryLater(huma.Error503ServiceUnavailable("Kafka does not answer at the moment"), "5")
}
