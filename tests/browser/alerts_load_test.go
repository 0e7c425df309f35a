package browser

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// BenchmarkAlertsPage measures the longest task of the main thread, on a processor slowed four times, while the page of 10,000 open alerts is loaded,
// scrolled by 1,500 pixels a second, searched and grouped, and how long the main thread runs for each of the 300 frames of scrolling: at 60 frames a second there are
// 16.7 ms for one. All of it is the time that the thread has run, so other work of the machine does not count.
func BenchmarkAlertsPage(b *testing.B) {
	path, err := binary()
	if err != nil {
		b.Fatal(err)
	}
	plant := newPlant(b, path, "-no-simulator")
	at := time.Now()
	var some []reading
	for i := range 10_000 {
		some = append(some, reading{ID: fmt.Sprintf("d-%05d", i), Value: 29, Time: at, Location: location{Building: fmt.Sprintf("Hall %d", i%20), Floor: 1 + i%3, Room: "a"}})
	}
	plant.post(some...)
	tab := plant.open(options{path: "/alerts", addr: plant.addr})
	note := func(words string) {
		tab.until(fmt.Sprintf(`document.querySelector("#alerts-note")?.textContent === %q`, words))
	}
	note("10,000 alerts")
	measure := tab.slowed(b)
	set := func(name, value string) {
		eval[chromedp.Void](tab, fmt.Sprintf(`{ const control = document.querySelector('#alert-filters [name=%q]'); control.value = %q; control.dispatchEvent(new Event("input", { bubbles: true })); }`, name, value))
	}
	for b.Loop() {
		measure("load", func() {
			tab.do(chromedp.Navigate(plant.url("/alerts")))
			note("10,000 alerts")
		})
		const frames = 300
		longest, all := tab.tasks(func() {
			eval[bool](tab, fmt.Sprintf(`(async () => {
				const frame = document.querySelector("#alert-list");
				for (let i = 0; i < %d; i++) {
					frame.scrollTop += 25;
					await new Promise(requestAnimationFrame);
				}
				return true;
			})()`, frames))
		})
		b.ReportMetric(longest.Seconds()*1000, "ms/longest-scroll")
		b.ReportMetric(all.Seconds()*1000/frames, "ms/frame")
		measure("search", func() {
			set("search", "d-001")
			note("100 of 10,000 alerts")
		})
		measure("group", func() {
			set("search", "")
			set("group", "both")
			note("60 groups, 10,000 alerts")
		})
		set("group", "")
		note("10,000 alerts")
	}
}
