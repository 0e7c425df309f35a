package browser

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// The page of key figures shows what was raised beside the targets, on every screen, in both languages and themes.
func TestAlertFigures(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	tab := plant.open(options{addr: plant.addr, path: "/kpis", expected: []string{"lost"}})
	tab.answering()
	tab.until(`document.querySelector("#kpis-rates")?.innerText.includes("No alert was raised")`)
	tab.findsNothing("nothing raised")
	for i := range 12 {
		plant.post(reading{ID: fmt.Sprintf("line-4/press.%02d", i), Value: 36})
	}
	plant.post(reading{ID: strings.Repeat("long", 30), Value: 29})
	for i := range 6 { // It chatters.
		plant.post(reading{ID: "<b>chatterer</b>", Value: float64(20 + 10*(i%2))})
	}
	tab.until(`fetch("/api/v1/alerts/kpis").then((answer) => answer.json()).then(({alerts}) => alerts === 28)`)
	tab.do(chromedp.Reload())
	tab.until(`document.querySelectorAll("#kpis-targets tbody tr").length === 13 && document.querySelectorAll("#kpis-most tbody tr").length === 10`)
	if got := eval[string](tab, `document.querySelector("#kpis-most tbody tr").innerText`); !strings.Contains(got, "chatters") || !strings.Contains(got, "<b>chatterer</b>") {
		t.Errorf("first: got %q, want what chatters", got)
	}
	if got := eval[string](tab, `[...document.querySelectorAll(".kpi")].map((tile) => tile.innerText).join("|")`); !strings.Contains(got, "target: 10 at most") || !strings.Contains(got, "none was acknowledged") {
		t.Errorf("got the tiles %q", got)
	}
	tab.clickFound(`document.querySelector('#kpis-span input[value="1"]')`)
	tab.until(`!document.querySelector("#kpis-notice").hidden && document.querySelector(".rates-bars rect") !== null`)
	eval[chromedp.Void](tab, `{ const field = document.querySelector("#kpis-operators"); field.value = "7"; field.dispatchEvent(new Event("change")); }`)
	tab.until(`document.querySelector('[data-figure="peak"]').innerText === "4" && !document.querySelector('[data-figure="peak"]').closest(".kpi").classList.contains("abnormal")`)
	eval[chromedp.Void](tab, `{ const field = document.querySelector("#kpis-operators"); field.value = "0"; field.dispatchEvent(new Event("change")); }`)
	tab.until(`document.querySelector("#kpis-operators").value === "1" && document.querySelector('[data-figure="peak"]').innerText === "28"`)
	for _, width := range []int64{1440, 900, 390} {
		tab.do(chromedp.EmulateViewport(width, 900))
		tab.until(fmt.Sprintf("innerWidth === %d", width))
		tab.frame()
		if over := eval[float64](tab, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
			t.Errorf("%d px: the page is %v px too wide", width, over)
		}
		for _, found := range eval[[]string](tab, collisions) {
			t.Errorf("%d px: %s", width, found)
		}
		tab.findsNothing(fmt.Sprintf("%d px", width))
	}
	tab.answers("lost", "alerts/kpis")
	tab.do(chromedp.EmulateViewport(1440, 900))
	tab.do(chromedp.Navigate(plant.url("/kpis")))
	tab.until(`document.querySelector("#kpis-state")?.innerText.includes("could not be loaded")`)
	tab.findsNothing("lost")
}
