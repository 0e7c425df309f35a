// Package push sends the present of the plant, internal/view, to browsers over WebSocket, as fast as each client can take it.
//
// Hub numbers what changes. A device or window that changes again takes a new number and gives up its old one, so what a
// client has missed is never more than the present state, however slow the client is and however long it was away: no
// client has a queue. Alerts alone are kept as a sequence, because each event counts.
package push
