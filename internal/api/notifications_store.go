package api

import (
	"context"
	"errors"
	"time"

	"iotmon/internal/notify"
)

// Notifications has what became of the notifications. Its methods may be called concurrently.
type Notifications interface {
	// Deliveries returns the deliveries of a query, the newest first.
	Deliveries(ctx context.Context, q DeliveriesQuery) ([]notify.Delivery, error)
	// Delivery returns one delivery; found is false if there is none of the id.
	Delivery(ctx context.Context, id string) (d notify.Delivery, found bool, err error)
	// Counts returns how many deliveries are pending, and how many have failed, by channel.
	Counts(ctx context.Context) ([]DeliveryCount, error)
	// Resend has a delivery that is not pending sent once more, under the same id. found is false if there is none of the id.
	Resend(ctx context.Context, id string, now time.Time) (found bool, err error)
	// Ask stores a delivery that somebody has asked for. At most MaxAsked may be pending: then it returns ErrTooManyAsked.
	Ask(ctx context.Context, d *notify.Delivery) error
	// Configured returns what the process that sends has configured, as JSON; nil if none ever has.
	Configured(ctx context.Context) ([]byte, error)
}

// ErrTooManyAsked means that MaxAsked deliveries are pending.
var ErrTooManyAsked = errors.New("too many notifications that were asked for are still to be sent")

// MaxAsked is how many deliveries that somebody has asked for may be pending.
const MaxAsked = 100

// DeliveriesQuery selects deliveries. Empty fields select all.
type DeliveriesQuery struct {
	Channel string
	State   notify.State
	// Before is the last delivery of the page before: only older ones are returned. Its zero value is the first page.
	Before DeliveryPlace
	Limit  int
}

// DeliveryCount is how many deliveries of a channel are in a state.
type DeliveryCount struct {
	Channel string
	State   notify.State
	Count   int
}

// DeliveryPlace is the place of a delivery in a listing.
type DeliveryPlace struct {
	Created time.Time
	ID      string
}
