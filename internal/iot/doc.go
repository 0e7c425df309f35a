// Package iot is the domain: devices, their readings, the windows that summarize them, and the alerts they raise.
//
// It imports only the standard library and the tables of Unicode that are kept outside of it, and does no I/O. Every other
// package speaks in its words.
package iot
