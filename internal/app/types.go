package app

import (
	"log/slog"
	"net/http"
	"sync"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/kafka/sources"
	"iotmon/internal/mapping"
)

// decidedTypes adds the device types that people have decided to the catalog by which this process admits and shows readings. Processors and
// archivers do not use that catalog: they follow the records in their log. It implements sources.Maps.
type decidedTypes struct {
	catalog *iot.Catalog
	// added is called after types were added. It must not block, and may be nil.
	added  func()
	logger *slog.Logger
	// known is closed once all types have been read for the first time.
	known chan struct{}
	once  sync.Once
}

var _ sources.Maps = (*decidedTypes)(nil)

func (*decidedTypes) BeginMaps()              {}
func (*decidedTypes) SetMap(*mapping.Entry)   {}
func (*decidedTypes) RefuseMap(string, error) {}
func (d *decidedTypes) MapsCaughtUp()         { d.once.Do(func() { close(d.known) }) }

// SetType implements sources.Maps. A type that the configuration of this process has otherwise stays as it is there.
func (d *decidedTypes) SetType(spec *iot.TypeSpec) {
	added, err := d.catalog.Add(*spec)
	if err != nil {
		d.logger.Error("a device type that people have decided is another one in the configuration of this program, which holds here: take it out of device_types",
			"type", spec.Name, "decided", mapping.Described(spec), "configured", mapping.Described(d.catalog.Spec(spec.Name)))
		return
	}
	if added {
		d.logger.Info("a device type was decided", "type", spec.Name, "unit", spec.Unit)
		if d.added != nil {
			d.added()
		}
	}
}

// await lets requests wait until the types are known, for mapsPatience after the start at most: a client does not send a reading again that
// was refused because its type is unknown.
func (d *decidedTypes) await(handler http.Handler) http.Handler {
	if d == nil { // A benchmark.
		return handler
	}
	late := time.Now().Add(mapsPatience)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-d.known:
		default:
			timer := time.NewTimer(time.Until(late))
			defer timer.Stop()
			select {
			case <-d.known:
			case <-timer.C:
			case <-r.Context().Done():
				return
			}
		}
		handler.ServeHTTP(w, r)
	})
}
