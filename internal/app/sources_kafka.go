package app

import (
	"fmt"
	"os"
	"strings"

	"iotmon/internal/config"
	"iotmon/internal/kafka"
	"iotmon/internal/kafka/intake"
)

// newIntake returns the options of a source that reads topics, for a program whose own cluster and topics are given.
func newIntake(configured *config.Source, own kafka.Dial, topics kafka.Topics) intake.Options {
	k := configured.Kafka.Filled(configured.Name)
	return intake.Options{
		Dial:    func() (kafka.Dial, error) { return dialSource(&k, own) },
		Topics:  k.Topics,
		Group:   k.Group,
		Latest:  k.From == config.FromLatest,
		OwnDial: own, Own: topics,
		Uncommitted: k.Isolation == config.ReadUncommitted,
	}
}

// dialSource returns how to reach the cluster of a source, with its files read anew.
func dialSource(k *config.KafkaSource, own kafka.Dial) (kafka.Dial, error) {
	if len(k.Brokers) == 0 {
		return own, nil
	}
	dial := kafka.Dial{Brokers: k.Brokers, ClientID: own.ClientID, Version: own.Version, Logger: own.Logger}
	var err error
	if t := k.TLS; t != nil {
		files := config.TLS{Enabled: true, CAFile: t.CAFile, CertFile: t.CertFile, KeyFile: t.KeyFile, ServerName: t.ServerName}
		if dial.TLS, err = newTLS(&files); err != nil {
			return dial, fmt.Errorf("tls: %w", err)
		}
	}
	if k.SASL != nil {
		password, err := os.ReadFile(k.SASL.PasswordFile)
		if err != nil {
			return dial, fmt.Errorf("sasl: password_file: %w", err)
		}
		dial.Login, err = kafka.NewLogin(k.SASL.Mechanism, k.SASL.Username, strings.TrimRight(string(password), "\r\n"))
		return dial, err
	}
	return dial, nil
}
