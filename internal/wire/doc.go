// Package wire is the JSON of every message: what lies on the Kafka topics, what a browser gets over WebSocket, and what
// the REST interface answers. Shapes are pinned by the golden files in testdata.
package wire
