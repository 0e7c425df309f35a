// Package intake reads the topics of other programs, as a source of readings.
//
// Each record is one message. The offset of a record is committed only when everything of it, and of all records before it in its
// partition, is in the log: so none is lost, whatever is killed. A record that is read twice becomes the same readings twice, which count
// once, because their time comes from the record.
package intake

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"iotmon/internal/kafka"
	"iotmon/internal/retry"
	"iotmon/internal/source"
)

// Options configure an Adapter.
type Options struct {
	// Dial returns how to reach the cluster. It is called for each connection, so that files of certificates and passwords are read anew.
	Dial func() (kafka.Dial, error)
	// Topics are names, or regular expressions that begin with ^. Of the topics that those match, Own and internal ones are not read.
	Topics []string
	// Group is the consumer group whose offsets say what has been read.
	Group string
	// Latest begins at the end of a partition that the group has not read yet, instead of at its beginning.
	Latest bool
	// Uncommitted reads the records of transactions before they are committed, and those of aborted ones.
	Uncommitted bool
	// Trial commits nothing: what was read is read again by the next member of the group.
	Trial bool
	// OwnDial reaches the cluster of this program, Own are its topics there. They are not read: what this program writes would come back to it
	// for ever. In another cluster, topics of the same names are those of another plant.
	OwnDial kafka.Dial
	Own     kafka.Topics
}

// Adapter reads topics. It implements source.Adapter.
type Adapter struct{ o Options }

var _ source.Adapter = (*Adapter)(nil)

// New returns an Adapter.
func New(o Options) *Adapter { return &Adapter{o} }

const (
	// maxRecords is how many records are sent to the pipeline before offsets are looked at again.
	maxRecords = 2000
	// checkInterval is how often offsets are committed and the brokers are asked whether they are there.
	checkInterval = time.Second
	// patience is how long a broker may take to answer and to be connected, and how often it may fail to answer, until the connection is made anew.
	patience, maxFailures = 3 * time.Second, 2
	// metadataAge is how long it may take until a new topic or partition is noticed.
	metadataAge = 5 * time.Second
	// sessionTimeout is after how long without a sign of a member its partitions are given to another one, also to the same program after a fault in
	// which it could not leave. It is the least that brokers allow by their default.
	sessionTimeout = 6 * time.Second
	// assignmentPatience is how long a member may have no partition until the status says so.
	assignmentPatience = 10 * time.Second
)

// Run implements source.Adapter.
func (a *Adapter) Run(ctx context.Context, session *source.Session) error {
	return caused(a.run(ctx, session))
}

// caused returns an error with its cause, if the client's errors say it.
func caused(err error) error {
	for _, refusal := range []error{kerr.SaslAuthenticationFailed, kerr.UnsupportedSaslMechanism, kerr.IllegalSaslState} {
		if errors.Is(err, refusal) {
			return source.WithCause(err, source.CauseLogin)
		}
	}
	return err
}

func (a *Adapter) run(ctx context.Context, session *source.Session) error {
	dial, err := a.o.Dial()
	if err != nil {
		return err
	}
	dial.Timeout = patience // A try that began while the network was lost must not outlast the fault by much.
	own, err := a.ownTopics(ctx, dial)
	if err != nil {
		return err
	}
	r := &reader{adapter: a, session: session, address: strings.Join(dial.Brokers, ","), parts: make(map[place]*partition), ready: make(chan struct{})}
	options, err := a.consume(own)
	if err != nil {
		return err
	}
	isolation := kgo.ReadCommitted()
	if a.o.Uncommitted {
		isolation = kgo.ReadUncommitted()
	}
	options = append(options, kgo.SessionTimeout(sessionTimeout), kgo.HeartbeatInterval(sessionTimeout/4), kgo.FetchIsolationLevel(isolation), kgo.MetadataMaxAge(metadataAge), kgo.OnPartitionsAssigned(r.assigned), kgo.OnPartitionsRevoked(r.revoked),
		kgo.OnPartitionsLost(r.lost), kgo.AdjustFetchOffsetsFn(r.adjust), kgo.ConsumeResetOffset(a.start()), kgo.ConsumeStartOffset(a.start()))
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	r.client, err = kgo.NewClient(dial.Options(append(append(dial.Group(a.o.Group), kgo.WithContext(life)), options...)...)...)
	if err != nil {
		return fmt.Errorf("kafka client: %w", err)
	}
	defer r.close(end)
	// A request to a broker that does not answer goes on for longer than its context.
	stop := context.AfterFunc(ctx, func() {
		if retry.Wait(life, patience) == nil {
			end()
		}
	})
	defer stop()
	r.admin = kadm.NewClient(r.client)
	close(r.ready)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return r.read(ctx) })
	group.Go(func() error { return r.check(ctx) })
	err = group.Wait()
	// What has been done meanwhile is committed, so that as little as possible is read again.
	final, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	_ = r.commit(final) // What is not committed is read again.
	return err
}

// close leaves the group and closes the client. Brokers that do not answer must not hold it up: then end ends all requests after a while, and the group
// waits for the end of the session.
func (r *reader) close(end context.CancelFunc) {
	timer := time.AfterFunc(patience, end)
	defer timer.Stop()
	r.client.Close()
}

func (a *Adapter) start() kgo.Offset {
	if a.o.Latest {
		return kgo.NewOffset().AtEnd()
	}
	return kgo.NewOffset().AtStart()
}

// ownTopics returns the topics that must not be read: those of this program, if it uses the same cluster.
func (a *Adapter) ownTopics(ctx context.Context, dial kafka.Dial) ([]string, error) {
	if len(a.o.OwnDial.Brokers) == 0 {
		return nil, nil // The program's own cluster is in another process, and is no other's.
	}
	there, err := clusterID(ctx, dial)
	if err != nil {
		return nil, err
	}
	ours, err := clusterID(ctx, a.o.OwnDial)
	if err != nil {
		return nil, fmt.Errorf("the program's own cluster: %w", err)
	}
	if there != ours {
		return nil, nil
	}
	t := a.o.Own
	return []string{t.Readings, t.DeadLetters, t.Aggregates, t.Alerts, t.States, t.InForce, t.Sources, t.Maps}, nil
}

// clusterID returns the id of a cluster.
func clusterID(ctx context.Context, dial kafka.Dial) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	client, err := kgo.NewClient(dial.Options()...)
	if err != nil {
		return "", fmt.Errorf("kafka client: %w", err)
	}
	defer client.Close()
	metadata, err := kadm.NewClient(client).BrokerMetadata(ctx)
	if err != nil {
		return "", fmt.Errorf("connect: %w", err)
	}
	return metadata.Cluster, nil
}

// consume returns the options with the topics.
func (a *Adapter) consume(own []string) ([]kgo.Opt, error) {
	isPattern := func(topic string) bool { return strings.HasPrefix(topic, "^") }
	var patterns []string
	for _, topic := range a.o.Topics {
		switch {
		case isPattern(topic):
			patterns = append(patterns, topic)
		case slices.Contains(own, topic):
			return nil, fmt.Errorf("topic %s is the program's own: what it writes there would come back to it for ever", topic)
		default:
			patterns = append(patterns, "^"+regexp.QuoteMeta(topic)+"$")
		}
	}
	if !slices.ContainsFunc(a.o.Topics, isPattern) {
		return []kgo.Opt{kgo.ConsumeTopics(a.o.Topics...)}, nil
	}
	options := []kgo.Opt{kgo.ConsumeRegex(), kgo.ConsumeTopics(patterns...)}
	// Names with two underscores are the cluster's own, such as its consumers' offsets.
	excluded := []string{"^__"}
	for _, topic := range own {
		if topic != "" {
			excluded = append(excluded, "^"+regexp.QuoteMeta(topic)+"$")
		}
	}
	return append(options, kgo.ConsumeExcludeTopics(excluded...)), nil
}

// read sends records to the pipeline until ctx ends or the client fails.
func (r *reader) read(ctx context.Context) error {
	for {
		fetches := r.client.PollRecords(ctx, maxRecords)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for _, failed := range fetches.Errors() {
			if err := r.failed(failed); err != nil {
				return err
			}
		}
		var err error
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			r.fetched(&p)
			for _, record := range p.Records {
				if err == nil {
					err = r.send(ctx, record)
				}
			}
		})
		if err != nil {
			return err
		}
	}
}

// failed handles what the client says about a partition. The error ends the connection.
func (r *reader) failed(f kgo.FetchError) error {
	err := fmt.Errorf("topic %s, partition %d: %w", f.Topic, f.Partition, f.Err)
	var loss *kgo.ErrDataLoss
	switch {
	case errors.Is(f.Err, kgo.ErrClientClosed):
		return err
	case errors.As(f.Err, &loss):
		r.session.Problem(err)
		return nil
	case errors.Is(f.Err, kerr.UnknownTopicOrPartition), errors.Is(f.Err, kerr.UnknownTopicID):
		if r.hasTopic(f.Topic) { // The client does not notice when a topic of the same name is created again.
			return fmt.Errorf("topic %s was deleted", f.Topic)
		}
		r.session.Problem(fmt.Errorf("topic %s does not exist", f.Topic))
		return nil
	}
	return err
}

// check commits offsets, publishes the lag and finds out whether the brokers still answer, until ctx ends or they do not.
func (r *reader) check(ctx context.Context) error {
	ticker := time.NewTicker(checkInterval)
	defer ticker.Stop()
	failures, began := 0, time.Now()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		limited, cancel := context.WithTimeout(ctx, patience)
		err := r.client.Ping(limited)
		if err == nil {
			err = r.commit(limited)
		}
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			failures = 0
			r.publishLag()
			if !r.hasPartitions() && time.Since(began) > assignmentPatience {
				r.session.Problem(fmt.Errorf("group %s gives this program no partition of %s: does the topic exist, and may it be read?",
					r.adapter.o.Group, strings.Join(r.adapter.o.Topics, ", ")))
				began = time.Now()
			}
			continue
		}
		if errors.Is(err, context.DeadlineExceeded) {
			err = source.WithCause(fmt.Errorf("no broker has answered for %v", patience), source.CauseSilent)
		}
		r.session.Problem(caused(err))
		if failures++; failures >= maxFailures {
			return err
		}
	}
}
