// Package postgres keeps the archive in PostgreSQL 13 or newer: for many devices, for long, and for several archivers and
// web instances at once.
//
// Readings are in partitions by day, which are created on demand and dropped as a whole. A writer first locks the rows of
// the offsets that it moves, in a fixed order, and then all other shared rows in the order of their keys. So writers may
// wait for each other but cannot deadlock.
package postgres
