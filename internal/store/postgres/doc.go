// Package postgres keeps the archive in PostgreSQL 13 or newer: for many devices, for long, and for several archivers and
// web instances at once.
//
// Readings lie in partitions by day, which are made as they are needed and dropped as a whole. Whoever writes first locks
// the rows of the offsets that move, in a fixed order; all other rows that two writers could both want are locked in the
// order of their keys. So writers wait for each other, but never in a circle.
package postgres
