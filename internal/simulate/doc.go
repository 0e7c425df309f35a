// Package simulate is a fleet of devices that do not exist: seeded, deterministic, and as unruly as real ones.
package simulate
