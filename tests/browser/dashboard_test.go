package browser

import (
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"iotmon/internal/wire"
)

// chart is the expression of what an ECharts chart shows, by the id of its series.
func chart(selector string) string {
	return fmt.Sprintf(`(async () => {
		const echarts = await import(new URL("../vendor/echarts/echarts.esm.min.js", document.querySelector("script[type=module]").src).href);
		const chart = echarts.getInstanceByDom(document.querySelector(%q));
		return Object.fromEntries((chart?.getOption().series ?? []).map(({ id, data }) => [id, data.map((d) => d.value ?? d)]));
	})()`, selector)
}

// series holds points of time, in Unix milliseconds, and value; null is a gap.
type series map[string][][2]*float64

// points returns the values of a series by time, gaps left out.
func (s series) points(id string) map[int64]float64 {
	values := make(map[int64]float64)
	for _, p := range s[id] {
		if p[0] != nil && p[1] != nil {
			values[int64(*p[0])] = *p[1]
		}
	}
	return values
}

func TestChartShowsWhatTheServerSent(t *testing.T) {
	plant := startPlant(t, "-devices", "50", "-interval", "500ms")
	tab := plant.open(options{})
	tab.until(`document.querySelector("#aggregated-state").hidden`)
	// Closed windows do not change any more, so what was sent of them must be what is drawn.
	closed := func() map[int64]wire.AggregateData {
		windows := make(map[int64]wire.AggregateData)
		for _, m := range received[wire.AggregatedData](tab, wire.TypeAggregatedData) {
			if m.Final {
				windows[m.WindowStart.UnixMilli()] = m.Data["temperature_sensor"]
			}
		}
		return windows
	}
	for deadline := time.Now().Add(patience); len(closed()) < 4; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("got %d closed windows within %v, want 4", len(closed()), patience)
		}
	}
	sent := closed()
	tab.until(fmt.Sprintf(`(%s).then((s) => s.average.filter(([, v]) => v !== null).length >= %d)`, chart("#aggregated-chart"), len(sent)))
	// What has come is drawn within a second.
	last := slices.Max(slices.Collect(maps.Keys(sent)))
	tab.until(fmt.Sprintf(`(%s).then((s) => s.average.some(([at, v]) => at === %d && v === %v))`, chart("#aggregated-chart"), last, *sent[last].Average))
	drawn := eval[series](tab, chart("#aggregated-chart"))
	for start, data := range sent {
		for id, want := range map[string]float64{
			"average": *data.Average, "maximum": *data.Max, "minimum": *data.Min, "devices": float64(data.DeviceCount),
		} {
			if got, ok := drawn.points(id)[start]; !ok || got != want {
				t.Errorf("%s at %v: got %v (drawn: %v), want %v", id, time.UnixMilli(start), got, ok, want)
			}
		}
	}
	if got := len(drawn["average"]); got < len(sent) || got > 50 {
		t.Errorf("points in the live range: got %d, want %d to 50", got, len(sent))
	}
}

// A new connection is sent the newest 120 windows. Earlier ones in a chart must come from the archive.
func TestChartIsFilledFromHistory(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	const windows = 180
	start := time.Now().Add(-14 * time.Minute).Truncate(10 * time.Second)
	var readings []reading
	for i := range windows {
		readings = append(readings, reading{ID: "mixer", Type: "humidity_sensor", Time: start.Add(time.Duration(i) * 2 * time.Second), Value: float64(i % 100)})
	}
	plant.post(readings...)
	var archived struct{ Items []wire.Aggregate }
	for deadline := time.Now().Add(patience); len(archived.Items) < windows/5; time.Sleep(100 * time.Millisecond) {
		plant.get("/api/v1/summaries?type=humidity_sensor&step=10s", &archived)
		if time.Now().After(deadline) {
			t.Fatalf("got %d archived steps within %v, want %d", len(archived.Items), patience, windows/5)
		}
	}
	tab := plant.open(options{})
	tab.until(`document.querySelector("#connection").dataset.phase === "open"`)
	tab.click(`.type-tile:has([value="humidity_sensor"])`)
	tab.click(`#range label:has([value="15m"])`)
	tab.until(fmt.Sprintf(`(%s).then((s) => s.average?.filter(([, v]) => v !== null).length >= %d)`, chart("#aggregated-chart"), windows/5))
	drawn := eval[series](tab, chart("#aggregated-chart"))
	// No reading has closed the last window yet: only live messages have it.
	for _, item := range archived.Items[:len(archived.Items)-1] {
		for id, want := range map[string]float64{"average": *item.Data.Average, "maximum": *item.Data.Max, "minimum": *item.Data.Min} {
			if got, ok := drawn.points(id)[item.Timestamp.UnixMilli()]; !ok || math.Abs(got-want) > 1e-9 {
				t.Errorf("%s at %v: got %v (drawn: %v), want %v", id, item.Timestamp, got, ok, want)
			}
		}
	}
}

func TestFiltersNarrowTheStream(t *testing.T) {
	plant := startPlant(t, "-devices", "60", "-interval", "500ms")
	tab := plant.open(options{})
	tab.until(`Number(document.querySelector(".readings").ariaRowCount) > 30`)
	// Typing the beginning of a word is how the keyboard chooses from a list.
	tab.do(chromedp.SendKeys(chromedp.CSS(`select[name="type"]`), "Switch"))
	tab.do(chromedp.SendKeys(chromedp.CSS(`input[name="query"]`), "_01"))
	tab.until(`document.querySelector("select[name=type]").value === "switch_sensor"`)
	newest := `(document.querySelector("#stream tbody tr:not(.spacer)")?.innerText ?? "")`
	tab.until(fmt.Sprintf(`%s.includes("Switch") && %[1]s.includes("_01")`, newest))
	tab.until(fmt.Sprintf(`%s !== %q`, newest, eval[string](tab, newest))) // Another reading has come.
	rows := tab.rows()
	if len(rows) == 0 {
		t.Fatal("no rows under the filter, want some")
	}
	for _, r := range rows {
		if r.Type != "Switch" || !strings.Contains(r.Device, "_01") || r.Value != "ON" && r.Value != "OFF" {
			t.Errorf("got %+v, want only switches, shown OFF or ON, with _01 in the id", r)
		}
	}
}

func TestDonutFiltersTheStream(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	plant.post(reading{ID: "on", Value: 20})
	tab := plant.open(options{})
	tab.until(fmt.Sprintf(`(%s).then((s) => s.status?.length === 1 && s.status[0] === 1)`, chart("#status-chart"))) // No sliver for nobody.
	plant.post(reading{ID: "off", Value: 20, Status: "offline"})
	tab.until(`document.querySelectorAll("#stream tbody tr:not(.spacer)").length === 2`)
	tab.until(fmt.Sprintf(`(%s).then((s) => s.status?.[1] === 1)`, chart("#status-chart")))
	tab.frame()
	// Half of the devices are offline: the left half of the ring.
	box := eval[struct{ X, Y, Width, Height float64 }](tab, `document.querySelector("#status-chart").getBoundingClientRect().toJSON()`)
	radius := min(box.Width, box.Height) / 2 * 0.8
	x, y := box.X+box.Width/2-radius, box.Y+box.Height/2
	tab.do(chromedp.MouseEvent(chromedp.MouseMoved, x, y), chromedp.MouseClickXY(x, y))
	tab.until(`document.querySelectorAll("#stream tbody tr:not(.spacer)").length === 1`)
	if rows := tab.rows(); rows[0].Device != "off" || rows[0].Status != "offline" {
		t.Errorf("got %+v, want the device that is offline", rows)
	}
	if got := eval[string](tab, `document.querySelector(".status-key[aria-pressed=true]")?.dataset.status ?? ""`); got != "offline" {
		t.Errorf("marked in the legend: got %q, want offline", got)
	}
	plant.post(reading{ID: "off", Value: 21})
	tab.until(`document.querySelectorAll("#stream tbody tr:not(.spacer)").length === 0`)
	// The ring grows into its new shape: until it has, the place under the mouse still belongs to the old one.
	tab.until(fmt.Sprintf(`(%s).then((s) => s.status?.length === 1)`, chart("#status-chart")))
	tab.frame()
	tab.until(chartOf("#status-chart") + `((chart) => chart.getZr().animation.isFinished())`)
	tab.do(chromedp.MouseEvent(chromedp.MouseMoved, x+2, y+2), chromedp.MouseClickXY(x, y))
	tab.until(`document.querySelector(".status-key[aria-pressed=true]")?.dataset.status === "online"`)
}

func TestPageRecoversAfterTheServerRestarts(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	hall := location{Building: "Hall 7"}
	plant.post(reading{ID: "before", Value: 20, Location: hall}, reading{ID: "elsewhere", Value: 20, Location: location{Building: "Hall 8"}})
	tab := plant.open(options{})
	tab.until(`document.querySelector("#connection").dataset.phase === "open"`)
	tab.until(`document.querySelector("#stream").innerText.includes("elsewhere")`)
	tab.do(chromedp.SendKeys(chromedp.CSS(`select[name="building"]`), "Hall 7"))
	tab.until(`!document.querySelector("#stream").innerText.includes("elsewhere")`)
	tab.mu.Lock()
	tab.offline = true
	tab.mu.Unlock()
	plant.kill()
	tab.until(`document.querySelector("#connection").innerText.includes("Disconnected")`)
	tab.until(`document.documentElement.hasAttribute("data-stale") && !document.querySelector("#stale-banner").hidden`)
	plant.start()
	plant.post(reading{ID: "after", Value: 20, Location: hall})
	tab.clickFound(`document.querySelector(".connection-retry")`)
	tab.until(`document.querySelector("#connection").dataset.phase === "open"`)
	tab.until(`["before", "after"].every((id) => document.querySelector("#stream").innerText.includes(id))`)
	if eval[bool](tab, `document.querySelector("#stream").innerText.includes("elsewhere") || document.querySelector("select[name=building]").value !== "Hall 7"`) {
		t.Error("the building that was chosen before is forgotten")
	}
	tab.until(`!document.documentElement.hasAttribute("data-stale") && document.querySelector("#stale-banner").hidden`)
}

func TestAlertsAreShownInBothLanguages(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	tab := plant.open(options{language: "zh"})
	tab.until(`document.querySelector("#connection").dataset.phase === "open"`)
	counter := `document.querySelector("#severity-counters [data-severity=warning] strong").textContent`
	plant.post(reading{ID: "oven", Value: 30})
	tab.until(counter + ` === "1"`)
	if got, want := eval[string](tab, `document.querySelector(".alert-words").textContent`), "温度超过阈值 28\u00a0°C"; got != want {
		t.Errorf("in Chinese: got %q, want %q", got, want)
	}
	tab.click(`#language label:has([value="en"])`)
	if got, want := eval[string](tab, `document.querySelector(".alert-words").textContent`), "Temperature above 28\u00a0°C"; got != want {
		t.Errorf("in English: got %q, want %q", got, want)
	}
	if got := eval[string](tab, `document.querySelector(".alert time").title`); strings.ContainsAny(got, "年月日上下午") {
		t.Errorf("in English: got the time %q", got)
	}
	plant.post(reading{ID: "oven", Value: 20})
	tab.until(counter + ` === "0" && document.querySelector(".alert").dataset.state === "cleared"`)
}

func TestDrawerShowsADevice(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	for _, value := range []float64{20, 21.5, 23} {
		plant.post(reading{ID: "line/4 #2", Value: value})
	}
	var archived struct {
		Items []struct {
			Timestamp time.Time
			Value     float64
		}
	}
	readings := "/api/v1/devices/" + url.PathEscape("line/4 #2") + "/readings"
	for deadline := time.Now().Add(patience); len(archived.Items) < 3; time.Sleep(100 * time.Millisecond) {
		plant.get(readings, &archived)
		if time.Now().After(deadline) {
			t.Fatalf("archived readings: got %d, want 3", len(archived.Items))
		}
	}
	tab := plant.open(options{hash: "#device=" + url.PathEscape("line/4 #2")})
	tab.until(`document.querySelector("#drawer").open && document.querySelector(".drawer-value").textContent === "23.0\u00a0°C"`)
	tab.until(fmt.Sprintf(`(%s).then((s) => s.readings?.length === 3)`, chart("#device-chart")))
	drawn := eval[series](tab, chart("#device-chart"))["readings"]
	for i, want := range archived.Items {
		if *drawn[i][1] != want.Value || math.Abs(*drawn[i][0]-float64(want.Timestamp.UnixMicro())/1000) > 1 {
			t.Errorf("point %d: got %v at %v, want %+v", i, *drawn[i][1], *drawn[i][0], want)
		}
	}
	plant.post(reading{ID: "line/4 #2", Value: 24})
	tab.until(fmt.Sprintf(`(%s).then((s) => s.readings.at(-1)[1] === 24)`, chart("#device-chart")))
	tab.do(chromedp.KeyEvent("\x1b"))
	tab.until(`!document.querySelector("#drawer").open && location.hash === ""`)
	// The keyboard is back where it was; that alone does not stop the stream.
	tab.do(chromedp.SendKeys(chromedp.CSS(`#stream tbody a`), "\r"))
	tab.until(`document.querySelector("#drawer").open`)
	tab.do(chromedp.KeyEvent("\x1b"))
	tab.until(`!document.querySelector("#drawer").open && !document.querySelector("#stream").classList.contains("held")`)
}

func TestTextOfDevicesIsNeverMarkup(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	const markup = `<img src=x onerror="window.harmed=true">`
	plant.post(reading{ID: markup, Value: 50, Location: location{Building: markup, Floor: 1, Room: "<b>1</b>"}})
	tab := plant.open(options{})
	tab.until(`document.querySelectorAll("#stream tbody tr:not(.spacer)").length === 1 && document.querySelectorAll(".alert").length > 0`)
	if got := tab.rows()[0]; got.Device != markup || !strings.Contains(got.Place, markup) {
		t.Errorf("got %+v, want the markup as text", got)
	}
	tab.click("#stream tbody a")
	tab.until(`document.querySelector("#drawer").open && document.querySelector(".facts").innerText.includes("onerror")`)
	if eval[bool](tab, `window.harmed === true || document.querySelector('img[src="x"]') !== null`) {
		t.Error("markup from a reading became part of the page")
	}
}

func TestNothingScrollsSideways(t *testing.T) {
	plant := startPlant(t, "-devices", "100", "-interval", "1s")
	for _, language := range []string{"zh", "en"} {
		tab := plant.open(options{width: 390, height: 844, language: language})
		tab.until(`Number(document.querySelector(".readings").ariaRowCount) > 50`)
		tab.until(fmt.Sprintf(`(%s).then((s) => s.average?.some(([, v]) => v !== null))`, chart("#aggregated-chart")))
		for _, width := range []int64{390, 767, 768, 1199, 1200, 1440} {
			tab.do(chromedp.EmulateViewport(width, 844))
			tab.until(fmt.Sprintf("innerWidth === %d", width))
			if over := eval[float64](tab, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
				t.Errorf("%s, %d px wide: got %v px too many", language, width, over)
			}
			columns := eval[int](tab, `getComputedStyle(document.querySelector(".page")).gridTemplateColumns.split(" ").length`)
			if want := columnsAt(width); columns != want {
				t.Errorf("%d px wide: got %d columns, want %d", width, columns, want)
			}
		}
	}
}

func TestChoicesAreKept(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	tab := plant.open(options{language: "zh"})
	tab.click(`#language label:has([value="en"])`)
	tab.click(`#theme label:has([value="dark"])`)
	tab.do(chromedp.Reload())
	tab.until(`document.querySelector("#language input:checked")?.value === "en"`)
	got := eval[[]string](tab, `[document.documentElement.lang, document.documentElement.dataset.theme, getComputedStyle(document.documentElement).colorScheme]`)
	if want := "[en-GB dark dark]"; fmt.Sprint(got) != want {
		t.Errorf("after a reload: got %v, want %s", got, want)
	}
}

func columnsAt(width int64) int {
	switch {
	case width >= 1200:
		return 4
	case width >= 768:
		return 2
	default:
		return 1
	}
}
