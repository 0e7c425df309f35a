package app

import (
	"testing"

	"iotmon/internal/config"
	"iotmon/internal/kafka/processor"
)

// With no processor in this process nobody would ever hand anything over, and the page would wait for it.
func TestTheLiveViewWaitsForNoHandoverWithoutAProcessor(t *testing.T) {
	for role, want := range map[string]bool{config.RoleProcessor: true, config.RoleArchiver: false} {
		s := &Service{cfg: new(config.Config), handover: processor.NewHandover()}
		s.cfg.Consumer.Roles = []string{role}
		if got := s.states() != nil; got != want {
			t.Errorf("role %s: got something to start from: %v, want %v", role, got, want)
		}
	}
}
