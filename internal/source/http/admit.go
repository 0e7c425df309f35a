package httpsource

import (
	"errors"
	"net/http"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/wire"
)

// admit decodes and checks every element against one and the same moment.
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

// admitting is the batch of one request while it is being admitted.
type admitting struct {
	handler *Handler
	now     time.Time
	decoder *wire.Decoder
	// tags are what the request's address says, for elements that say nothing of where they are from.
	tags     map[string]string
	readings []iot.Reading
	rejected []wire.Rejection
	// mapped is true if any element is in the shape of another program.
	mapped bool
}

// element admits the reading that an element is, or the readings that it has in the shape of another program.
func (a *admitting) element(index int, element []byte, isLine bool) error {
	// A message in the log is at most wire.MaxMessage long, and what is admitted takes a tenth of it at most. A longer text
	// is not worth decoding.
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

// foreign admits the points for which there is a rule. The others are ignored unless there is a rule for none.
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
