package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"iotmon/internal/notify"
	"iotmon/internal/retry"
)

// ConfiguredNotifications is what the process that sends has configured. It has no secrets.
type ConfiguredNotifications struct {
	Origin   NotificationOrigin    `json:"origin"`
	Channels []NotificationChannel `json:"channels"`
	// TimeZone is that of routes and calendars that have none of their own.
	TimeZone string `json:"time_zone,omitempty"`
	// Routes and Calendars are in force.
	Routes    []notify.RouteSpec    `json:"routes"`
	Calendars []notify.CalendarSpec `json:"calendars"`
	// Configured is what holds where nobody has decided anything, Decided which decision is in force. An older version, which goes by its configuration
	// alone, has neither; one that has just started and has not read what is decided has no Decided.
	Configured *ConfiguredRoutes     `json:"configured,omitempty"`
	Decided    *NotificationsInForce `json:"decided,omitempty"`
}

// ConfiguredRoutes are routes and calendars of a configuration.
type ConfiguredRoutes struct {
	Routes    []notify.RouteSpec    `json:"routes"`
	Calendars []notify.CalendarSpec `json:"calendars"`
}

// NotificationsInForce is which decision about notifications is in force.
type NotificationsInForce struct {
	// Version is that of the decision; 0 if nobody has decided anything.
	Version int64 `json:"version"`
	// Missing are, in words, the channels and calendars that it names and that the configuration does not have any more.
	Missing []string `json:"missing,omitempty"`
}

// NotificationOrigin says whose configuration it is.
type NotificationOrigin struct {
	Program string    `json:"program" doc:"The program that sends the notifications."`
	Host    string    `json:"host,omitempty" doc:"The machine that it runs on."`
	File    string    `json:"file,omitempty" doc:"Its configuration file; absent if it has none."`
	Since   time.Time `json:"since,omitzero" doc:"When it was started."`
}

// NotificationChannel is a way to people or programs.
type NotificationChannel struct {
	Name       string   `json:"name" doc:"The name, which is in routes and deliveries."`
	Kind       string   `json:"kind" enum:"mail,webhook,alertmanager,dingtalk,wecom,feishu,slack,teams,telegram" doc:"What sends the messages."`
	Language   string   `json:"language" enum:"zh,en" doc:"That of its messages."`
	Recipients []string `json:"recipients,omitempty" doc:"The addresses of a mail channel. Each has its own deliveries."`
}

// delivery is a delivery as the API shows it.
type delivery struct {
	ID        string          `json:"id" doc:"The message's id, which is in the message, too, and the same at every try."`
	Channel   string          `json:"channel" doc:"Where it goes."`
	Recipient string          `json:"recipient,omitempty" doc:"To whom, if the channel has recipients."`
	Kind      notify.Kind     `json:"kind" enum:"raised,changed,repeated,escalated,over,digest,test,from_memory" doc:"Why it is sent."`
	Severity  string          `json:"severity" doc:"That of its most urgent alert."`
	State     notify.State    `json:"state" enum:"pending,sent,failed,refused,merged" doc:"pending: it is tried until it is sent. failed: given up after a day. refused: for good, a critical one after an hour of tries; if attempts is 0 it was not tried, because the receiver had refused those before. merged: a later message, mostly a digest, has been sent instead."`
	Created   time.Time       `json:"created" doc:"When it was decided."`
	Due       time.Time       `json:"due" doc:"When it is or was tried next."`
	Done      *time.Time      `json:"done,omitempty" doc:"When it was sent or given up."`
	Attempts  int             `json:"attempts" doc:"How often it has been tried."`
	Outcome   string          `json:"outcome,omitempty" doc:"What the last try has brought: what the receiver has said, or the error."`
	Message   *notify.Message `json:"message" doc:"What is notified."`
}

func toDelivery(d *notify.Delivery) delivery {
	shown := delivery{
		ID: d.ID, Channel: d.Channel, Recipient: d.Recipient, Kind: d.Kind, Severity: string(d.Severity()), State: d.State, Created: d.Created, Due: d.Due,
		Attempts: d.Attempts, Outcome: d.Outcome, Message: &d.Message,
	}
	if !d.Done.IsZero() {
		shown.Done = &d.Done
	}
	return shown
}

func (s *server) registerNotifications(api huma.API) {
	if s.o.Notifications == nil {
		return
	}
	tags, unavailable := []string{"Notifications"}, []int{http.StatusServiceUnavailable}
	huma.Register(api, huma.Operation{
		OperationID: "list-notification-channels", Method: http.MethodGet, Path: Prefix + "/notifications/channels", Tags: tags, Errors: unavailable,
		Summary: "List the channels", Description: "The channels of the process that sends the notifications, as it has them configured. Secrets, and addresses that contain one, are not shown.",
	}, func(ctx context.Context, _ *struct{}) (*answer[list[shownChannel]], error) {
		configured, err := s.configuredNotifications(ctx)
		if err != nil {
			return nil, err
		}
		counts, err := s.o.Notifications.Counts(ctx)
		if err := s.historyProblem(ctx, err); err != nil {
			return nil, err
		}
		out := list[shownChannel]{Items: make([]shownChannel, len(configured.Channels))}
		for i, channel := range configured.Channels {
			out.Items[i] = shownChannel{NotificationChannel: channel}
			for _, count := range counts {
				if count.Channel == channel.Name {
					out.Items[i].add(count)
				}
			}
		}
		return &answer[list[shownChannel]]{out}, nil
	})
	s.registerRoutes(api)
	huma.Register(api, huma.Operation{
		OperationID: "list-notification-deliveries", Method: http.MethodGet, Path: Prefix + "/notifications/deliveries", Tags: tags,
		Summary: "List what was sent", Description: "Every message to every channel or recipient, and what has become of it, the newest first. They are kept as long as notifications.keep says.",
		Errors: []int{http.StatusBadRequest, http.StatusServiceUnavailable},
	}, s.listDeliveries)
	huma.Register(api, huma.Operation{
		OperationID: "resend-notification", Method: http.MethodPost, Path: Prefix + "/notifications/deliveries/{id}/resend", Tags: tags,
		Summary: "Send a message again", Description: "The same message under the same id, to the same channel or recipient. The answer comes once it has been tried, or after a few seconds.",
		Errors: []int{http.StatusNotFound, http.StatusTooManyRequests, http.StatusServiceUnavailable},
	}, s.resendDelivery)
	huma.Register(api, huma.Operation{
		OperationID: "test-notification", Method: http.MethodPost, Path: Prefix + "/notifications/test", Tags: tags,
		Summary: "Try a channel", Description: "Sends a test message to a channel, to each of its recipients. The answer comes once they have been tried, or after a few seconds. A test is tried once.",
		Errors: []int{http.StatusNotFound, http.StatusTooManyRequests, http.StatusServiceUnavailable},
	}, s.testNotification)
}

// DeliveryCounts are the deliveries that are not, or not yet, sent. It is exported for the library.
type DeliveryCounts struct {
	Pending int `json:"pending" doc:"How many deliveries wait."`
	Failed  int `json:"failed" doc:"How many have failed, of those that are kept."`
	Refused int `json:"refused" doc:"How many were refused, of those that are kept."`
}

func (c *DeliveryCounts) add(count DeliveryCount) {
	switch count.State {
	case notify.Pending:
		c.Pending += count.Count
	case notify.Failed:
		c.Failed += count.Count
	case notify.RefusedState:
		c.Refused += count.Count
	}
}

// shownChannel is a channel with its deliveries.
type shownChannel struct {
	NotificationChannel
	DeliveryCounts
}

// deliveryPage is a page of deliveries.
type deliveryPage struct {
	Items []delivery `json:"items" nullable:"false"`
	Next  string     `json:"next,omitempty" doc:"The cursor of the next page; absent on the last."`
	DeliveryCounts
}

// onCall is who is on call for a time.
type onCall struct {
	From     time.Time `json:"from"`
	Until    time.Time `json:"until"`
	Channels []string  `json:"channels"`
}

// configuredNotifications returns what is configured; nothing if no process sends notifications.
func (s *server) configuredNotifications(ctx context.Context) (*ConfiguredNotifications, error) {
	configured := &ConfiguredNotifications{Channels: []NotificationChannel{}}
	text, err := s.o.Notifications.Configured(ctx)
	if err := s.historyProblem(ctx, err); err != nil {
		return configured, err
	}
	if len(text) > 0 {
		if err := json.Unmarshal(text, configured); err != nil {
			return configured, fmt.Errorf("what is configured: %w", err)
		}
	}
	return configured, nil
}

type deliveriesInput struct {
	Channel string `query:"channel" doc:"Only deliveries of this channel." maxLength:"63"`
	State   string `query:"state" doc:"Only deliveries in this state." enum:"pending,sent,failed,refused,merged"`
	Limit   int    `query:"limit" doc:"How many deliveries one page holds at most." minimum:"1" maximum:"200" default:"50"`
	Cursor  string `query:"cursor" doc:"The next of the page before." maxLength:"2048"`
}

// listing leaves out the parameters that may change from page to page.
func (in deliveriesInput) listing() string {
	in.Limit, in.Cursor = 0, ""
	return listing("deliveries", in)
}

func (s *server) listDeliveries(ctx context.Context, in *deliveriesInput) (*answer[deliveryPage], error) {
	q := DeliveriesQuery{Channel: in.Channel, State: notify.State(in.State), Limit: in.Limit + 1}
	if in.Cursor != "" {
		var err error
		if q.Before, err = unseal[DeliveryPlace](in.listing(), in.Cursor); err != nil {
			return nil, err
		}
	}
	found, err := s.o.Notifications.Deliveries(ctx, q)
	if err := s.historyProblem(ctx, err); err != nil {
		return nil, err
	}
	counts, err := s.o.Notifications.Counts(ctx)
	if err := s.historyProblem(ctx, err); err != nil {
		return nil, err
	}
	out := &answer[deliveryPage]{Body: deliveryPage{Items: []delivery{}}}
	for _, count := range counts {
		if in.Channel == "" || count.Channel == in.Channel {
			out.Body.add(count)
		}
	}
	if len(found) > in.Limit {
		found = found[:in.Limit]
		last := &found[len(found)-1]
		if out.Body.Next, err = seal(in.listing(), DeliveryPlace{last.Created, last.ID}); err != nil {
			return nil, err
		}
	}
	for i := range found {
		out.Body.Items = append(out.Body.Items, toDelivery(&found[i]))
	}
	return out, nil
}

const (
	// triedWithin is how long a request waits for its deliveries to be tried, triedPoll how often it looks.
	triedWithin = 8 * time.Second
	triedPoll   = 100 * time.Millisecond
)

// await waits until deliveries have been tried, and returns them. attempts are how often they had been tried before.
func (s *server) await(ctx context.Context, ids []string, attempts map[string]int) ([]delivery, error) {
	waiting, cancel := context.WithTimeout(ctx, triedWithin)
	defer cancel()
	for {
		all, tried := make([]delivery, 0, len(ids)), true
		for _, id := range ids {
			d, found, err := s.o.Notifications.Delivery(ctx, id)
			if err := s.historyProblem(ctx, err); err != nil {
				return nil, err
			}
			if found {
				all = append(all, toDelivery(&d))
				tried = tried && d.Attempts > attempts[id]
			}
		}
		if tried || retry.Wait(waiting, triedPoll) != nil {
			return all, nil
		}
	}
}

type resendDeliveryInput struct {
	ID string `path:"id" doc:"The delivery's id." maxLength:"64"`
}

func (s *server) resendDelivery(ctx context.Context, in *resendDeliveryInput) (*answer[delivery], error) {
	before, found, err := s.o.Notifications.Delivery(ctx, in.ID)
	if err := s.historyProblem(ctx, err); err != nil {
		return nil, err
	}
	if found {
		found, err = s.o.Notifications.Resend(ctx, in.ID, s.o.Now())
	}
	if err := s.askProblem(ctx, err); err != nil {
		return nil, err
	}
	if !found {
		return nil, huma.Error404NotFound(fmt.Sprintf("there is no delivery %q", in.ID))
	}
	after, err := s.await(ctx, []string{in.ID}, map[string]int{in.ID: before.Attempts})
	if err != nil {
		return nil, err
	}
	if len(after) == 0 {
		return nil, huma.Error404NotFound(fmt.Sprintf("the delivery %q has just been removed", in.ID))
	}
	return &answer[delivery]{after[0]}, nil
}

// askProblem converts an error of Ask and Resend to a problem.
func (s *server) askProblem(ctx context.Context, err error) error {
	if errors.Is(err, ErrTooManyAsked) {
		return retryLater(huma.Error429TooManyRequests(err.Error()), "5")
	}
	return s.historyProblem(ctx, err)
}

type testInput struct {
	Body struct {
		Channel string `json:"channel" maxLength:"63" doc:"The name of the channel."`
	}
}

func (s *server) testNotification(ctx context.Context, in *testInput) (*answer[list[delivery]], error) {
	configured, err := s.configuredNotifications(ctx)
	if err != nil {
		return nil, err
	}
	var ids []string
	for i := range configured.Channels {
		channel := &configured.Channels[i]
		if channel.Name != in.Body.Channel {
			continue
		}
		recipients := channel.Recipients
		if len(recipients) == 0 {
			recipients = []string{""}
		}
		for _, recipient := range recipients {
			now := s.o.Now()
			d := notify.Delivery{
				Target: notify.Target{Channel: channel.Name, Recipient: recipient}, Message: notify.NewTest(uuid.NewString(), now),
				State: notify.Pending, Created: now, Due: now, Asked: now,
			}
			if err := s.askProblem(ctx, s.o.Notifications.Ask(ctx, &d)); err != nil {
				return nil, err
			}
			ids = append(ids, d.ID)
		}
	}
	if len(ids) == 0 {
		return nil, huma.Error404NotFound(fmt.Sprintf("there is no channel %q in what sends the notifications", in.Body.Channel))
	}
	tried, err := s.await(ctx, ids, nil)
	return &answer[list[delivery]]{list[delivery]{Items: tried}}, err
}
