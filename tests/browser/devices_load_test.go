package browser

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// BenchmarkDevicesPage measures the longest task of the main thread, on a processor slowed four times, while the page of 100,000 devices is
// loaded, scrolled from end to end, searched, and all devices that may be chosen at once are chosen.
func BenchmarkDevicesPage(b *testing.B) {
	path, err := binary()
	if err != nil {
		b.Fatal(err)
	}
	plant := newPlant(b, path, "-no-simulator")
	at := time.Now()
	for from := 0; from < 100_000; from += 25_000 {
		var some []reading
		for i := range 25_000 {
			some = append(some, reading{ID: fmt.Sprintf("d-%06d", from+i+1), Value: 20, Time: at})
		}
		plant.post(some...)
	}
	tab := plant.open(options{path: "/devices", addr: plant.addr})
	call(tab, emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: 4})
	const watch = `{ window.tasks = []; new PerformanceObserver((list) => tasks.push(...list.getEntries().map((e) => e.duration))).observe({ type: "longtask", buffered: true }); }`
	longest := func(what string) {
		time.Sleep(2 * time.Second)
		b.ReportMetric(eval[float64](tab, `Math.max(0, ...tasks)`), "ms/longest-"+what)
		eval[chromedp.Void](tab, `tasks.length = 0, undefined`)
	}
	for b.Loop() {
		tab.do(chromedp.Navigate(plant.url("/devices")))
		eval[chromedp.Void](tab, watch)
		tab.until(`document.querySelector("#devices-note")?.textContent === "100,000 devices"`)
		longest("load")
		eval[bool](tab, `(async () => {
			const frame = document.querySelector("#devices");
			for (let step = 0; step <= 100; step++) {
				frame.scrollTop = (frame.scrollHeight * step) / 100;
				await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
			}
			return true;
		})()`)
		longest("scroll")
		tab.do(chromedp.SendKeys(chromedp.CSS(`#device-filters [name="search"]`), "d-00"))
		tab.until(`document.querySelector("#devices-note")?.textContent.includes("9,999")`)
		longest("search")
		tab.click("#choose-all")
		tab.until(`!document.querySelector("#chosen-bar").hidden`)
		longest("choose")
	}
}
