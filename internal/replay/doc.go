// Package replay sends recordings to a running system over HTTP: CSV files and their like, read row by row by package
// recording, whose cells a mapping makes readings of.
package replay
