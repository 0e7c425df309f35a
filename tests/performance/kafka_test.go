package performance

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"iotmon/internal/kafka/embedded"
)

const (
	partitions = 10
	// inFlight is how many records may wait to be acknowledged, with either client.
	inFlight = 50_000
)

var topics atomic.Int64

// newTopic returns the brokers and a new topic.
func newTopic(b *testing.B) (brokers []string, topic string) {
	b.Helper()
	topic = fmt.Sprintf("performance-%d-%d", os.Getpid(), topics.Add(1))
	if named := os.Getenv("BROKERS"); named != "" {
		brokers = strings.Split(named, ",")
	} else {
		broker, err := embedded.Open(b.Context(), embedded.Options{Dir: b.TempDir(), Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = broker.Close() })
		brokers = broker.Addrs()
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		b.Fatal(err)
	}
	admin := kadm.NewClient(client)
	if _, err := admin.CreateTopic(b.Context(), partitions, 1, nil, topic); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_, _ = admin.DeleteTopic(context.Background(), topic)
		client.Close()
	})
	return brokers, topic
}

func key(i int) string { return fmt.Sprintf("device_%05d", i%10_000) }

// BenchmarkProduce sends readings until all are acknowledged: by all replicas, none twice, in LZ4, batches of up to 5 ms.
func BenchmarkProduce(b *testing.B) {
	for _, client := range []struct {
		name    string
		produce func(b *testing.B, brokers []string, topic string, n int)
	}{{"franz-go", produceFranz}, {"sarama", produceSarama}} {
		b.Run(client.name, func(b *testing.B) {
			brokers, topic := newTopic(b)
			b.ReportAllocs()
			b.ResetTimer()
			client.produce(b, brokers, topic, b.N)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "readings/s")
		})
	}
}

func produceFranz(b *testing.B, brokers []string, topic string, n int) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(topic), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(5*time.Millisecond), kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.MaxBufferedRecords(inFlight))
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	value := []byte(canonical)
	for i := range n {
		client.Produce(b.Context(), &kgo.Record{Key: []byte(key(i)), Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				b.Error(err)
			}
		})
	}
	if err := client.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
}

func saramaConfig() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.V3_6_0_0
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1 // What Sarama demands of an idempotent producer.
	config.Producer.Compression = sarama.CompressionLZ4
	config.Producer.Flush.Frequency = 5 * time.Millisecond
	config.Producer.Return.Successes = true
	return config
}

func produceSarama(b *testing.B, brokers []string, topic string, n int) {
	producer, err := sarama.NewAsyncProducer(brokers, saramaConfig())
	if err != nil {
		b.Fatal(err)
	}
	value := sarama.ByteEncoder(canonical)
	done := make(chan struct{})
	room := make(chan struct{}, inFlight)
	go func() {
		defer close(done)
		for range n {
			select {
			case <-producer.Successes():
			case err := <-producer.Errors():
				b.Error(err)
			}
			<-room
		}
	}()
	for i := range n {
		room <- struct{}{}
		producer.Input() <- &sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder(key(i)), Value: value}
	}
	<-done
	if err := producer.Close(); err != nil {
		b.Error(err)
	}
}

// BenchmarkConsume reads readings from all partitions.
func BenchmarkConsume(b *testing.B) {
	b.Run("franz-go", func(b *testing.B) {
		brokers, topic := newTopic(b)
		produceFranz(b, brokers, topic, b.N)
		b.ReportAllocs()
		b.ResetTimer()
		client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic))
		if err != nil {
			b.Fatal(err)
		}
		defer client.Close()
		for seen := 0; seen < b.N; {
			fetches := client.PollFetches(b.Context())
			if err := fetches.Err(); err != nil {
				b.Fatal(err)
			}
			seen += fetches.NumRecords()
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "readings/s")
	})
	b.Run("sarama", func(b *testing.B) {
		brokers, topic := newTopic(b)
		produceFranz(b, brokers, topic, b.N)
		b.ReportAllocs()
		b.ResetTimer()
		consumer, err := sarama.NewConsumer(brokers, saramaConfig())
		if err != nil {
			b.Fatal(err)
		}
		defer consumer.Close()
		seen := make(chan struct{}, inFlight)
		for partition := range int32(partitions) {
			from, err := consumer.ConsumePartition(topic, partition, sarama.OffsetOldest)
			if err != nil {
				b.Fatal(err)
			}
			defer from.AsyncClose()
			go func() {
				for range from.Messages() {
					seen <- struct{}{}
				}
			}()
		}
		for range b.N {
			<-seen
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "readings/s")
	})
}
