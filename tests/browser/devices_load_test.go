package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/cdp/jsonv2"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/tracing"
	"github.com/chromedp/chromedp"
)

// BenchmarkDevicesPage measures the longest task of the main thread, on a processor slowed four times, while the page of 100,000 devices is
// loaded, scrolled from end to end, searched, and all devices that may be chosen at once are chosen. It is the time that the thread has run,
// so other work of the machine does not count.
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
	longest := tab.slowed(b)
	for b.Loop() {
		longest("load", func() {
			tab.do(chromedp.Navigate(plant.url("/devices")))
			tab.until(`document.querySelector("#devices-note")?.textContent === "100,000 devices"`)
		})
		longest("scroll", func() { tab.scroll("#devices") })
		longest("search", func() {
			tab.do(chromedp.SendKeys(chromedp.CSS(`#device-filters [name="search"]`), "d-00"))
			tab.until(`document.querySelector("#devices-note").textContent.includes("9,999")`)
		})
		longest("choose", func() {
			tab.click("#choose-all")
			tab.until(`!document.querySelector("#chosen-bar").hidden`)
		})
	}
}

// openBehind shows the page of devices of a program without any, behind a server that is made for the program's address.
func openBehind(b *testing.B, front func(addr string) http.Handler) *tab {
	b.Helper()
	path, err := binary()
	if err != nil {
		b.Fatal(err)
	}
	plant := newPlant(b, path, "-no-simulator")
	server := httptest.NewServer(front(plant.addr))
	b.Cleanup(server.Close)
	return plant.open(options{path: "/devices", addr: strings.TrimPrefix(server.URL, "http://")})
}

// slowed slows the processor of the page's main thread four times, and returns a function that reports as a metric for how long the longest task of
// that thread has run while something was done.
func (tab *tab) slowed(b *testing.B) (longest func(what string, act func())) {
	call(tab, emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: 4})
	return func(what string, act func()) {
		b.ReportMetric(tab.longestTask(act).Seconds()*1000, "ms/longest-"+what)
	}
}

// scroll scrolls a list from end to end in a hundred steps, each of which is drawn.
func (tab *tab) scroll(list string) {
	eval[bool](tab, fmt.Sprintf(`(async () => {
		const frame = document.querySelector(%q);
		for (let step = 0; step <= 100; step++) {
			frame.scrollTop = (frame.scrollHeight * step) / 100;
			await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
		}
		return true;
	})()`, list))
}

// longestTask returns for how long the main thread has run in its longest task while act was called and in the second after it.
func (tab *tab) longestTask(act func()) time.Duration {
	tab.t.Helper()
	longest, _ := tab.tasks(act)
	return longest
}

// tasks returns for how long the main thread has run while act was called and in the second after it: in its longest task, and in all.
func (tab *tab) tasks(act func()) (longest, all time.Duration) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, limit)
	defer cancel()
	complete := chromedp.Events(ctx, tracing.TracingComplete)
	var events []jsonv2.Value
	var collecting sync.WaitGroup
	each(tab, &collecting, chromedp.Events(ctx, tracing.DataCollected), func(e tracing.EventDataCollected) { events = append(events, e.Value...) })
	call(tab, tracing.Start, tracing.StartParams{TraceConfig: &tracing.TraceConfig{IncludedCategories: []string{"toplevel"}}})
	act()
	time.Sleep(time.Second)
	call(tab, tracing.End, cdp.Empty{})
	for _, err := range complete {
		if err != nil {
			tab.t.Fatal(err)
		}
		break
	}
	time.Sleep(time.Second) // All events have come, but may not have been collected.
	cancel()
	collecting.Wait()
	type thread struct{ pid, tid int }
	main, tasks, sums := make(map[thread]bool), make(map[thread]time.Duration), make(map[thread]time.Duration)
	for _, value := range events {
		var event struct {
			Name    string  `json:"name"`
			Process int     `json:"pid"`
			Thread  int     `json:"tid"`
			Ran     float64 `json:"tdur"` // In microseconds.
			Args    struct {
				Name string `json:"name"`
			} `json:"args"`
		}
		if err := json.Unmarshal(value, &event); err != nil {
			continue // Another event, with arguments of other types.
		}
		of := thread{event.Process, event.Thread}
		if event.Name == "thread_name" && event.Args.Name == "CrRendererMain" {
			main[of] = true
		}
		tasks[of] = max(tasks[of], time.Duration(event.Ran*1000))
		if event.Name == "ThreadControllerImpl::RunTask" { // The others are within such tasks.
			sums[of] += time.Duration(event.Ran * 1000)
		}
	}
	for of, ran := range tasks {
		if main[of] && ran >= longest {
			longest, all = ran, sums[of]
		}
	}
	if longest == 0 {
		tab.t.Fatal("the browser has recorded no task")
	}
	return longest, all
}
