// Package bench puts a running system under load, measures its throughput and latency, and verifies that every reading sent
// is in exactly one summary.
package bench
