// Package archive copies readings, closed windows, alerts and devices from Kafka to a database exactly once: each batch is
// written in one transaction with the offsets of its records.
package archive
