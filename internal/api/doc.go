// Package api is the REST interface: devices, history, alerts and the ingest of readings, described by an OpenAPI 3.1
// document that is generated from the same code.
package api
