package mqtt

import (
	"cmp"
	"fmt"
)

// reasons are the reason codes of MQTT 5 that an operator can act on.
var reasons = map[byte]string{
	0x00: "normal",
	0x04: "normal, with the will",
	0x80: "unspecified error",
	0x81: "malformed packet",
	0x82: "protocol error",
	0x83: "refused for a reason of its own",
	0x84: "does not know this version of MQTT: set version: 3",
	0x85: "client_id not allowed",
	0x86: "wrong username or password",
	0x87: "not authorized",
	0x88: "unavailable",
	0x89: "busy",
	0x8a: "the client is banned",
	0x8b: "shutting down",
	0x8c: "wants another way to log in",
	0x8d: "no packet within the keep-alive",
	0x8e: "another client connected with the same client_id",
	0x8f: "topic filter not allowed",
	0x90: "topic not allowed",
	0x93: "more messages than receive_maximum",
	0x95: "packet too large",
	0x96: "too many messages",
	0x97: "quota exceeded",
	0x98: "an administrator has ended the connection",
	0x99: "payload of another format",
	0x9b: "quality of service not supported",
	0x9c: "another server is to be used",
	0x9d: "the server has moved",
	0x9e: "shared subscriptions not supported",
	0x9f: "too many connections",
	0xa0: "the longest connection time has passed",
	0xa1: "subscription identifiers not supported",
	0xa2: "wildcards not supported",
}

// reasons3 are the answers to CONNECT of MQTT 3.1.1.
var reasons3 = map[byte]string{
	1: "does not know this version of MQTT",
	2: "client_id not allowed",
	3: "unavailable",
	4: "wrong username or password",
	5: "not authorized",
}

// A ReasonError is what a broker has answered instead of success.
type ReasonError struct {
	// During is what has failed.
	During string
	Code   byte
	// Text is what the broker says about it, empty for nothing; Reference is the server to use instead.
	Text, Reference string
	meaning         string
}

// Error is what has failed and why.
func (e *ReasonError) Error() string {
	text := fmt.Sprintf("%s: %s (reason code 0x%02x)", e.During, e.meaning, e.Code)
	if e.Text != "" {
		text += ": " + e.Text
	}
	if e.Reference != "" {
		text += "; the broker says to use " + e.Reference + ": change url"
	}
	return text
}

func newReasonError(during string, version int, code byte, p properties) *ReasonError {
	known := reasons
	// A broker of MQTT 3.1.1 refuses MQTT 5 with a code of its own version.
	if version != 5 || code < 0x80 && code > 0 && during == refused {
		known = reasons3
	}
	e := &ReasonError{During: during, Code: code, Text: p.reasonString, Reference: p.serverReference}
	e.meaning = cmp.Or(known[code], "unknown reason")
	if during == refused && (code == 0x87 || code == 5) { // What brokers answer to a wrong password, too.
		e.meaning += ": check username and password_file"
	}
	return e
}

// What can fail.
const (
	refused      = "the broker refuses the connection"
	disconnected = "the broker has disconnected"
)

// Cause says what kind of error it is: the login is refused, the connection was closed; empty for any other.
func (e *ReasonError) Cause() string {
	switch {
	case e.During == disconnected:
		return "closed"
	case e.During != refused:
	case e.Code == 0x86, e.Code == 0x87, e.Code == 4, e.Code == 5:
		return "login"
	}
	return ""
}
