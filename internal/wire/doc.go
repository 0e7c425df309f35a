// Package wire is the JSON of every message: on the Kafka topics, over WebSocket, and in the answers of the REST API. The
// golden files in testdata pin the shapes.
package wire
