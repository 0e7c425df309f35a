package push

import "github.com/gorilla/websocket"

// Reason is why a connection ended, or was not accepted. It is the label of a metric, and the text with which the WebSocket is closed.
type Reason string

// Why connections end.
const (
	ClientLeft     Reason = "client left"
	ConnectionLost Reason = "connection lost"
	TooSlow        Reason = "too slow to write to"
	TooSlowAlerts  Reason = "too slow for alerts"
	NoPong         Reason = "no answer to ping"
	NotText        Reason = "only text messages are understood"
	TooLarge       Reason = "message too large"
	TooMany        Reason = "too many messages"
	Unfinished     Reason = "message was begun and not finished"
	Undecodable    Reason = "message cannot be decompressed"
	ShuttingDown   Reason = "server is shutting down"
)

// Why connections are not accepted.
const (
	Full         Reason = "too many connections"
	BadHandshake Reason = "bad handshake"
	BadResume    Reason = "bad resume or filter"
)

// closeCode returns the WebSocket close code that goes with the reason.
func (r Reason) closeCode() int {
	switch r {
	case ShuttingDown:
		return websocket.CloseGoingAway
	case NotText:
		return websocket.CloseUnsupportedData
	case TooLarge:
		return websocket.CloseMessageTooBig
	case Undecodable:
		return websocket.CloseInvalidFramePayloadData
	case TooMany, Unfinished:
		return websocket.ClosePolicyViolation
	case TooSlow, TooSlowAlerts:
		return websocket.CloseTryAgainLater
	default:
		return websocket.CloseNormalClosure
	}
}
