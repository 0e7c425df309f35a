package app

import (
	"testing"

	"iotmon/internal/config"
	"iotmon/internal/kafka/processor"
)

// Without a processor in this process no handover ever comes, and a page that waited for it would stay empty.
func TestTheLiveViewWaitsForNoHandoverWithoutAProcessor(t *testing.T) {
	for role, want := range map[string]bool{config.RoleProcessor: true, config.RoleArchiver: false} {
		s := &Service{cfg: new(config.Config), handover: processor.NewHandover()}
		s.cfg.Consumer.Roles = []string{role}
		if got := s.states() != nil; got != want {
			t.Errorf("role %s: got something to start from: %v, want %v", role, got, want)
		}
	}
}
