// Package httpsource is HTTP ingest: a handler that admits the readings of a request, appends them to the log, and answers once the
// log has acknowledged them.
package httpsource
