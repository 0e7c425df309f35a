// Package performance compares the libraries that the product uses with their alternatives, and one setting with another,
// each pair in one run, so that the choices in docs/dependencies.md rest on ratios. It is a module of its own, because the
// product has no use for what it weighs:
//
//	cd tests/performance && go test -run '^$' -bench . .
//
// Kafka is the embedded broker, or what BROKERS names.
package performance
