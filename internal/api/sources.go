package api

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
)

// Sources shows the sources of readings. Its methods may be called concurrently.
type Sources interface {
	// States returns the states of all sources, in the order of their names. The error means that they are not known yet.
	States() ([]SourceState, error)
	// Detail returns what a source has received; false if there is no such source. What the result points to must not be changed.
	Detail(name string) (SourceDetail, bool)
}

// UnknownSource is the state of a source that has not been reported for a while.
const UnknownSource = "unknown"

// SourceState is how a source is, and what it has done since its program began.
type SourceState struct {
	Name        string           `json:"name" example:"hall-3-mqtt"`
	Kind        string           `json:"kind" doc:"Its protocol." example:"mqtt"`
	State       string           `json:"state" doc:"waiting: another program may run it. failed: it pauses before it connects anew. unknown: the program that ran it no longer says how it is." enum:"waiting,connecting,connected,failed,unknown"`
	Since       time.Time        `json:"since" doc:"When the state began; of an unknown state, when it was last known."`
	Address     string           `json:"address,omitempty" doc:"What it is connected to, or tries to connect to." example:"tcp://broker:1883"`
	Instance    string           `json:"instance,omitempty" doc:"The process that runs it." example:"edge-1/4711"`
	Error       string           `json:"error,omitempty" doc:"What is wrong, or was wrong last."`
	ErrorCause  string           `json:"error_cause,omitempty" doc:"What kind of error it is: name, refused, unreachable, silent, closed, certificate or login; absent for any other. There may be more kinds later."`
	ErrorAt     *time.Time       `json:"error_at,omitempty"`
	LogError    string           `json:"log_error,omitempty" doc:"Why the log does not acknowledge what the source has received; the source waits meanwhile."`
	Connections int64            `json:"connections" doc:"How often it has connected."`
	Messages    int64            `json:"messages" doc:"Messages received."`
	Readings    int64            `json:"readings" doc:"Readings in the log."`
	Rejected    int64            `json:"rejected" doc:"Dead letters."`
	RejectedBy  map[string]int64 `json:"rejected_by" doc:"Dead letters by the field that was wrong; that of messages that were wrong as a whole is empty."`
	Untimed     int64            `json:"untimed" doc:"Retained messages that count as no reading, because they do not say when they were measured."`
	Unmapped    int64            `json:"unmapped" doc:"Messages of which no rule matches any value. The first of each kind is a dead letter, and again after ten minutes."`
	Skipped     int64            `json:"skipped" doc:"Polls that have not taken place at their time, such as those that came due while an earlier one was going on."`
	Missed      int64            `json:"missed" doc:"Messages that were deleted at the other side before they were received."`
	Lag         *int64           `json:"lag,omitempty" doc:"How many messages wait at the other side, where the protocol says so."`
	Map         string           `json:"map,omitempty" doc:"The name by which people decide about its map: all sources with the same one map by the same rules. Absent if it is the name of the source." example:"mqtt-broker"`
	MapVersion  int64            `json:"map_version,omitempty" doc:"The version of the decided map by which it maps; absent if it maps by the configuration and nobody has decided otherwise."`
	MapError    string           `json:"map_error,omitempty" doc:"Why it does not map by a later map that was decided, and how it goes on."`
	FollowsMaps bool             `json:"follows_maps,omitempty" doc:"Whether the program that runs it takes over maps that people decide. Older versions do not say so."`
	Clients     *int64           `json:"clients,omitempty" doc:"How many clients are connected, of a broker in the program itself."`
	LastMessage *time.Time       `json:"last_message,omitempty" doc:"When the last message was received."`
	LastValue   *time.Time       `json:"last_value,omitempty" doc:"The time of the newest reading."`
	Counted     time.Time        `json:"counted_at" doc:"When the numbers were read. Differences of two answers, divided by the difference of this, are rates."`
}

// SourceDetail is what a source has received.
type SourceDetail struct {
	// Rejects are the last rejected messages, the newest first.
	Rejects []SourceReject `json:"rejects"`
	// Seen are the topics, by name; More is whether there were others.
	Seen []SourceSeen `json:"seen"`
	More bool         `json:"more"`
	// Rules are those of its map. RulesLeftOut means that they are too long to be passed on from the program that runs the source.
	Rules        []SourceRule `json:"rules"`
	RulesLeftOut bool         `json:"rules_left_out,omitempty"`
}

// Sample is the beginning of a message. The encoding is chosen so that what can be read is shown as it is.
type Sample struct {
	Encoding string `json:"encoding" doc:"How payload is written: as its text, or in base64 where that is not valid UTF-8." enum:"utf-8,base64"`
	Payload  string `json:"payload" doc:"The beginning of the message as it was received."`
	Size     int    `json:"size" doc:"The length of the message in bytes."`
	Complete bool   `json:"complete" doc:"Whether payload is all of it."`
}

// NewSample returns the sample of a message of size bytes that begins with payload.
func NewSample(payload []byte, size int) Sample {
	if len(payload) < size {
		payload = wholeRunes(payload)
	}
	s := Sample{Encoding: "utf-8", Payload: string(payload), Size: size, Complete: len(payload) == size}
	if !utf8.Valid(payload) {
		s.Encoding, s.Payload = "base64", base64.StdEncoding.EncodeToString(payload)
	}
	return s
}

// CodedReason is a reason for those who say it in another language. Both are absent if the reason has no code.
type CodedReason struct {
	Code      string            `json:"reason_code,omitempty" doc:"Which reason it is, in the words of reason; absent for a reason without a code. There may be more codes later." example:"no_topic_level"`
	Arguments map[string]string `json:"reason_arguments,omitempty" doc:"What the reason names, such as what was received; texts are quoted. in is the value of the message that the reason is about."`
}

// SourceReject is a message, or a value of it, that has become no reading.
type SourceReject struct {
	At     time.Time `json:"at" doc:"When the message was received."`
	Topic  string    `json:"topic" example:"plant/press/1"`
	Field  string    `json:"field" doc:"The field that is wrong; empty for the message as a whole."`
	Reason string    `json:"reason"`
	CodedReason
	Sample
}

// SourceSeen is what was received last of one topic.
type SourceSeen struct {
	Topic string    `json:"topic" example:"plant/press/1"`
	Count int64     `json:"count" doc:"How many messages there were."`
	At    time.Time `json:"at" doc:"When this one was received."`
	// Sample is nil if the protocol sends values instead of messages, or if there was no memory for it.
	Sample     *Sample       `json:"message,omitempty" doc:"Absent if the protocol has values instead of messages, or if there is no room for it."`
	Values     []SourceValue `json:"values" doc:"The first values of it." nullable:"false"`
	ValueCount int           `json:"value_count" doc:"How many values it has."`
	Problem    string        `json:"problem,omitempty" doc:"Why it has no values."`
	// ProblemWhy is the problem by its code.
	ProblemWhy *CodedReason `json:"problem_reason,omitempty" doc:"The same by its code; absent if it has none."`
	Report     bool         `json:"report,omitempty" doc:"It says whether devices are online, and has no values of them."`
}

// SourceValue is one value of a message, as the rules of a map see it, and what it becomes.
type SourceValue struct {
	Measurement string            `json:"measurement,omitempty"`
	Field       string            `json:"field" example:"temperature"`
	Tags        map[string]string `json:"tags,omitempty"`
	// Number is nil if the value is not a number, or none that is finite: then it is in Text.
	Number     *float64    `json:"number,omitempty" doc:"The value, unless it is a text."`
	Text       string      `json:"text,omitempty" doc:"The value, if it is not a number."`
	Unit       string      `json:"unit,omitempty"`
	Quality    iot.Quality `json:"quality,omitempty"`
	Historical bool        `json:"historical,omitempty"`
	Time       *time.Time  `json:"time,omitempty" doc:"When it was measured, if the message says so."`
	TimeText   string      `json:"time_text,omitempty" doc:"What the message says instead of a time, such as a local time without its zone."`
	Group      int         `json:"group,omitempty" doc:"Values of one group belong together, such as the fields of one metric."`
	Note       bool        `json:"note,omitempty" doc:"Whether it is no value of its own but says something about the others."`
	// Reading is what the message says itself, if it is a reading.
	Reading *SourceReading `json:"reading,omitempty" doc:"The reading that the message is: no rule applies to it."`
	// Becomes and what follows are set by the API, not by Sources.
	Becomes *SourceReading `json:"becomes,omitempty" doc:"The reading; absent if it becomes none."`
	Wrong   string         `json:"wrong_field,omitempty" doc:"The field of the reading that is wrong."`
	Reason  string         `json:"reason,omitempty" doc:"Why it becomes no reading."`
	CodedReason
	Guess iot.DeviceType `json:"guessed_type,omitempty" doc:"The device type that the name, the unit or the text of the value suggests; absent if none does." example:"temperature_sensor"`
}

// SourceReading is the reading that a value becomes.
type SourceReading struct {
	Device   iot.DeviceID   `json:"device_id"`
	Type     iot.DeviceType `json:"device_type"`
	Value    float64        `json:"value"`
	Unit     string         `json:"unit" doc:"The device type's unit."`
	Time     time.Time      `json:"timestamp"`
	Building string         `json:"building,omitempty"`
	Room     string         `json:"room,omitempty"`
	Floor    int            `json:"floor,omitempty"`
	// Status and Below are those of a report about a device, or about several, instead of a reading.
	Status iot.Reported `json:"status,omitempty" doc:"What is reported about the device, instead of a reading." enum:"online,offline,bad"`
	Below  string       `json:"below,omitempty" doc:"The report is about all devices of the source whose ids begin with this."`
}

// SourceRule is a rule of a source's map, with the keys that it has in the configuration.
type SourceRule struct {
	_ struct{} `additionalProperties:"false"`

	Measurement string            `json:"measurement,omitempty" maxLength:"256" doc:"Any if absent."`
	Field       string            `json:"field,omitempty" maxLength:"512" example:"temperature" doc:"A field, in which * stands for a part of a level and ** for any levels. Any if absent; then there must be a topic."`
	Tags        map[string]string `json:"tags,omitempty"`
	Device      string            `json:"device,omitempty" maxLength:"512" doc:"The id of the device: a template, as are building, floor, room, model and firmware." example:"press-{site}"`
	Type        iot.DeviceType    `json:"type,omitempty" maxLength:"128" example:"temperature_sensor"`
	Unit        string            `json:"unit,omitempty" maxLength:"64" doc:"The unit of the values; that of the message or of the type if absent."`
	Building    string            `json:"building,omitempty" maxLength:"256"`
	Room        string            `json:"room,omitempty" maxLength:"256"`

	MoreOfRule
}

// rulesOf returns the rules of a map, for the values of a catalog. The error is for the one who wrote them.
func rulesOf(rules []SourceRule, catalog *iot.Catalog) (*mapping.Rules, error) {
	return mapping.New(givenRules(rules), catalog)
}

// givenRules returns rules as package mapping has them, ShownRules as the API has them.
func givenRules(rules []SourceRule) []mapping.Rule {
	made := make([]mapping.Rule, len(rules))
	for i, r := range rules {
		made[i] = mapping.Rule{
			Topic: r.Topic, Measurement: r.Measurement, Field: r.Field, Tags: r.Tags, Ignore: r.Ignore, Device: r.Device, Type: r.Type,
			Define: (*mapping.Type)(r.Define), Unit: r.Unit, Building: r.Building, Floor: r.Floor, Room: r.Room, Model: r.Model, Firmware: r.Firmware,
			Battery: r.Battery, Time: (*mapping.Time)(r.Time), Quality: (*mapping.Quality)(r.Quality), Words: r.Words, Scale: r.Scale, Offset: r.Offset,
			Status: (*mapping.Status)(r.Status),
		}
	}
	return made
}

// ShownRules returns the rules of a map as the API shows them.
func ShownRules(rules []mapping.Rule) []SourceRule {
	shown := make([]SourceRule, len(rules))
	for i, r := range rules {
		shown[i] = SourceRule{
			Measurement: r.Measurement, Field: r.Field, Tags: r.Tags, Device: r.Device, Type: r.Type, Unit: r.Unit, Building: r.Building, Room: r.Room,
			MoreOfRule: MoreOfRule{
				Topic: r.Topic, Ignore: r.Ignore, Define: (*SourceRuleType)(r.Define), Floor: r.Floor, Model: r.Model, Firmware: r.Firmware,
				Battery: r.Battery, Time: (*SourceRuleTime)(r.Time), Quality: (*SourceRuleQuality)(r.Quality), Words: r.Words, Scale: r.Scale,
				Offset: r.Offset, Status: (*SourceRuleStatus)(r.Status),
			},
		}
	}
	return shown
}

func (s *server) registerSources(api huma.API) {
	if s.o.Sources == nil || s.o.Admission == nil {
		return
	}
	huma.Register(api, huma.Operation{
		OperationID: "list-sources",
		Method:      http.MethodGet,
		Path:        Prefix + "/sources",
		Tags:        []string{"Sources"},
		Summary:     "List sources",
		Description: "Every configured source of readings: whether it is connected, and what it has received, appended and rejected.",
		Errors:      []int{http.StatusServiceUnavailable},
	}, s.listSources)
	huma.Register(api, huma.Operation{
		OperationID: "get-source",
		Method:      http.MethodGet,
		Path:        Prefix + "/sources/{name}",
		Tags:        []string{"Sources"},
		Summary:     "Get a source",
		Description: "A source with the last messages that were rejected, and why.",
		Errors:      []int{http.StatusNotFound, http.StatusServiceUnavailable},
	}, s.getSource)
	huma.Register(api, huma.Operation{
		OperationID: "list-source-topics",
		Method:      http.MethodGet,
		Path:        Prefix + "/sources/{name}/seen",
		Tags:        []string{"Sources"},
		Summary:     "List what a source receives",
		Description: "The last message of each topic, its values, and what each becomes by the rules of the source's map.",
		Errors:      []int{http.StatusNotFound, http.StatusServiceUnavailable},
	}, s.listSeen)
	huma.Register(api, huma.Operation{
		OperationID: "try-source-rules",
		Method:      http.MethodPost,
		Path:        Prefix + "/sources/{name}/try",
		Tags:        []string{"Sources"},
		Summary:     "Try rules",
		Description: "What the values that a source has received would become by other rules. Nothing is appended, and the source goes on with its own.",
		Errors:      []int{http.StatusForbidden, http.StatusNotFound, http.StatusServiceUnavailable},
	}, s.tryRules)
}

// sourceList is the answer with all sources.
type sourceList struct {
	Timestamp time.Time     `json:"timestamp" doc:"The server's clock."`
	Items     []SourceState `json:"items" nullable:"false"`
}

func (s *server) listSources(context.Context, *struct{}) (*answer[sourceList], error) {
	states, err := s.o.Sources.States()
	if err != nil {
		return nil, sourcesProblem(err)
	}
	return &answer[sourceList]{sourceList{iot.CutTime(s.o.Now()), notNil(states)}}, nil
}

type sourceInput struct {
	Name string `path:"name" doc:"The source's name." example:"hall-3-mqtt" maxLength:"63"`
}

// oneSource is the answer for one source.
type oneSource struct {
	SourceState
	Rejects []SourceReject `json:"rejects" doc:"The last rejected messages, the newest first." nullable:"false"`
}

func (s *server) getSource(_ context.Context, in *sourceInput) (*answer[oneSource], error) {
	states, err := s.o.Sources.States()
	if err != nil {
		return nil, sourcesProblem(err)
	}
	for i := range states {
		if states[i].Name == in.Name {
			detail, _ := s.o.Sources.Detail(in.Name)
			return &answer[oneSource]{oneSource{states[i], notNil(detail.Rejects)}}, nil
		}
	}
	return nil, noSource(in.Name)
}

// seenTopics is the answer with what a source has received.
type seenTopics struct {
	Timestamp time.Time    `json:"timestamp" doc:"The server's clock."`
	Items     []SourceSeen `json:"items" doc:"By topic." nullable:"false"`
	More      bool         `json:"more" doc:"There were other topics, of which nothing was kept."`
	Rules     []SourceRule `json:"rules" doc:"The rules by which the values become readings; the first that matches counts." nullable:"false"`
}

func (s *server) listSeen(_ context.Context, in *sourceInput) (*answer[seenTopics], error) {
	detail, err := s.sourceDetail(in.Name)
	if err != nil {
		return nil, err
	}
	if detail.RulesLeftOut {
		return nil, huma.Error503ServiceUnavailable("the map of the source is too long to be passed on from the program that runs it: try its rules instead")
	}
	return s.seenBy(&detail, detail.Rules)
}

type tryInput struct {
	Name string `path:"name" doc:"The source's name." example:"hall-3-mqtt" maxLength:"63"`
	Body struct {
		Rules []SourceRule `json:"rules" doc:"The rules to try instead of those of the source's map." maxItems:"10000" nullable:"false"`
	}
}

func (s *server) tryRules(_ context.Context, in *tryInput) (*answer[seenTopics], error) {
	detail, err := s.sourceDetail(in.Name)
	if err != nil {
		return nil, err
	}
	return s.seenBy(&detail, in.Body.Rules)
}

func (s *server) sourceDetail(name string) (SourceDetail, error) {
	if _, err := s.o.Sources.States(); err != nil {
		return SourceDetail{}, sourcesProblem(err)
	}
	detail, known := s.o.Sources.Detail(name)
	if !known {
		return detail, noSource(name)
	}
	return detail, nil
}

// seenBy returns what a source has received, with what it becomes by the rules.
func (s *server) seenBy(detail *SourceDetail, given []SourceRule) (*answer[seenTopics], error) {
	admission, err := mapping.Admission(givenRules(given), s.o.Admission)
	if err != nil {
		return nil, huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{Message: err.Error(), Location: "body.rules"})
	}
	rules, err := rulesOf(given, admission.Catalog)
	if err != nil {
		return nil, huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{Message: err.Error(), Location: "body.rules"})
	}
	out := seenTopics{Timestamp: iot.CutTime(s.o.Now()), Items: make([]SourceSeen, len(detail.Seen)), More: detail.More, Rules: notNil(given)}
	guesser := mapping.NewGuesser(admission.Catalog)
	for i, seen := range detail.Seen {
		values := make([]SourceValue, len(seen.Values))
		copy(values, seen.Values)
		explain(values, &seen, rules.Mapper(), admission)
		for j := range values {
			if v := &values[j]; v.Reading == nil && !v.Note {
				v.Guess = guesser.Guess(v.Field, v.Unit, v.Text).Type
			}
		}
		seen.Values = values
		out.Items[i] = seen
	}
	return &answer[seenTopics]{out}, nil
}

// pointOf returns the point of a value.
func pointOf(value *SourceValue, of *SourceSeen) mapping.Point {
	point := mapping.Point{
		Measurement: value.Measurement, Field: value.Field, Tags: value.Tags, Topic: of.Topic, TimeText: value.TimeText, ValueText: value.Text, Unit: value.Unit,
		Quality: value.Quality, Historical: value.Historical, Group: value.Group, Note: value.Note,
	}
	if value.Number != nil {
		point.Value = *value.Number
	}
	if value.Time != nil {
		point.Time = *value.Time
	}
	point.Reading = value.reading()
	return point
}

// become sets what a value becomes.
func (value *SourceValue) become(point *mapping.Point, of *SourceSeen, by *mapping.Mapper, admission *iot.Admission) {
	r, err := outcome(value, point, of, by)
	if value.Becomes != nil || err == nil && r == nil {
		return
	}
	if err == nil {
		err = admission.Admit(r, of.At)
	}
	if err != nil {
		value.Reason, value.CodedReason = err.Error(), CodedReason(mapping.ReasonOf(err))
		if invalid, ok := errors.AsType[*iot.InvalidError](err); ok {
			value.Wrong, value.Reason = invalid.Field, invalid.Reason
		}
		return
	}
	value.Becomes = &SourceReading{
		Device: r.ID, Type: r.Type, Value: r.Value, Unit: r.Unit, Time: r.Time, Building: r.Location.Building, Room: r.Location.Room,
		Floor: r.Location.Floor,
	}
}

func noSource(name string) error {
	return huma.Error404NotFound(fmt.Sprintf("there is no source %s", iot.Quote(name)))
}

func sourcesProblem(err error) error {
	return retryLater(huma.Error503ServiceUnavailable(err.Error()), "2")
}
