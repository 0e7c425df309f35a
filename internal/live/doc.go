// Package live keeps the present state of the plant and pushes every change of it to browsers over WebSocket.
package live
