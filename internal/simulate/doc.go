// Package simulate is a fleet of simulated devices: seeded, deterministic, and with the faults of real ones.
//
// A device's value depends only on the seed, the device's number and the time. There is no state between readings:
// randomness is a hash of (seed, device, stream, time slot), and the hash of a time slot decides whether an episode such as
// a drift happens in it. So a restart continues every curve, the number of devices does not change any device, and the
// readings of any moment can be generated without earlier ones.
package simulate
