// Package opcua is the source of readings that subscribes to the variables of an OPC UA server.
//
// The types of requests, their encoding and the algorithms of the security policies are those of github.com/gopcua/opcua. The channel,
// the session and the decoder of responses are this package's own, for three reasons. A response that the library cannot decode ends the
// whole program, because the library decodes it in a goroutine of its own; here it ends the connection. The library acknowledges a
// notification when it has arrived, this package when its values are in the log, so that a server that can republish
// loses nothing. And the library keeps a state of its own about the connection, which can say connected when nothing is published.
package opcua
