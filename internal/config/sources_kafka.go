package config

import (
	"cmp"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
)

// KafkaSource is a source that reads topics of other programs. A zero value means the default of Filled.
type KafkaSource struct {
	// Brokers are the addresses of the cluster; empty means the one that iotmon uses itself, with its login.
	Brokers []string `koanf:"brokers"`
	// Topics are names of topics, or regular expressions that begin with ^.
	Topics []string `koanf:"topics"`
	// Group is the consumer group whose offsets say what has been read. The default comes from the source's name.
	Group string `koanf:"group"`
	// TLS, if it is there, encrypts the connections to Brokers.
	TLS  *SourceTLS  `koanf:"tls"`
	SASL *SourceSASL `koanf:"sasl"`
	// From is earliest or latest: where a partition is begun that the group has not read yet.
	From string `koanf:"from"`
	// Isolation is read_committed or read_uncommitted.
	Isolation string `koanf:"isolation"`
}

// SourceSASL is the login of a source to a Kafka cluster.
type SourceSASL struct {
	// Mechanism is PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
	Mechanism string `koanf:"mechanism"`
	Username  string `koanf:"username"`
	// PasswordFile contains the password, but for a line end at its end. It is read at each connection.
	PasswordFile string `koanf:"password_file"`
}

// The values of KafkaSource.From and KafkaSource.Isolation.
const (
	FromEarliest, FromLatest       = "earliest", "latest"
	ReadCommitted, ReadUncommitted = "read_committed", "read_uncommitted"
)

// Filled returns the section with its defaults for a source of the given name.
func (k *KafkaSource) Filled(source string) KafkaSource {
	f := *k
	f.Group = cmp.Or(f.Group, "iotmon-"+source)
	f.From = cmp.Or(f.From, FromEarliest)
	f.Isolation = cmp.Or(f.Isolation, ReadCommitted)
	return f
}

// check checks the section under the given key, for programs with a cluster of their own.
func (k *KafkaSource) check(c *checker, key, source string, cluster *Kafka) {
	own := []string{cluster.Topic, cluster.DeadLettersTopic, cluster.AggregatesTopic, cluster.AlertsTopic, cluster.StatesTopic, cluster.InForceTopic,
		cluster.SourcesTopic, cluster.MapsTopic}
	for i, broker := range k.Brokers {
		host, _, err := net.SplitHostPort(broker)
		c.mustText(err == nil && host != "", fmt.Sprintf("%s.brokers[%d]", key, i), broker, "an address host:port, such as kafka-1:9092")
	}
	within(c, key+".topics", len(k.Topics), 1, 1000)
	for i, topic := range k.Topics {
		at := fmt.Sprintf("%s.topics[%d]", key, i)
		if strings.HasPrefix(topic, "^") {
			_, err := regexp.Compile(topic)
			c.mustText(err == nil, at, topic, "a regular expression, such as ^line-[0-9]+$")
			continue
		}
		c.mustText(topicName.MatchString(topic), at, topic, "the name of a topic, or a regular expression that begins with ^")
		c.mustText(len(k.Brokers) > 0 || !slices.Contains(own, topic), at, topic,
			"a topic of other programs: what iotmon writes to its own would come back to it for ever")
	}
	c.mustText(len(k.Group) <= 249, key+".group", k.Group, "at most 249 bytes long")
	ours := k.Group == cluster.GroupID || strings.HasPrefix(k.Group, cluster.GroupID+"-")
	c.mustText(k.Group == "" || len(k.Brokers) > 0 || !ours, key+".group", k.Group, "another group than those of iotmon itself")
	c.must(len(k.Brokers) > 0 || k.TLS == nil && k.SASL == nil, key+".brokers", "nothing", "given together with tls and sasl; without brokers those of kafka apply")
	k.TLS.check(c, key+".tls")
	if k.SASL != nil {
		c.oneOf(key+".sasl.mechanism", k.SASL.Mechanism, "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
		c.mustText(k.SASL.Username != "", key+".sasl.username", "", "the name of a user")
		c.mustText(k.SASL.PasswordFile != "", key+".sasl.password_file", "", "the name of a file with the password")
	}
	f := k.Filled(source)
	c.oneOf(key+".from", f.From, FromEarliest, FromLatest)
	c.oneOf(key+".isolation", f.Isolation, ReadCommitted, ReadUncommitted)
}
