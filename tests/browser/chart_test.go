package browser

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"iotmon/internal/wire"
)

// chartOf is the expression of a function that calls another with an ECharts chart.
func chartOf(selector string) string {
	return fmt.Sprintf(`(async (use) => {
		const echarts = await import(new URL("../vendor/echarts/echarts.esm.min.js", document.querySelector("script[type=module]").src).href);
		return use(echarts.getInstanceByDom(document.querySelector(%q)));
	})`, selector)
}

// The zoom and the hidden series stay when theme or language change and when the server restarts, and the zoom does not move as windows
// come.
func TestZoomAndHiddenSeriesStay(t *testing.T) {
	plant := startPlant(t, "-devices", "50", "-interval", "500ms")
	tab := plant.open(options{})
	tab.until(fmt.Sprintf(`(%s).then((s) => s.average?.filter(([, v]) => v !== null).length >= 6)`, chart("#aggregated-chart")))
	of := chartOf("#aggregated-chart")
	zoomed := eval[[2]float64](tab, of+`((chart) => {
		const times = chart.getOption().series.find(({ id }) => id === "average").data.map((d) => d.value[0]);
		const [from, to] = [times.at(-5), times.at(-3)];
		chart.dispatchAction({ type: "dataZoom", dataZoomIndex: 0, startValue: from, endValue: to });
		chart.dispatchAction({ type: "legendToggleSelect", name: chart.getOption().series.find(({ id }) => id === "minimum").name });
		return [from, to];
	})`)
	stays := func(after string) {
		t.Helper()
		got := eval[struct {
			From, To float64
			Hidden   bool
		}](tab, of+`((chart) => {
			const { dataZoom: [zoom], series, legend: [{ selected }] } = chart.getOption();
			return { From: zoom.startValue, To: zoom.endValue, Hidden: selected[series.find(({ id }) => id === "minimum").name] === false };
		})`)
		if got.From != zoomed[0] || got.To != zoomed[1] || !got.Hidden {
			t.Errorf("after %s: got %+v, want the times %v and the minimum hidden", after, got, zoomed)
		}
	}
	tab.click(`#theme label:has([value="dark"])`)
	tab.frame()
	stays("another theme")
	tab.click(`#language label:has([value="zh"])`)
	tab.frame()
	stays("another language")
	windows := fmt.Sprintf(`(%s).then((s) => s.average.length)`, chart("#aggregated-chart"))
	before := eval[int](tab, windows)
	tab.until(fmt.Sprintf(`%s.then((n) => n > %d)`, windows, before+1))
	stays("two more windows")
	// After the restart the archive's answer comes late: until then the chart does not reach back to what is looked at.
	tab.mu.Lock()
	tab.offline = true
	tab.mu.Unlock()
	eval[chromedp.Void](tab, `{
		const ask = window.fetch, answered = new Promise((answer) => (window.answer = answer));
		window.fetch = (address, ...rest) => String(address).includes("summaries") ? answered.then(() => ask(address, ...rest)) : ask(address, ...rest);
	}`)
	plant.kill()
	tab.until(`document.querySelector("#connection").dataset.phase === "waiting"`)
	plant.start()
	tab.until(`document.querySelector("#connection").dataset.phase === "open"`)
	tab.until(fmt.Sprintf(`(%s).then((s) => s.average.some(([at, v]) => at > %f && v !== null))`, chart("#aggregated-chart"), zoomed[1]+20_000))
	eval[chromedp.Void](tab, `answer()`)
	tab.until(fmt.Sprintf(`(%s).then((s) => s.average.some(([at, v]) => at === %f && v !== null))`, chart("#aggregated-chart"), zoomed[0]))
	stays("the server's restart")
}

// The chart of a device keeps what the reader has zoomed to as well.
func TestZoomOfADeviceStays(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	now := time.Now()
	for i := range 10 {
		plant.post(reading{ID: "kiln", Value: 20, Time: now.Add(time.Duration(10*i-100) * time.Second)})
	}
	tab := plant.open(options{hash: "#device=kiln"})
	tab.until(fmt.Sprintf(`(%s).then((s) => s.readings?.length >= 10)`, chart("#device-chart")))
	zoomed := eval[[2]float64](tab, chartOf("#device-chart")+`((chart) => {
		const [from, to] = [Date.now() - 300_000, Date.now() - 60_000];
		chart.dispatchAction({ type: "dataZoom", dataZoomIndex: 0, startValue: from, endValue: to });
		return [from, to];
	})`)
	stays := func(after string) {
		t.Helper()
		got := eval[[2]float64](tab, chartOf("#device-chart")+`((chart) => [chart.getOption().dataZoom[0].startValue, chart.getOption().dataZoom[0].endValue])`)
		if math.Abs(got[0]-zoomed[0]) > 1 || math.Abs(got[1]-zoomed[1]) > 1 {
			t.Errorf("after %s: got the times %.0f, want %.0f", after, got, zoomed)
		}
	}
	tab.theme("dark")
	tab.frame()
	stays("another theme")
	plant.post(reading{ID: "kiln", Value: 25})
	tab.until(fmt.Sprintf(`(%s).then((s) => s.readings.at(-1)[1] === 25)`, chart("#device-chart")))
	stays("another reading")
	tab.mu.Lock()
	tab.offline = true
	tab.mu.Unlock()
	plant.kill()
	tab.until(`document.querySelector("#connection").dataset.phase === "waiting"`)
	plant.start()
	tab.until(`document.querySelector("#connection").dataset.phase === "open"`)
	plant.post(reading{ID: "kiln", Value: 26})
	tab.until(fmt.Sprintf(`(%s).then((s) => s.readings.at(-1)[1] === 26)`, chart("#device-chart")))
	stays("the server's restart")
}

// A late reading corrects a window that has closed: the chart shows the corrected number, on a page that is open and had the other.
func TestCorrectedWindowChangesTheChart(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	start := time.Now().Add(-30 * time.Second).Truncate(2 * time.Second)
	plant.post(reading{ID: "press", Value: 20, Time: start.Add(500 * time.Millisecond)})
	plant.post(reading{ID: "press", Value: 20, Time: start.Add(20 * time.Second)}, reading{ID: "other", Value: 20})
	tab := plant.open(options{})
	at := func(value float64) string {
		return fmt.Sprintf(`(%s).then((s) => s.average?.some(([at, v]) => at === %d && v === %v) ?? false)`, chart("#aggregated-chart"), start.UnixMilli(), value)
	}
	tab.until(at(20))
	plant.post(reading{ID: "late", Value: 25, Time: start.Add(700 * time.Millisecond)})
	tab.until(at(22.5))
	// The archive, which the chart asks too, may have answered before the message came.
	corrected := func() bool {
		return slices.ContainsFunc(received[wire.AggregatedData](tab, wire.TypeAggregatedData), func(m wire.AggregatedData) bool {
			return m.Corrected && m.WindowStart.Equal(start)
		})
	}
	for deadline := time.Now().Add(patience); !corrected(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the window came without the mark of a correction")
		}
	}
}
