package deliver

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/iot"
)

// A receiver that is out leaves one line when it begins, with the reason, and one when it is back, also if the session begins anew meanwhile; one
// that works now and then does not fill the log.
func TestTheLogSaysWhenAReceiverFailsAndWhenItIsBack(t *testing.T) {
	for _, answer := range []string{"503", "400", "hang", "refused connection", "flapping"} {
		t.Run(answer, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				to := &receiver{phases: []phase{{"200", time.Minute}, {answer, 10 * time.Minute}}}
				if answer == "flapping" {
					to.phases = nil
					for range 60 {
						to.phases = append(to.phases, phase{"200", 30 * time.Second}, phase{"503", 30 * time.Second})
					}
				}
				p := newPlant(to)
				for i := range 80 {
					p.raise(fmt.Sprint("c", i), iot.Critical, iot.Raised)
					p.pass(45 * time.Second)
					if i == 8 {
						p.restart()
					}
				}
				fails, back := strings.Count(p.lines.String(), "a receiver does not take notifications"), strings.Count(p.lines.String(), "a receiver takes notifications again")
				if answer == "flapping" {
					if fails < 5 || fails > 7 || back != fails {
						t.Errorf("got %d and %d lines in an hour, want one of each in ten minutes", fails, back)
					}
				} else if fails != 1 || back != 1 {
					t.Errorf("got %d and %d lines, want one of each:\n%s", fails, back, p.lines)
				}
				reason := map[string]string{"503": "503 Service", "400": "400 Bad", "hang": "no answer within 30s", "refused connection": "connection refused"}[answer]
				for _, part := range []string{"channel=chat", "reason=", reason, "after=", "waited="} {
					if !strings.Contains(p.lines.String(), part) {
						t.Errorf("got no %q in\n%s", part, p.lines)
					}
				}
				p.queue.close()
			})
		})
	}
}
