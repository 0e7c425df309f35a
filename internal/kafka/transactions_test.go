package kafka_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/kafka"
	"iotmon/internal/kafka/kafkatest"
)

// A service stops, or loses patience, after it has written the first of several decisions. Readings behind that one must not wait until the
// broker's timeout ends the transaction.
func TestDecisionsThatAreInterruptedKeepNothingBack(t *testing.T) {
	l := kafkatest.NewLog(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	admin := kadm.NewClient(l.Client)
	_, err := kafka.AppendDecisions(ctx, l.Dial, func(context.Context, *kgo.Client) ([]*kgo.Record, error) {
		go func() {
			defer interrupt()
			kafkatest.Eventually(t, "the first decision is written", func() bool {
				ends, err := admin.ListEndOffsets(ctx, l.Topics.Readings)
				end, _ := ends.Lookup(l.Topics.Readings, 0)
				return err == nil && end.Offset > 0
			})
		}()
		// It takes the client seconds to find out that there is no such topic.
		return []*kgo.Record{{Topic: l.Topics.Readings, Value: []byte("first")}, {Topic: "missing", Value: []byte("second")}}, nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want it to be interrupted", err)
	}
	interrupted := time.Now()
	kafkatest.Eventually(t, "nothing is open", func() bool {
		ends, err := admin.ListEndOffsets(t.Context(), l.Topics.Readings)
		stable, stableErr := admin.ListCommittedOffsets(t.Context(), l.Topics.Readings)
		if err != nil || stableErr != nil {
			return false
		}
		end, _ := ends.Lookup(l.Topics.Readings, 0)
		upTo, _ := stable.Lookup(l.Topics.Readings, 0)
		return end.Offset == upTo.Offset
	})
	if took := time.Since(interrupted); took > kafka.TransactionTimeout/2 {
		t.Errorf("the readings waited %v, want the transaction to be aborted by who began it", took)
	}
}
