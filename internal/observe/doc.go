// Package observe is what an operator sees of a running service: its log, its metrics, and whether it lives and is ready.
package observe
