// Package source has what all sources of real readings share. A source uses one protocol: its Adapter connects and receives, a Runner
// starts the adapter again whenever it ends, and a Pipeline makes readings of what the adapter has received and appends them to the log.
// Each protocol is a package below this one.
package source
