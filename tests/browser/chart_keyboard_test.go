package browser

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// tabTo presses Tab until an element has the focus, and returns how often.
func (tab *tab) tabTo(selector string, most int) int {
	tab.t.Helper()
	for pressed := 1; pressed <= most; pressed++ {
		tab.press(kb.Tab)
		if eval[bool](tab, fmt.Sprintf(`document.activeElement.matches(%q)`, selector)) {
			return pressed
		}
	}
	tab.t.Fatalf("the keyboard does not come to %s within %d steps", selector, most)
	return 0
}

// press presses a key.
func (tab *tab) press(key string) {
	tab.t.Helper()
	tab.do(chromedp.KeyEvent(key))
}

// announces presses a key and waits for what is read aloud.
func (tab *tab) announces(region, key, want string) {
	tab.t.Helper()
	tab.press(key)
	words := fmt.Sprintf(`document.querySelector(%q).textContent.trim()`, region)
	tab.until(fmt.Sprintf(`%s.includes(%q)`, words, want))
}

// tooltip is the expression of what the tooltip of a chart shows; empty while it shows none.
func tooltip(chart string) string {
	return fmt.Sprintf(`[...document.querySelectorAll(%q)].filter((one) => one.checkVisibility({ opacityProperty: true, visibilityProperty: true })).map((one) => one.parentElement.innerText).join()`,
		chart+" .tooltip-head")
}

// By keyboard a reader goes through the windows of the chart and each is read aloud, a gap as one step; zooms; and leaves.
func TestChartByKeyboard(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	start := time.Now().Add(-3 * time.Minute).Truncate(10 * time.Second)
	for i, at := range []time.Duration{0, 10 * time.Second, 60 * time.Second, 70 * time.Second} {
		plant.post(reading{ID: "press", Value: 20 + float64(i), Time: start.Add(at + 100*time.Millisecond)})
	}
	tab := plant.open(options{addr: plant.addr, path: "/?range=15m"})
	tab.until(fmt.Sprintf(`(%s).then((s) => s.average?.filter(([, v]) => v !== null).length === 4)`, chart("#aggregated-chart")))
	tab.tabTo("#aggregated-chart", 30)
	const speaker = "#aggregated-speaker"
	span := func(from, to time.Duration) string {
		return start.Add(from).Format("15:04:05") + " – " + start.Add(to).Format("15:04:05")
	}
	tab.announces(speaker, kb.End, "no readings") // Since then.
	tab.announces(speaker, kb.ArrowLeft, span(70*time.Second, 80*time.Second))
	tab.until(fmt.Sprintf(`document.querySelector(%q).textContent.includes("Average 23.0\u00a0°C")`, speaker))
	tab.until(tooltip("#aggregated-chart") + `.includes("23.0\u00a0°C")`)
	tab.announces(speaker, kb.ArrowLeft, "Average 22.0\u00a0°C")
	tab.announces(speaker, kb.ArrowLeft, span(20*time.Second, 60*time.Second)+": no readings")
	tab.until(tooltip("#aggregated-chart") + `.includes("no readings")`)
	tab.announces(speaker, kb.ArrowLeft, "Average 21.0\u00a0°C")
	shown := func() [2]float64 {
		return eval[[2]float64](tab, chartOf("#aggregated-chart")+`((chart) => [chart.getOption().dataZoom[0].startValue, chart.getOption().dataZoom[0].endValue])`)
	}
	all := shown()
	tab.announces(speaker, "+", "Shown: ")
	near := shown()
	at := float64(start.Add(10 * time.Second).UnixMilli())
	if length := near[1] - near[0]; length > 0.6*(all[1]-all[0]) || at < near[0] || at > near[1] {
		t.Errorf("zoomed in: got %v of %v, want half of it around %v", near, all, at)
	}
	tab.announces(speaker, kb.ArrowLeft, "Average 20.0\u00a0°C")
	tab.announces(speaker, "0", "Everything is shown")
	if got := shown(); got[1]-got[0] < 0.99*(all[1]-all[0]) {
		t.Errorf("zoomed out: got %v, want about %v", got, all)
	}
	tab.press(kb.Escape)
	tab.until(tooltip("#aggregated-chart") + ` === ""`)
	if !eval[bool](tab, `document.activeElement.id === "aggregated-chart"`) {
		t.Error("after Escape the chart has lost the keyboard")
	}
	tab.press(kb.Tab)
	if eval[bool](tab, `document.activeElement.id === "aggregated-chart"`) {
		t.Error("the keyboard cannot leave the chart")
	}
}

// In the drawer the first Escape leaves the chart and the next one closes.
func TestDeviceChartByKeyboard(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	now := time.Now()
	plant.post(reading{ID: "kiln", Value: 20, Time: now.Add(-20 * time.Second)}, reading{ID: "kiln", Value: 21, Time: now.Add(-10 * time.Second), Quality: "bad"},
		reading{ID: "kiln", Value: 22, Time: now})
	tab := plant.open(options{hash: "#device=kiln", language: "zh"})
	tab.until(fmt.Sprintf(`(%s).then((s) => s.readings?.length === 2 && s.bad?.length === 1)`, chart("#device-chart")))
	// The legend names what there is, and hides it.
	legend := `[...document.querySelectorAll("#device-legend button")].map((one) => one.innerText.trim()).join()`
	if got := eval[string](tab, legend); got != "数值,质量不可用" {
		t.Errorf("the legend has the buttons %q, want one for the values and one for those of bad quality", got)
	}
	tab.tabTo("#device-legend [data-series=bad]", 10)
	hidden := func(want bool) string {
		return fmt.Sprintf(`%s((chart) => (chart.getOption().legend[0].selected["质量不可用"] === false) === %[2]v && (document.activeElement.ariaPressed === "false") === %[2]v)`,
			chartOf("#device-chart"), want)
	}
	for _, want := range []bool{true, false} {
		tab.press(" ")
		tab.until(hidden(want))
	}
	tab.tabTo("#device-chart", 10)
	tab.announces("#device-speaker", kb.End, "：数值 22.0\u00a0°C")
	tab.announces("#device-speaker", kb.ArrowLeft, "：数值 21.0\u00a0°C，数据质量 不可用")
	tab.until(tooltip("#device-chart") + `.includes("不可用")`)
	tab.announces("#device-speaker", kb.Home, "：数值 20.0\u00a0°C")
	plant.post(reading{ID: "kiln", Value: 27.5}) // Near the threshold of a warning.
	tab.until(legend + ` === "数值,质量不可用,告警阈值"`)
	tab.press(kb.Escape)
	tab.until(tooltip("#device-chart") + ` === "" && document.querySelector("#drawer").open`)
	tab.press(kb.Escape)
	tab.until(`!document.querySelector("#drawer").open`)
}

// valueTable is the expression of what the table of a chart says.
func valueTable(frame string) string {
	return fmt.Sprintf(`({
		Caption: document.querySelector("%[1]s caption")?.innerText ?? "",
		Columns: [...document.querySelectorAll("%[1]s thead th[scope=col]")].map((th) => th.innerText),
		Rows: [...document.querySelectorAll("%[1]s tbody tr")].map((tr) => [tr.querySelector("th[scope=row]").innerText, ...[...tr.querySelectorAll("td")].map((td) => td.innerText)]),
	})`, frame+" table")
}

type values struct {
	Caption string
	Columns []string
	Rows    [][]string
}

// The values of a chart can be read as a table, in both languages. The address says that it is shown.
func TestChartsAsTables(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	tab := plant.open(options{addr: plant.addr, path: "/?range=15m"})
	tab.until(`!document.querySelector("#aggregated-state").hidden && document.querySelector("#aggregated-state").innerText.includes("No readings")`)
	start := time.Now().Add(-3 * time.Minute).Truncate(10 * time.Second)
	for i, at := range []time.Duration{0, 10 * time.Second, 20 * time.Second, 90 * time.Second} {
		plant.post(reading{ID: "kiln", Value: 20 + float64(i), Time: start.Add(at + 100*time.Millisecond)})
	}
	// Windows that come late are in the archive only. The plant is silent afterwards, so nothing but time leads the page to them.
	tab.until(`document.querySelector("#aggregated-state").hidden`)
	tab.do(chromedp.Navigate(plant.url("/?device=kiln&range=15m")))
	tab.until(fmt.Sprintf(`(%s).then((s) => s.readings?.length > 3)`, chart("#device-chart")))
	tab.click("#drawer .as-table")
	clock := func(at time.Duration) string { return start.Add(at).Format("15:04:05") }
	device := func() [][]string { return eval[values](tab, valueTable("#drawer .chart-table")).Rows }
	tab.until(`document.querySelectorAll("#drawer .chart-table tbody tr").length === 5`)
	want := [][]string{{clock(90 * time.Second), "23.0"}, {clock(20*time.Second) + " – " + clock(90*time.Second), "no readings"},
		{clock(20 * time.Second), "22.0"}, {clock(10 * time.Second), "21.0"}, {clock(0), "20.0"}}
	if got := device(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the readings of the device: got %q, want %q", got, want)
	}
	tab.press(kb.Escape)
	tab.until(`!document.querySelector("#drawer").open`)
	tab.click(".panel-chart .as-table")
	tab.until(`location.search.includes("chart-as=table")`)
	tab.do(chromedp.Reload())
	tab.until(`document.querySelector(".panel-chart .as-table")?.ariaPressed === "true" && document.querySelectorAll(".panel-chart tbody tr").length > 3`)
	tab.until(`getComputedStyle(document.querySelector("#aggregated-chart")).visibility === "hidden"`)
	got := eval[values](tab, valueTable(".panel-chart .chart-table"))
	columns := []string{"Time", "Maximum (°C)", "Average (°C)", "Minimum (°C)", "Devices", "Readings"}
	if got.Caption != "Temperature · The last 15 minutes" || !slices.Equal(got.Columns, columns) {
		t.Errorf("got the caption %q and the columns %q, want those of the temperature: %q", got.Caption, got.Columns, columns)
	}
	for _, row := range [][]string{
		{clock(20*time.Second) + " – " + clock(30*time.Second), "22.0", "22.0", "22.0", "1", "1"},
		{clock(30*time.Second) + " – " + clock(90*time.Second), "no readings"},
		{clock(90*time.Second) + " – " + clock(100*time.Second), "23.0", "23.0", "23.0", "1", "1"},
	} {
		if !slices.ContainsFunc(got.Rows, func(one []string) bool { return strings.HasPrefix(one[0], row[0]) && slices.Equal(one[1:], row[1:]) }) {
			t.Errorf("got the rows %q, want %q among them", got.Rows, row)
		}
	}
	tab.click(`#language label:has([value="zh"])`)
	tab.until(`document.querySelector(".panel-chart caption").innerText === "温度 · 最近 15 分钟" && document.querySelector(".panel-chart .gap td").innerText === "没有读数"`)
	if over := eval[int](tab, `document.documentElement.scrollWidth - innerWidth`); over > 0 {
		t.Errorf("the page is %d px too wide", over)
	}
	tab.click(".panel-chart .as-table")
	tab.until(`document.querySelector(".panel-chart .chart-table").hidden && !location.search.includes("chart-as") && getComputedStyle(document.querySelector("#aggregated-chart")).visibility === "visible"`)
}

// Who has no mouse hides a series of the chart as well, with a button that says whether it is shown.
func TestSeriesAreHiddenByKeyboard(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	plant.post(reading{ID: "press", Value: 20})
	tab := plant.open(options{})
	tab.until(fmt.Sprintf(`(%s).then((s) => s.average?.some(([, v]) => v !== null))`, chart("#aggregated-chart")))
	shown := func(want bool) string {
		return fmt.Sprintf(`%s((chart) => (chart.getOption().legend[0].selected[chart.getOption().series.find(({ id }) => id === "minimum").name] ?? true) === %[2]v && document.activeElement.ariaPressed === "%[2]v")`,
			chartOf("#aggregated-chart"), want)
	}
	tab.tabTo("#aggregated-legend [data-series=minimum]", 30)
	if name := eval[string](tab, `document.activeElement.innerText.trim()`); name != "Temperature minimum" {
		t.Errorf("the button is called %q, want the name of the series", name)
	}
	tab.until(shown(true))
	tab.press(" ")
	tab.until(shown(false))
	tab.press(kb.Enter)
	tab.until(shown(true))
	tab.press(kb.Enter)
	tab.until(shown(false))
	// Another type is another chart, of which everything is shown.
	tab.click(`.type-tile:has([value="humidity_sensor"])`)
	tab.until(`document.querySelector("#aggregated-legend [data-series=minimum]").ariaPressed === "true"`)
}
