package httpsource

import (
	"errors"
	"net/http"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// admit decodes and checks every element of a request. All are checked against the same moment.
func (h *Handler) admit(sent batch, request *http.Request) *admitting {
	a := admitting{
		handler: h, now: iot.CutTime(h.o.Now()), decoder: wire.NewDecoder(), tags: tagsOf(request), rejected: []wire.Rejection{},
	}
	for i, element := range sent.elements {
		if err := a.element(i, element, sent.lineProtocol); err != nil {
			a.reject(i, err)
		}
	}
	return &a
}

// admitting is the state of the admission of one request.
type admitting struct {
	handler *Handler
	now     time.Time
	decoder *wire.Decoder
	// tags are the parameters of the request's URL, for elements in a shape that has no tags of its own.
	tags     map[string]string
	readings []iot.Reading
	rejected []wire.Rejection
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
		f, err := parseLine(element)
		if err != nil {
			return err
		}
		return a.foreign(index, f)
	}
	var r iot.Reading
	err := a.decoder.Decode(element, &r)
	if err == nil {
		return a.admit(&r)
	}
	if f, ok, shapeErr := parseForeign(element, a.tags); shapeErr != nil {
		return shapeErr
	} else if ok {
		return a.foreign(index, f)
	}
	return err
}

// foreign admits the points for which there is a mapping rule. Points without a rule are ignored; but if there is a rule for none
// of them, that is an error.
func (a *admitting) foreign(index int, f *foreign) error {
	a.mapped = true
	mapped := 0
	for i := range f.points {
		var r iot.Reading
		ok, err := a.handler.o.Mapping.Reading(&f.points[i], &r)
		if !ok {
			continue
		}
		mapped++
		if err == nil {
			err = a.admit(&r)
		}
		if invalid, ok := errors.AsType[*iot.InvalidError](err); ok {
			a.reject(index, iot.Invalid(invalid.Field, "%s, in its field %s", invalid.Reason, iot.Quote(f.points[i].Field)))
		}
	}
	if mapped == 0 {
		return f.unmapped(a.handler.o.Mapping.Len())
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
	a.readings = append(a.readings, *r)
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
