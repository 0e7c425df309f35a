// Package control holds what people decide: so far registry entries of devices, rules, maps of sources, and who is notified of alerts. A decision is validated, gets a version
// and an audit entry in one database transaction. It is in force once the processors have read it from the log; Loop brings it
// there.
package control
