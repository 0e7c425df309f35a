// Package ingest is the ways in for real readings: over HTTP, and from recordings in CSV files.
package ingest
