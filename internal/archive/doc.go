// Package archive takes what the log holds into a database, exactly once: readings, closed windows, alerts and devices,
// each batch in one transaction with the offsets it came from.
package archive
