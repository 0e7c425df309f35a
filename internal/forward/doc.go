// Package forward sends what the log of a gateway holds to a centre: another iotmon over HTTP, or the readings' topic of another Kafka.
//
// It reads the local log from a stored position on, in the order of each partition, and moves the position only over what the centre has
// acknowledged or rejected. So a reading is sent at least once, and since a reading is its device and its time, it counts there exactly
// once. Readings keep their own times. Those that have waited for long are marked historical, so that they alarm nobody at the centre.
package forward
