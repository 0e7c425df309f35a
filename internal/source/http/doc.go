// Package httpsource is the way in over HTTP: a handler that admits the readings of a request and answers once the log has
// acknowledged them.
package httpsource
