// Package push sends the present of the plant, internal/view, to browsers over WebSocket, as fast as each client can take it.
//
// Hub numbers what changes. A device or window that changes again takes a new number and gives up its old one, so what a
// client has missed is never more than the present state, however slow the client is and however long it was away: no
// client has a queue. Alerts alone are kept as a sequence, because each event counts.
//
// A client that connects or changes its filter is sent changes from then on, and the state before that as a backfill, in chunks
// between the changes. A client that resumes is sent what changed since its last message. Hub lists the parts that do this, and the
// order of the locks.
package push
