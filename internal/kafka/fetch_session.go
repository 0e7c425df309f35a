package kafka

import "github.com/twmb/franz-go/pkg/kgo"

// NoFetchSession returns the option of a consumer that reads a part of the log once and is then closed. A fetch session makes the
// requests of a long-lived consumer smaller. When a consumer is closed, franz-go v1.22.2 ends the session while a last answer may
// still change it: a data race that a test with -race found once in some thousand closes.
func NoFetchSession() kgo.Opt { return kgo.DisableFetchSessions() }
