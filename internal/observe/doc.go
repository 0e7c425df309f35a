// Package observe is what an operator sees of a running service: its log, metrics, traces, health and readiness.
package observe
