package httpsource

import (
	"bytes"
	"errors"
	"net/http"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/mapping/payload"
	"iotmon/internal/source"
	"iotmon/internal/wire"
)

// admit decodes and checks every element of a request. All are checked against the same moment.
func (h *Handler) admit(sent batch, request *http.Request) *admitting {
	a := admitting{
		handler: h, now: iot.CutTime(h.o.Now()), decoder: wire.NewDecoder(), json: payload.NewDecoder(payload.JSON),
		lines: payload.NewDecoder(payload.Line), tags: tagsOf(request), rejected: []wire.Rejection{}, mapper: h.o.Mapping.Mapper(),
	}
	for i, element := range sent.elements {
		if err := a.element(i, element, sent.lineProtocol); err != nil {
			a.reject(i, err)
		}
	}
	a.endPart()
	return &a
}

// part is what is appended together: readings, and then reports. A report and a later reading of the same device are in different parts.
type part struct {
	readings []iot.Reading
	reports  []source.Report
}

// endPart has what follows be in another part.
func (a *admitting) endPart() {
	before := 0
	for _, p := range a.parts {
		before += len(p.readings)
	}
	a.parts = append(a.parts, part{a.readings[before:], a.reports})
	a.reports = nil
	clear(a.reported)
}

// admitting is the state of the admission of one request.
type admitting struct {
	handler *Handler
	now     time.Time
	decoder *wire.Decoder
	// json and lines decode elements in the shapes of other programs; points is the memory for what they decode.
	json, lines *payload.Decoder
	points      []mapping.Point
	mapper      *mapping.Mapper
	// tags are the parameters of the request's URL, for elements in a shape that has no tags of its own.
	tags     map[string]string
	readings []iot.Reading
	rejected []wire.Rejection
	// parts are appended one after the other; reports are those of the last one, which is not in parts yet, and reported their devices.
	parts    []part
	reports  []source.Report
	reported map[iot.DeviceID]bool
	// mapped is true if any element is in the shape of another program.
	mapped bool
}

// element admits an element: one reading or, in the shape of another program, the readings that its mapping gives.
func (a *admitting) element(index int, element []byte, isLine bool) error {
	// No admissible reading is that long: in the log it is shorter than a tenth of wire.MaxMessage. So a longer text need not be
	// decoded.
	if len(element) > maxReadingBytes {
		return iot.Invalid("", "longer than %d bytes (got %d)", maxReadingBytes, len(element))
	}
	if isLine {
		f, err := a.parse(a.lines, element)
		if err != nil {
			return err
		}
		return a.foreign(index, f, nil)
	}
	if bytes.Contains(element, reportMember) {
		device, report, is, err := wire.DecodeDeviceReport(element, a.now, a.handler.o.Admission)
		if is && err == nil {
			err = a.report(source.Report{Device: device, StatusReport: report})
		}
		if is {
			return err
		}
	}
	var r iot.Reading
	err := a.decoder.Decode(element, &r)
	if err == nil {
		return a.admit(&r)
	}
	f, foreignErr := a.parse(a.json, element)
	if foreignErr != nil {
		return err // It says what is wrong with it as a reading.
	}
	return a.foreign(index, f, err)
}

// parse decodes an element that is not a reading. Its points are valid until the next call.
func (a *admitting) parse(by *payload.Decoder, element []byte) (*foreign, error) {
	points, err := by.Decode(element, a.points[:0])
	if a.points = points[:0]; err != nil {
		return nil, err
	}
	f := &foreign{shape: by.Shape(), points: points}
	f.tag(a.tags)
	return f, nil
}

// foreign admits the points for which there is a mapping rule. Points without a rule are ignored; but if there is a rule for none of them, that
// is an error: notReading, if the element is in the shape of no known program.
func (a *admitting) foreign(index int, f *foreign, notReading error) error {
	known := f.shape != "" && f.shape != payload.ShapeReading
	a.mapped = a.mapped || known
	mapped := 0
	a.mapper.Begin(f.points)
	for i := range f.points {
		if f.points[i].Reading != nil {
			continue // One in an array of its own.
		}
		var r mapping.Result
		err := a.mapper.Map(&f.points[i], &r)
		if r.Outcome == mapping.Unmatched {
			continue
		}
		a.mapped = true
		mapped++
		if err == nil {
			err = a.result(&r)
		}
		if invalid, ok := errors.AsType[*iot.InvalidError](err); ok {
			a.reject(index, iot.Invalid(invalid.Field, "%s, in its field %s", invalid.Reason, iot.Quote(f.points[i].Field)))
		}
	}
	if mapped == 0 && !known {
		return notReading
	}
	if mapped == 0 {
		return f.unmapped(a.handler.o.Mapping.Len())
	}
	return nil
}

// result admits what a point has become.
func (a *admitting) result(r *mapping.Result) error {
	switch r.Outcome {
	case mapping.Read:
		if r.Arrival {
			r.Reading.Time = a.now.Add(time.Duration(len(a.readings)) * time.Microsecond) // No two values of a device at the same time.
		}
		return a.admit(&r.Reading)
	case mapping.Reported:
		return iot.Invalid("status", "rules with status are for sources, not for ingest.map")
	}
	return nil
}

// admit checks a reading and, if it is admitted, adds it to those that will be appended to the log.
func (a *admitting) admit(r *iot.Reading) error {
	if err := a.handler.o.Admission.Admit(r, a.now); err != nil {
		return err
	}
	if r.ReceivedAt.IsZero() {
		r.ReceivedAt = a.now
	}
	if a.reported[r.ID] {
		a.endPart()
	}
	a.readings = append(a.readings, *r)
	return nil
}

// reportMember is in every report about a device.
var reportMember = []byte(`"report"`)

// report adds a report about a device.
func (a *admitting) report(r source.Report) error {
	if a.handler.o.Reports == nil {
		return iot.Invalid("report", "reports about devices are not accepted here")
	}
	a.reports = append(a.reports, r)
	if a.reported == nil {
		a.reported = make(map[iot.DeviceID]bool)
	}
	a.reported[r.Device.ID] = true
	return nil
}

func (a *admitting) reject(index int, err error) {
	a.rejected = append(a.rejected, rejection(index, err))
}

func rejection(index int, err error) wire.Rejection {
	if invalid, ok := errors.AsType[*iot.InvalidError](err); ok {
		return wire.Rejection{Index: index, Field: invalid.Field, Reason: invalid.Reason}
	}
	return wire.Rejection{Index: index, Reason: err.Error()}
}
