package observe

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// WatchDisk publishes the free space and the size of the file system of dir at each scrape; NaN if the system call fails.
// Call it at most once.
func (m *Metrics) WatchDisk(dir string) {
	auto := promauto.With(m.registry)
	watch := func(name, help string, field func(free, size float64) float64) {
		auto.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			free, size, err := diskSpace(dir)
			if err != nil {
				return math.NaN()
			}
			return field(free, size)
		})
	}
	watch("iot_data_dir_free_bytes", "Free space on the file system of the data directory.",
		func(free, _ float64) float64 { return free })
	watch("iot_data_dir_size_bytes", "Size of the file system of the data directory.",
		func(_, size float64) float64 { return size })
}
