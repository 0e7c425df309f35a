// Package simulate is a fleet of devices that do not exist: seeded, deterministic, and as unruly as real ones.
//
// What a device says at a moment depends on the seed, the device's number and the moment alone. Nothing is remembered
// from reading to reading: chance comes from hashing (seed, device, stream, slot of time), and an episode such as a
// drift lies in a slot of time whose hash decides whether it happens. So a restart continues every curve where it would
// have been, the count changes no device, and any moment can be generated without what came before it.
package simulate
