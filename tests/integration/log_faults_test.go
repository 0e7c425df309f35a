package integration

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/iot"
)

// transact writes samples into the readings' topic in one transaction, and ends it.
func (d *deployment) transact(t *testing.T, client *kgo.Client, samples []sample, end kgo.TransactionEndTry) {
	t.Helper()
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	d.write(t, client, samples)
	if err := client.EndTransaction(t.Context(), end); err != nil {
		t.Fatal(err)
	}
}

func (d *deployment) write(t *testing.T, client *kgo.Client, samples []sample) {
	t.Helper()
	var records []*kgo.Record
	for _, s := range samples {
		value := strings.TrimSpace(string(encode([]sample{s})))
		records = append(records, &kgo.Record{Topic: d.topics.prefix + "readings", Key: []byte(s.device), Value: []byte(value)})
	}
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// readingsInTransactions has another program write readings in transactions, as Connect and Flink do, beside the posters. It
// aborts half of them, with values that would raise alerts, and leaves one open for a while.
func readingsInTransactions(t *testing.T, d *deployment, _ *posters) {
	id := "test-connector-" + uuid.NewString()
	client := d.topics.client(kgo.TransactionalID(id), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	devices := []string{"transactional/0", "transactional/1", "transactional/2", "transactional/3"}
	batch := func(value float64) (samples []sample) {
		for _, device := range devices {
			samples = append(samples, sample{device: device, kind: iot.Temperature, at: iot.CutTime(time.Now()), value: value})
		}
		return samples
	}
	for range 40 {
		committed := batch(20)
		d.transact(t, client, committed, kgo.TryCommit)
		d.strange = append(d.strange, committed...)
		d.transact(t, client, batch(90), kgo.TryAbort)
		time.Sleep(50 * time.Millisecond)
	}
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	d.write(t, client, batch(90))
	consumer := d.named("consumer")
	waitFor(t, patience, "the consumer names the producer whose transaction is open", func() bool {
		return strings.Contains(readiness(t, consumer), id)
	})
	if err := client.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	waitFor(t, patience, "the consumer finds no transaction open", func() bool {
		return !strings.Contains(readiness(t, consumer), "open transactions")
	})
}

// named returns one of the services of a name.
func (d *deployment) named(name string) *server {
	d.t.Helper()
	for _, s := range d.services {
		if s.name == name {
			return s
		}
	}
	d.t.Fatalf("no %s runs", name)
	return nil
}

// readiness returns the body of a service's /ready.
func readiness(t *testing.T, s *server) string {
	t.Helper()
	response, err := http.Get(s.base() + "/ready")
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// offsetsAreDeleted stops all consumers, deletes the committed offsets of the processors' group, and starts consumers again.
func offsetsAreDeleted(t *testing.T, d *deployment, p *posters) {
	consumers := 0
	for {
		found := false
		for _, s := range d.services {
			if s.name == "consumer" {
				d.remove(s)
				found = true
				consumers++
				break
			}
		}
		if !found {
			break
		}
	}
	admin := kadm.NewClient(d.topics.client())
	waitFor(t, patience, "the group is deleted", func() bool {
		response, err := admin.DeleteGroup(t.Context(), d.topics.prefix+"group")
		return err == nil && response.Err == nil
	})
	before := p.acknowledged.Load()
	waitFor(t, patience, "readings are acknowledged", func() bool { return p.acknowledged.Load() > before+100 })
	for range consumers {
		d.add("consumer")
	}
}
