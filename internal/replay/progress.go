package replay

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
)

// plainEvery is the interval of progress lines if the output is not a terminal.
const plainEvery = 5 * time.Second

// progress shows how much of a recording has been sent: as a bar on a terminal, otherwise in a line now and then.
type progress struct {
	w     io.Writer
	start time.Time
	// bar is nil if w is not a terminal.
	bar *progressbar.ProgressBar
	// lastLine is the time of the last plain line.
	lastLine time.Time
	// outage is set from the first failed request until the next response.
	outage bool
}

func newProgress(w io.Writer) *progress {
	now := time.Now()
	p := &progress{w: w, start: now, lastLine: now}
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

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// advance shows the progress after a response. The bar shows the share of the file that has been read.
func (p *progress) advance(done *Summary, read, size int64) {
	p.outage = false
	rate := float64(done.Sent) / max(time.Since(p.start).Seconds(), 1e-3)
	if p.bar != nil {
		p.bar.Describe(fmt.Sprintf("%d readings, %.0f/s", done.Sent, rate))
		p.bar.ChangeMax64(max(size, read, 1))
		// An error means that the terminal was closed. The replay goes on.
		_ = p.bar.Set64(read)
		return
	}
	if time.Since(p.lastLine) < plainEvery {
		return
	}
	p.lastLine = time.Now()
	share := float64(read) / float64(max(size, read, 1))
	left := time.Duration(float64(time.Since(p.start)) * (1 - share) / max(share, 1e-9)).Round(time.Second)
	fmt.Fprintf(p.w, "%d readings sent, %.0f/s, %.0f %% of the file, about %v left\n", done.Sent, rate, 100*share, left)
}

// waiting shows, once for each outage, that the system cannot be reached.
func (p *progress) waiting(err error, _ time.Duration) {
	if p.outage {
		return
	}
	p.outage = true
	p.clear()
	fmt.Fprintf(p.w, "waiting for the system: %v\n", err)
}

// clear removes the bar, so that other text can be written.
func (p *progress) clear() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
