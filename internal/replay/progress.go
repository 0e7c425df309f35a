package replay

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
)

// plainEvery is how often progress is told where there is no terminal to draw a bar on.
const plainEvery = 5 * time.Second

// progress shows a person how far a replay has come: a bar on a terminal, else a line now and then.
type progress struct {
	w     io.Writer
	start time.Time
	// bar is nil unless w is a terminal.
	bar *progressbar.ProgressBar
	// told is when the last plain line was written.
	told time.Time
	// away is set from the first failed try of a request until an answer.
	away bool
}

func newProgress(w io.Writer) *progress {
	now := time.Now()
	p := &progress{w: w, start: now, told: now}
	if isTerminal(w) {
		p.bar = progressbar.NewOptions64(1,
			progressbar.OptionSetWriter(w),
			progressbar.OptionFullWidth(),
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(),
		)
	}
	return p
}

// isTerminal reports whether w is a file that people look at.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// advance shows what has been done after an answer. The share of the file that has been read stands for the share of the
// time that has passed.
func (p *progress) advance(done *Summary, read, size int64) {
	p.away = false
	rate := float64(done.Sent) / max(time.Since(p.start).Seconds(), 1e-3)
	if p.bar != nil {
		p.bar.Describe(fmt.Sprintf("%d readings, %.0f/s", done.Sent, rate))
		p.bar.ChangeMax64(max(size, read, 1))
		// The bar cannot be written to a terminal that has gone away, which is no reason to stop.
		_ = p.bar.Set64(read)
		return
	}
	if time.Since(p.told) < plainEvery {
		return
	}
	p.told = time.Now()
	share := float64(read) / float64(max(size, read, 1))
	left := time.Duration(float64(time.Since(p.start)) * (1 - share) / max(share, 1e-9)).Round(time.Second)
	fmt.Fprintf(p.w, "%d readings sent, %.0f/s, %.0f %% of the file, about %v left\n", done.Sent, rate, 100*share, left)
}

// waiting says once that the system is away.
func (p *progress) waiting(err error, _ time.Duration) {
	if p.away {
		return
	}
	p.away = true
	p.clear()
	fmt.Fprintf(p.w, "waiting for the system: %v\n", err)
}

// clear removes the bar, to write something else.
func (p *progress) clear() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
