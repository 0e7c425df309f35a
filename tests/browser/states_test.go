package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"iotmon/internal/wire"
)

// lifecycle freezes the tab, as a browser does with one that nobody looks at, or has it go on.
func (tab *tab) lifecycle(state page.SetWebLifecycleStateState) {
	tab.t.Helper()
	call(tab, page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: state})
	// Freezing hides the tab, and going on does not show it.
	call(tab, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: state == page.SetWebLifecycleStateStateActive})
}

// later has clocks of the page, such as Date, go on by so many milliseconds at once.
func (tab *tab) later(milliseconds int, clocks ...string) {
	tab.t.Helper()
	for _, clock := range clocks {
		eval[chromedp.Void](tab, fmt.Sprintf(`{ const now = %[1]s.now.bind(%[1]s); %[1]s.now = () => now() + %[2]d }`, clock, milliseconds))
	}
}

// A tab that was frozen shows the present again when it comes back, and says how old it had become.
func TestFrozenTabComesBackToThePresent(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	plant.post(reading{ID: "before", Value: 20})
	tab := plant.open(options{expected: []string{"Page entered Back-Forward Cache"}})
	tab.until(`document.querySelector("#stream").innerText.includes("before")`)
	tab.lifecycle(page.SetWebLifecycleStateStateFrozen)
	plant.post(reading{ID: "while-frozen", Value: 21})
	tab.later(12_000, "Date", "performance")
	tab.lifecycle(page.SetWebLifecycleStateStateActive)
	tab.until(`document.querySelector("#stream").innerText.includes("while-frozen")`)
	tab.until(`/^Up to date again\. Before that, what was shown was \d+ s old\.$/.test(document.querySelector("#caught-up").innerText)`)
	tab.click(`#language label:has([value="zh"])`)
	tab.until(`/^已恢复更新。此前显示的是 \d+ 秒前的数据。$/.test(document.querySelector("#caught-up").innerText)`)
	tab.until(`!document.documentElement.hasAttribute("data-stale") && document.querySelector("#stale-banner").hidden`)
	tab.until(`document.querySelector("#caught-up").hidden`)
}

// The clock of the browser's machine may be set while the page is open: nothing on the page depends on it.
func TestClockOfTheBrowserIsSet(t *testing.T) {
	plant := startPlant(t, "-devices", "50", "-interval", "500ms")
	tab := plant.open(options{})
	points := fmt.Sprintf(`(%s).then((s) => s.average?.filter(([, v]) => v !== null).length ?? 0)`, chart("#aggregated-chart"))
	tab.until(points + `.then((n) => n >= 4)`)
	for _, step := range []int{3_600_000, -7_200_000} {
		before := eval[int](tab, points)
		tab.later(step, "Date")
		// Two windows later it is decided that the clock has been set.
		for got := before; got < before+2; got = eval[int](tab, points) {
			if got < before {
				t.Fatalf("clock set by %d ms: the chart shows %d windows, want %d or more", step, got, before)
			}
			if eval[bool](tab, `document.documentElement.hasAttribute("data-stale") || !document.querySelector("#caught-up").hidden`) {
				t.Errorf("clock set by %d ms: the page calls itself old", step)
			}
		}
		shown, err := time.ParseInLocation("02/01, 15:04:05", eval[string](tab, `document.querySelector("#clock").textContent`), time.Local)
		if now := time.Now(); err != nil || shown.AddDate(now.Year(), 0, 0).Sub(now).Abs() > 5*time.Second {
			t.Errorf("clock set by %d ms: the head shows %v (error %v), want the server's time", step, shown, err)
		}
	}
}

// Two hours without a reading are a gap in both charts, not a line.
func TestSilenceIsAGap(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	now := time.Now().Truncate(time.Minute)
	silent := [2]time.Time{now.Add(-150 * time.Minute), now.Add(-30 * time.Minute)}
	var readings []reading
	for at := now.Add(-3 * time.Hour); at.Before(now); at = at.Add(30 * time.Second) {
		if at.After(silent[0]) && at.Before(silent[1]) {
			continue
		}
		readings = append(readings, reading{ID: "mixer", Type: "humidity_sensor", Time: at, Value: 40})
	}
	plant.post(readings...)
	plant.post(reading{ID: "mixer", Type: "humidity_sensor", Value: 40})
	var archived struct{ Items []wire.Aggregate }
	for deadline := time.Now().Add(patience); len(archived.Items) < 10; time.Sleep(100 * time.Millisecond) {
		plant.get("/api/v1/summaries?type=humidity_sensor&step=5m&from="+url.QueryEscape(now.Add(-4*time.Hour).UTC().Format(time.RFC3339)), &archived)
		if time.Now().After(deadline) {
			t.Fatalf("archived steps: got %d, want 10", len(archived.Items))
		}
	}
	tab := plant.open(options{hash: "#device=mixer"})
	tab.until(`document.querySelector("#drawer").open`)
	tab.click(`#drawer-range label:has([value="6h"])`)
	tab.until(fmt.Sprintf(`(%s).then((s) => s.readings?.length > 60)`, chart("#device-chart")))
	gap := func(name, selector, id string) {
		t.Helper()
		drawn := eval[series](tab, chart(selector))[id]
		var before, nothing, after int
		for _, p := range drawn {
			at := time.UnixMilli(int64(*p[0]))
			switch {
			case p[1] != nil && at.Before(silent[0].Add(time.Second)):
				before++
			case p[1] != nil && at.After(silent[1].Add(-6*time.Minute)): // A step may begin before.
				after++
			case p[1] == nil && at.After(silent[0].Add(-6*time.Minute)) && at.Before(silent[1]):
				nothing++
			case p[1] != nil:
				t.Errorf("%s: got %v at %v, within the silence", name, *p[1], at)
			}
		}
		if before < 5 || nothing == 0 || after < 5 {
			t.Errorf("%s: got %d points before the silence, %d without a value in it, %d after it", name, before, nothing, after)
		}
		connected := eval[bool](tab, fmt.Sprintf(`(async () => {
			const echarts = await import(new URL("../vendor/echarts/echarts.esm.min.js", document.querySelector("script[type=module]").src).href);
			const { series } = echarts.getInstanceByDom(document.querySelector(%q)).getOption();
			return series.some((one) => one.connectNulls);
		})()`, selector))
		if connected {
			t.Errorf("%s: a line is drawn over points without a value", name)
		}
	}
	gap("the device's chart", "#device-chart", "readings")
	tab.do(chromedp.KeyEvent("\x1b"))
	tab.until(`!document.querySelector("#drawer").open`)
	tab.click(`.type-tile:has([value="humidity_sensor"])`)
	tab.click(`#range label:has([value="6h"])`)
	tab.until(fmt.Sprintf(`(%s).then((s) => s.average?.filter(([, v]) => v !== null).length >= 10)`, chart("#aggregated-chart")))
	gap("the aggregates' chart", "#aggregated-chart", "average")
}

// A page whose WebSocket is refused because of its origin says so, in both languages, and goes on saying so while it tries again.
func TestPageSaysThatItsOriginIsRefused(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	target, err := url.Parse(plant.url("/"))
	if err != nil {
		t.Fatal(err)
	}
	// A proxy that does not pass on the host that it was asked for, as many do out of the box.
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }})
	t.Cleanup(proxy.Close)
	addr := strings.TrimPrefix(proxy.URL, "http://")
	tab := plant.open(options{addr: addr, path: "/", expected: []string{"403"}})
	tab.until(`document.querySelector("#connection").dataset.phase === "waiting" && !document.querySelector("#refused-notice").hidden`)
	for language, want := range map[string]string{
		"en": "The server does not let this page connect:", "zh": "服务器拒绝了本页面的连接：",
	} {
		tab.click(fmt.Sprintf(`#language label:has([value=%q])`, language))
		words := eval[string](tab, `document.querySelector("#refused-notice").innerText`)
		if !strings.Contains(words, want) || !strings.Contains(words, "http://"+addr) {
			t.Errorf("in %s: got %q, want %q and the page's origin", language, words, want)
		}
	}
	response, err := http.Post(proxy.URL+"/ws", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	tab.clickFound(`document.querySelector(".connection-retry")`)
	tab.until(`document.querySelector("#connection").dataset.phase === "waiting"`)
	if eval[bool](tab, `document.querySelector("#refused-notice").hidden`) {
		t.Error("after another attempt: nothing says why it failed")
	}
}

// In a flood of warnings the few critical alerts are at the top, every alert can be scrolled to, and the figure leads to its alerts.
func TestCriticalAlertsAreOnTopOfAFlood(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	plant.post(reading{ID: "furnace", Value: 36})
	var flood []reading
	for i := range 300 {
		flood = append(flood, reading{ID: fmt.Sprintf("oven-%03d", i), Value: 30})
	}
	plant.post(flood...)
	tab := plant.open(options{})
	// The furnace is too hot for a warning as well.
	tab.until(`document.querySelector("#severity-counters [data-severity=warning] strong").textContent === "301"`)
	tab.until(`document.querySelector(".panel-alerts .alert").innerText.includes("furnace") && document.querySelector(".panel-alerts .alert .severity-critical") !== null`)
	tab.until(`document.querySelector("#alert-note").innerText === "Open: 302 of 302"`)
	if got := eval[int](tab, `document.querySelectorAll(".panel-alerts .alert").length`); got > 40 {
		t.Errorf("got %d alerts in the page, want those that can be seen", got)
	}
	seen := eval[int](tab, `(async () => {
		const frame = document.querySelector(".alert-frame"), seen = new Set();
		for (let at = 0; at <= frame.scrollHeight; at += 200) {
			frame.scrollTop = at;
			await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
			for (const link of frame.querySelectorAll("a")) seen.add(link.textContent);
		}
		return seen.size;
	})()`)
	if seen != 301 {
		t.Errorf("got alerts of %d devices by scrolling, want 301", seen)
	}
	tab.click(`#kpis button[data-severity="critical"]`)
	tab.until(`document.querySelectorAll(".panel-alerts .alert").length === 1 && document.querySelector("#alert-note").innerText === "Open: 1 of 302"`)
	if !eval[bool](tab, `document.querySelector(".alert-frame").contains(document.activeElement)`) {
		t.Error("the keyboard is not where the figure led to")
	}
}

// The number of devices that are offline leads to these devices, and stays under the keyboard when it changes.
func TestTheNumberOfDevicesOfflineLeadsToThem(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	plant.post(reading{ID: "kiln", Value: 20}, reading{ID: "press", Value: 20, Status: "offline"})
	tab := plant.open(options{})
	const lead = `#kpis [data-kpi="online-detail"] button`
	tab.until(`document.querySelector('` + lead + `').innerText === "1 offline"`)
	tab.tabTo(lead, 20)
	plant.post(reading{ID: "saw", Value: 20, Status: "offline"})
	tab.until(`document.querySelector('` + lead + `').innerText === "2 offline"`)
	if !eval[bool](tab, `document.activeElement.matches('`+lead+`')`) {
		t.Error("the keyboard is no longer on the number when that changes")
	}
	tab.press(kb.Enter)
	tab.until(`new URLSearchParams(location.search).get("status") === "offline" && document.activeElement.id === "stream"`)
	tab.until(`[...document.querySelectorAll("#stream tbody tr:not(.spacer) a")].map((link) => link.textContent).sort().join() === "press,saw"`)
	plant.post(reading{ID: "press", Value: 20}, reading{ID: "saw", Value: 20})
	tab.until(`document.querySelector('` + lead + `').hidden && document.querySelector('[data-kpi="online-detail"]').innerText === "all online"`)
}

func TestQualityIsShownInWords(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	plant.post(reading{ID: "good", Value: 20}, reading{ID: "bad", Value: 21, Quality: "bad"}, reading{ID: "uncertain", Value: 22, Quality: "uncertain"})
	tab := plant.open(options{})
	tab.until(`document.querySelectorAll("#stream tbody tr:not(.spacer)").length === 3`)
	for _, test := range []struct {
		language string
		want     map[string]string
	}{
		{"en", map[string]string{"good": "20.0\u00a0°C", "bad": "21.0\u00a0°C (bad)", "uncertain": "22.0\u00a0°C (uncertain)"}},
		{"zh", map[string]string{"good": "20.0\u00a0°C", "bad": "21.0\u00a0°C (不可用)", "uncertain": "22.0\u00a0°C (存疑)"}},
	} {
		tab.click(fmt.Sprintf(`#language label:has([value=%q])`, test.language))
		for _, row := range tab.rows() {
			if row.Value != test.want[row.Device] {
				t.Errorf("in %s: got %q for the %s reading, want %q", test.language, row.Value, row.Device, test.want[row.Device])
			}
		}
	}
	tab.click(`#stream tbody tr:has(a[href$="=bad"]) a`)
	tab.until(`document.querySelector("#drawer").open && document.querySelector(".drawer-value").innerText === "21.0\u00a0°C (不可用)"`)
	tab.until(`[...document.querySelectorAll(".facts dd")].some((dd) => dd.innerText === "不可用")`)
}
