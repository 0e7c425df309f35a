// Package push sends the present of the plant, internal/view, to browsers over WebSocket, as fast as each of them can receive it.
//
// Hub numbers what changes. A device or window that changes again gets a new number instead of its old one, so what a viewer has
// missed is never more than the present state, however slow its client is and however long it was away: no viewer has a queue. Alert
// events alone are kept one by one, because each of them counts.
//
// A viewer that connects or changes its filter is sent changes from then on, and the state before that as a backfill, in chunks
// between the changes. A viewer that resumes its session is sent what changed since its last message. Hub lists the parts that do this,
// and the order of the locks.
//
// A viewer is one connection; the client is the program at its other end.
package push
