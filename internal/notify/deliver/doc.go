// Package deliver runs package notify: it reads the alerts from the log, stores what is to be notified together with how far it has read, and sends it.
//
// One Notifier of all processes on a database works, the one that has the lease; the others wait for it. What it has decided is stored in one transaction
// with the offsets of the alerts before any of it is sent, so a kill loses nothing. It is sent at least once, under an id that stays the same.
package deliver
