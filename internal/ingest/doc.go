// Package ingest is the way in for real readings over HTTP.
package ingest
