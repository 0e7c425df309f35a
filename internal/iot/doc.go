// Package iot is the domain: devices, their readings, the windows that summarize them, and the alerts they raise.
//
// It imports only the standard library and golang.org/x/text, and does no I/O. Every other package uses its types.
package iot
