package observe

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Plant is the present state of the devices.
type Plant struct {
	Online, Offline, OpenAlerts int
	// Unacknowledged are the open alerts that nobody has acknowledged and that are not suppressed, Stale those that have been open for a day.
	Unacknowledged, Stale int
}

// WatchPlant publishes what read returns at each scrape. Call it at most once.
func (m *Metrics) WatchPlant(read func() Plant) {
	auto := promauto.With(m.registry)
	watch := func(name, help string, field func(Plant) int) {
		auto.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(field(read())) })
	}
	// The product has documented this name, though only a counter should end in _total.
	watch("iot_devices_online_total", "Devices that are online.", func(p Plant) int { return p.Online })
	watch("iot_devices_offline", "Devices that are offline.", func(p Plant) int { return p.Offline })
	watch("iot_alerts_open", "Alerts that have been raised and not cleared.", func(p Plant) int { return p.OpenAlerts })
	watch("iot_alerts_unacknowledged", "Open alerts that nobody has acknowledged, shelved or suppressed.", func(p Plant) int { return p.Unacknowledged })
	watch("iot_alerts_stale", "Alerts that have been open for more than 24 hours.", func(p Plant) int { return p.Stale })
}

// Shelvings are how many rules of devices, and whole devices, are shelved and out of service.
type Shelvings struct{ Shelved, OutOfService int }

// WatchShelvings publishes what read returns at each scrape. Call it at most once.
func (m *Metrics) WatchShelvings(read func() Shelvings) {
	watch := func(kind string, field func(Shelvings) int) {
		promauto.With(m.registry).NewGaugeFunc(prometheus.GaugeOpts{
			Name: "iot_shelvings", Help: "Rules of devices, and whole devices, of which nobody is notified by somebody's decision, also without an alert, by kind.",
			ConstLabels: prometheus.Labels{"kind": kind},
		}, func() float64 { return float64(field(read())) })
	}
	watch("shelved", func(s Shelvings) int { return s.Shelved })
	watch("out_of_service", func(s Shelvings) int { return s.OutOfService })
}

// WatchUndivided publishes how many windows of the live view have lost their division by area. Call it at most once.
func (m *Metrics) WatchUndivided(undivided func() int64) {
	promauto.With(m.registry).NewCounterFunc(prometheus.CounterOpts{
		Name: "iot_view_undivided_windows_total",
		Help: "Windows of the live view that can no longer be narrowed to an area, because there were too many areas, types and partitions.",
	}, func() float64 { return float64(undivided()) })
}

// WatchSimulator publishes how many readings the simulator could not send in time. Call it at most once.
func (m *Metrics) WatchSimulator(skipped func() int64) {
	promauto.With(m.registry).NewCounterFunc(prometheus.CounterOpts{
		Name: "iot_simulator_messages_skipped_total",
		Help: "Simulated readings not sent because the simulator was too far behind.",
	}, func() float64 { return float64(skipped()) })
}
