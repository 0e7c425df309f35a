package observe

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestSparingPassesEachMessageOncePerInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		logger := Sparing(slog.New(slog.NewTextHandler(&out, nil)), time.Minute)
		for range 130 {
			logger.Warn("no connection", "attempt", 1)
			logger.With("broker", 2).Warn("no connection")
			time.Sleep(time.Second)
		}
		logger.Info("connected")
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 4 || !strings.Contains(lines[1], "left_out=119") || !strings.Contains(lines[3], "connected") {
			t.Errorf("got %d lines, want the message three times, with what was left out, and the other\n%s", len(lines), out.String())
		}
	})
}
