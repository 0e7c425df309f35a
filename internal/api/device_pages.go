package api

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/sync/singleflight"

	"iotmon/internal/iot"
)

const (
	// scansAtOnce is the maximum number of scans of all devices at the same time: one takes up to 200 ms of a core for 100,000 devices.
	// Further requests wait up to scanTimeout.
	scansAtOnce = 2
	scanTimeout = 5 * time.Second
	// orderExpiry is how long an order is used for further pages.
	orderExpiry = time.Second
	// keptOrders is the maximum number of orders kept, each of which has 16 bytes for a device.
	keptOrders = 8
)

// devicesAt returns the page at an offset.
func (s *server) devicesAt(ctx context.Context, in *devicesInput) (*answer[devicePage], error) {
	if in.Cursor != "" {
		return nil, badParameter("offset", "must not be given together with cursor", in.Offset.Value)
	}
	ids, err := s.orders.find(ctx, in.listing(), func() ([]iot.DeviceID, error) { return s.ordered(in) })
	if err != nil {
		return nil, err
	}
	total := len(ids)
	from := min(in.Offset.Value, total)
	out := &answer[devicePage]{Body: devicePage{Items: []ListedDevice{}, Total: &total}}
	for _, id := range ids[from:min(from+in.Limit, total)] {
		out.Body.add(s, id, in)
	}
	return out, nil
}

// ordered returns the ids of all devices that the filter selects, in order. The error is a problem. Several requests may wait for the
// result, so it does not end with one of them.
func (s *server) ordered(in *devicesInput) ([]iot.DeviceID, error) {
	release, err := s.admitScan(context.Background())
	if err != nil {
		return nil, err
	}
	defer release()
	var keys []deviceKey
	s.eachMatching(&in.DeviceFilter, func(d *listed) { keys = append(keys, in.Sort.key(d)) })
	slices.SortFunc(keys, comparing(in.descending()))
	ids := make([]iot.DeviceID, len(keys))
	for i := range keys {
		ids[i] = keys[i].ID
	}
	return ids, nil
}

// admitScan limits the number of scans of all devices. The error is a problem, or that of ctx.
func (s *server) admitScan(ctx context.Context) (release func(), err error) {
	timeout := time.NewTimer(scanTimeout)
	defer timeout.Stop()
	select {
	case s.scanning <- struct{}{}:
		return func() { <-s.scanning }, nil
	case <-timeout.C:
		return nil, retryLater(huma.Error503ServiceUnavailable("too many listings of all devices are being made at this moment"), "1")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// orders keeps the orders of the devices of the last listings. So the pages of one listing agree with each other, and a list in which
// people scroll costs one scan each orderExpiry. It may be used concurrently.
type orders struct {
	flights singleflight.Group

	mu sync.Mutex
	// kept has the orders, the oldest first.
	kept []order
	// drops counts the calls of drop.
	drops int
}

// order is the order of the devices of a listing.
type order struct {
	listing string
	made    time.Time
	ids     []iot.DeviceID
}

// find returns the order of a listing, which must not be changed, and has it made if there is none. Concurrent callers wait for one result.
func (o *orders) find(ctx context.Context, listing string, scan func() ([]iot.DeviceID, error)) ([]iot.DeviceID, error) {
	ids, drops, ok := o.get(listing)
	if ok {
		return ids, nil
	}
	flight := o.flights.DoChan(strconv.Itoa(drops)+" "+listing, func() (any, error) {
		made := order{listing: listing, made: time.Now()}
		var err error
		if made.ids, err = scan(); err != nil {
			return nil, err
		}
		o.keep(made, drops)
		return made.ids, nil
	})
	select {
	case result := <-flight:
		ids, _ := result.Val.([]iot.DeviceID)
		return ids, result.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// get returns an order that is kept and not expired, and how often orders were dropped.
func (o *orders) get(listing string) (ids []iot.DeviceID, drops int, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.kept = slices.DeleteFunc(o.kept, func(kept order) bool { return time.Since(kept.made) >= orderExpiry })
	for i := range o.kept {
		if o.kept[i].listing == listing {
			return o.kept[i].ids, o.drops, true
		}
	}
	return nil, o.drops, false
}

// keep keeps an order, unless drop was called since it was begun.
func (o *orders) keep(made order, drops int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if drops != o.drops {
		return
	}
	if len(o.kept) == keptOrders {
		o.kept = slices.Delete(o.kept, 0, 1)
	}
	o.kept = append(o.kept, made)
}

// drop drops all orders: a device was changed or forgotten, and who has asked for that must see it.
func (o *orders) drop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.kept = nil
	o.drops++
}
