package bench

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Report is what a run has measured. Its JSON is what -json prints.
type Report struct {
	Version string `json:"version"`
	Devices int    `json:"devices"`
	// Entries is how many of the devices have a registry entry.
	Entries int `json:"entries"`
	// Rules is how many rules there are besides the built-in ones, each of which watches a tenth of the devices.
	Rules int `json:"rules"`
	// Rate is the requested rate in readings a second; 0 means as many as possible.
	Rate       int    `json:"rate"`
	Partitions int    `json:"partitions"`
	Archive    bool   `json:"archive"`
	Broker     string `json:"broker"`

	// Readings is how many were sent, Seconds how long it took from the first sent to the last processed.
	Readings          int64   `json:"readings"`
	Seconds           float64 `json:"seconds"`
	ReadingsPerSecond float64 `json:"readings_per_second"`
	// Cores is how many were busy on average, with this process. CPU is microseconds for a reading, Stages what of it each
	// stage took.
	Cores  float64            `json:"cores"`
	CPU    float64            `json:"cpu_us_per_reading"`
	Stages map[string]float64 `json:"cpu_us_per_reading_by_stage"`

	// From the reading's timestamp: until the live view had it, until the alert that it raised was there; from the end of a
	// window, until it was closed.
	ToView   Quantiles `json:"created_to_view"`
	ToAlert  Quantiles `json:"created_to_alert"`
	ToClosed Quantiles `json:"window_end_to_closed"`
	Viewers  *Viewed   `json:"viewers,omitempty"`

	PeakRSS int64 `json:"peak_rss_bytes"`
	// DiskPerReading is what log and archive grew by, in bytes; absent with a broker elsewhere.
	DiskPerReading float64 `json:"disk_bytes_per_reading,omitempty"`

	Windows int `json:"windows_closed"`
	// Wrong lists differences; it is empty if every reading sent is in exactly one summary.
	Wrong []string `json:"wrong"`
}

// Write writes the report as text.
func (r *Report) Write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, values ...any) {
		fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, values...))
	}
	rate := "as many as possible"
	if r.Rate > 0 {
		rate = fmt.Sprintf("%d readings/s", r.Rate)
	}
	row("load", "%d devices, %s, for %.1f s", r.Devices, rate, r.Seconds)
	if r.Entries > 0 {
		row("registry", "%d devices with an entry", r.Entries)
	}
	if r.Rules > 0 {
		row("rules", "%d, each for a tenth of the devices", r.Rules)
	}
	row("broker", "%s, %d partitions; archive %s", r.Broker, r.Partitions, map[bool]string{true: "on", false: "off"}[r.Archive])
	row("throughput", "%.0f readings/s, %d in all", r.ReadingsPerSecond, r.Readings)
	row("processor time", "%.2f µs for a reading, %.2f cores", r.CPU, r.Cores)
	for _, stage := range StageOrder() {
		if r.Stages[stage] >= 0.005 {
			row("  "+stage, "%.2f µs", r.Stages[stage])
		}
	}
	quantiles := func(name string, q Quantiles) {
		if q.Count > 0 {
			row(name, "p50 %.1f ms, p95 %.1f ms, p99 %.1f ms, at most %.1f ms", q.P50, q.P95, q.P99, q.Max)
		}
	}
	quantiles("reading to view", r.ToView)
	quantiles("reading to alert", r.ToAlert)
	quantiles("window's end to close", r.ToClosed)
	if v := r.Viewers; v != nil {
		row("viewers", "%d, %.0f messages/s, %d gaps, %.2f cores of their own", v.Clients, v.MessagesPerSecond, v.Gaps, v.Cores)
		quantiles("reading to viewer", v.Latency)
	}
	row("memory", "%d MB at most", r.PeakRSS>>20)
	if r.DiskPerReading > 0 {
		row("disk", "%.0f bytes for a reading", r.DiskPerReading)
	}
	if len(r.Wrong) == 0 {
		row("exactness", "every reading is in exactly one summary; %d windows closed", r.Windows)
	} else {
		row("exactness", "%d windows are WRONG", len(r.Wrong))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, line := range r.Wrong[:min(len(r.Wrong), 10)] {
		if _, err := fmt.Fprintln(out, "  "+line); err != nil {
			return err
		}
	}
	return nil
}
