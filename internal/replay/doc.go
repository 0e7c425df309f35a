// Package replay is the client of "iotmon replay": it sends recordings, such as CSV files, to a running system over HTTP. Package
// recording reads the rows, and a Mapping converts their cells to readings.
package replay
