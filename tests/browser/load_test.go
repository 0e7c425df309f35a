package browser

import (
	"os"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/chromedp"
)

// BenchmarkOverviewUnderLoad measures how busy the page's main thread is with 10,000 devices that send every five seconds, on a processor
// that is slowed four times: its share of the processor, the longest task, and the frames in a second. The longest task is in real time, so it
// is meaningful only on an idle machine. With BROWSER_TEST_BINARY it measures the page of another build.
func BenchmarkOverviewUnderLoad(b *testing.B) {
	path := os.Getenv("BROWSER_TEST_BINARY")
	if path == "" {
		var err error
		if path, err = binary(); err != nil {
			b.Fatal(err)
		}
	}
	plant := newPlant(b, path, "-devices", "10000", "-interval", "5s")
	tab := plant.open(options{})
	tab.until(`Number(document.querySelector('[data-kpi="devices"]').textContent.replaceAll(",", "")) > 9500`)
	tab.until(`document.querySelector("#aggregated-chart canvas") !== null`)
	// Reporting each message to the test would be work of the page.
	call(tab, network.Disable, cdp.Empty{})
	call(tab, emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: 4})
	call(tab, performance.Enable, performance.EnableParams{TimeDomain: performance.EnableTimeDomainThreadTicks})
	eval[chromedp.Void](tab, `window.tasks = [], new PerformanceObserver((list) => tasks.push(...list.getEntries().map((e) => e.duration))).observe({ type: "longtask" }), undefined`)
	time.Sleep(10 * time.Second)
	for b.Loop() {
		eval[chromedp.Void](tab, `tasks.length = 0, undefined`)
		began, before := time.Now(), taskSeconds(tab)
		time.Sleep(30 * time.Second)
		b.ReportMetric(100*(taskSeconds(tab)-before)/time.Since(began).Seconds(), "%busy")
		b.ReportMetric(eval[float64](tab, `Math.max(0, ...tasks)`), "ms/longest-task")
		b.ReportMetric(eval[float64](tab, `tasks.filter((t) => t > 100).length`), "tasks>100ms")
		b.ReportMetric(framesPerSecond(tab), "frames/s")
	}
}

// framesPerSecond counts for ten seconds how often the page could draw. It is not counted while the processor's share is measured:
// a page that is asked for each frame has more to do.
func framesPerSecond(tab *tab) float64 {
	const count = `new Promise((done) => {
		let frames = 0;
		const began = performance.now();
		(function frame(now) {
			frames++;
			if (now - began < 10_000) requestAnimationFrame(frame);
			else done((1000 * frames) / (now - began));
		})(began);
	})`
	return eval[float64](tab, count)
}

func taskSeconds(tab *tab) float64 {
	for _, metric := range call(tab, performance.GetMetrics, cdp.Empty{}).Metrics {
		if metric.Name == "TaskDuration" {
			return metric.Value
		}
	}
	tab.t.Fatal("the browser does not report how long its tasks take")
	return 0
}

// call gives the browser a command of its protocol.
func call[P, R any](tab *tab, command cdp.Command[P, R], parameters P) R {
	tab.t.Helper()
	ctx, cancel := tab.limited()
	defer cancel()
	result, err := chromedp.Call(ctx, command, parameters)
	if err != nil {
		tab.t.Fatal(err)
	}
	return result
}
