package browser

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"iotmon/internal/wire"
)

// While the server is down the page says so everywhere, keeps the list that the reader holds, and recovers by itself afterwards.
func TestPageDuringAnOutage(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	plant.post(reading{ID: "furnace", Value: 36})
	// The server answers 503 for a device that it has not read yet after its start, and the page asks again.
	tab := plant.open(options{width: 390, height: 844, expected: []string{"503"}})
	tab.until(`document.querySelector("#stream").innerText.includes("furnace")`)
	tab.click("#stream-pause")
	tab.mu.Lock()
	tab.offline = true
	tab.mu.Unlock()
	plant.kill()
	tab.until(`document.querySelector("#connection").dataset.phase === "waiting"`)
	tab.click(`#range label:has([value="1h"])`)
	tab.until(`document.querySelector("#aggregated-state").innerText.includes("could not be loaded")`)
	tab.click("#stream tbody a")
	tab.until(`document.querySelector("#drawer").open && !document.querySelector("#drawer-stale").hidden`)
	tab.until(`document.querySelector("#drawer-stale-announcer").textContent !== "" && document.querySelector("#drawer-stale").innerText.includes("Disconnected")`)
	tab.until(`document.querySelector("#device-chart-state").innerText.includes("could not be loaded")`)
	looksOld(tab)
	plant.start()
	tab.until(`document.querySelector("#connection").dataset.phase === "open"`)
	tab.until(`document.querySelector("#drawer-connection").innerText.includes("Live")`)
	// Nobody presses anything.
	tab.until(`document.querySelector("#device-chart-state").hidden && document.querySelector("#aggregated-state").hidden`)
	if got := eval[string](tab, `document.querySelector("#stream").innerText`); !eval[bool](tab, `document.querySelector("#stream tbody a")?.textContent === "furnace"`) {
		t.Errorf("the paused list after the server's restart: got %q, want what it held", got)
	}
}

// looksOld checks a page that has lost its connection, with the drawer of a device with a critical alert open: the drawer says so, nothing
// has the colour of a good state, and critical alerts keep theirs.
func looksOld(tab *tab) {
	t := tab.t
	t.Helper()
	type look struct {
		Badge, BadgeIcon, Online, Critical, KPI, AlertIcon string
		Filtered                                           []string
		BadgeSeen, BannerSeen                              bool
	}
	tab.until(`/^Disconnected|^Connecting/.test(document.querySelector("#drawer-connection").innerText)`)
	eval[chromedp.Void](tab, `document.querySelector("#drawer").scrollTop = 10000`)
	got := eval[look](tab, `(() => {
		const color = (selector) => getComputedStyle(document.querySelector(selector)).color;
		const named = (name) => { const probe = document.createElement("i"); probe.style.color = name; document.body.append(probe); const { color } = getComputedStyle(probe); probe.remove(); return color; };
		const seen = (selector) => { const { top, bottom } = document.querySelector(selector).getBoundingClientRect(); return top >= 0 && bottom <= innerHeight && bottom > top; };
		return {
			Badge: document.querySelector("#drawer-connection").innerText, BadgeIcon: color("#drawer-connection .icon"),
			Online: named("light-dark(#2f7a50, #58b487)"), Critical: named("var(--critical)"),
			KPI: color(".kpi-alerts .kpi-value"), AlertIcon: color("#drawer .alert .severity-critical"),
			Filtered: [...document.querySelectorAll("*")].filter((one) => getComputedStyle(one).filter !== "none").map((one) => one.className),
			BadgeSeen: seen("#drawer-connection"), BannerSeen: seen("#drawer-stale"),
		};
	})()`)
	if !got.BadgeSeen || !got.BannerSeen {
		t.Errorf("at the end of the drawer: the badge is seen %v, the banner %v, want both", got.BadgeSeen, got.BannerSeen)
	}
	if got.BadgeIcon == got.Online || eval[bool](tab, `[...document.querySelectorAll(".status-online, #connection .icon")].some((one) => getComputedStyle(one).color === "`+got.Online+`")`) {
		t.Error("something is shown as good that nobody knows to be")
	}
	if got.KPI != got.Critical || got.AlertIcon != got.Critical || len(got.Filtered) > 0 {
		t.Errorf("what is critical: got %s and %s, and filters on %q; want %s and none", got.KPI, got.AlertIcon, got.Filtered, got.Critical)
	}
	ring := chartOf("#status-chart") + `((chart) => chart.getOption().series[0].data[0].itemStyle.color)`
	tab.until(fmt.Sprintf(`%s.then((color) => color !== %q)`, ring, got.Online))
}

// The keyboard comes back to the row whose device was closed, by whatever way the device was opened.
func TestFocusComesBackFromTheDrawer(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	plant.post(reading{ID: "mixer", Value: 20})
	tab := plant.open(options{})
	for _, open := range []string{"#stream tbody tr:not(.spacer) .col-type", "#stream tbody a"} {
		tab.click(open)
		tab.until(`document.querySelector("#drawer").open`)
		tab.do(chromedp.KeyEvent("\x1b"))
		tab.until(`!document.querySelector("#drawer").open`)
		tab.until(`document.activeElement.textContent === "mixer"`)
	}
	eval[chromedp.Void](tab, `(document.activeElement.blur(), location.hash = "#device=mixer")`)
	tab.until(`document.querySelector("#drawer").open`)
	tab.do(chromedp.KeyEvent("\x1b"))
	tab.until(`!document.querySelector("#drawer").open`)
	tab.until(`document.activeElement === document.querySelector("#stream")`) // And not the body.
}

// A list that the mouse holds says so above its rows, and only for as long as the mouse moves.
func TestParkedMouseHoldsTheListForAWhile(t *testing.T) {
	plant := startPlant(t, "-devices", "50", "-interval", "500ms")
	tab := plant.open(options{})
	tab.until(`Number(document.querySelector(".readings").ariaRowCount) > 30`)
	box := eval[struct{ X, Y float64 }](tab, `document.querySelector("#stream tbody tr:not(.spacer) .col-type").getBoundingClientRect().toJSON()`)
	tab.do(chromedp.MouseEvent(chromedp.MouseMoved, box.X+5, box.Y+5))
	tab.until(`!document.querySelector("#stream-held").hidden && /: [1-9]\d* new$/.test(document.querySelector("#stream-held").innerText)`)
	first := `document.querySelector("#stream tbody tr:not(.spacer)").innerText`
	held := eval[string](tab, first)
	missed := `Number(document.querySelector("#stream-held").innerText.match(/(\d+) new/)?.[1])`
	tab.until(fmt.Sprintf(`%s > %d`, missed, eval[int](tab, missed)))
	if got := eval[string](tab, first); got != held {
		t.Errorf("under the mouse: got %q, want %q still", got, held)
	}
	tab.until(`document.querySelector("#stream-held").hidden`)
	tab.until(fmt.Sprintf("%s !== %q", first, held))
}

// The note above a list that is held takes a place that was its own before: the row that the mouse came to stays under it, and a click on
// its link is one.
func TestHeldListStaysUnderTheMouse(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	plant.post(reading{ID: "kiln", Value: 20}, reading{ID: "oven", Value: 21})
	tab := plant.open(options{})
	tab.until(`document.querySelectorAll("#stream tbody a").length === 2`)
	const middle = `(() => {
		const link = document.querySelector("#stream tbody a");
		link.scrollIntoView({ block: "center", behavior: "instant" });
		const { x, y, width, height } = link.getBoundingClientRect();
		return { x: x + width / 2, y: y + height / 2 };
	})()`
	// In its panel: what is above it may still change its height for the new width.
	const place = `(() => {
		const link = document.querySelector("#stream tbody a");
		const [inside, panel] = [link, link.closest("section")].map((element) => element.getBoundingClientRect());
		return { x: inside.x - panel.x, y: inside.y - panel.y };
	})()`
	type point struct{ X, Y float64 }
	for _, language := range []string{"zh", "en"} {
		eval[chromedp.Void](tab, fmt.Sprintf(`document.querySelector('#language [value=%q]').click()`, language))
		for _, width := range []int64{1440, 900, 600, 390} {
			tab.do(chromedp.MouseEvent(chromedp.MouseMoved, 1, 1))
			tab.do(chromedp.EmulateViewport(width, 900))
			tab.until(fmt.Sprintf("innerWidth === %d", width))
			tab.until(`document.querySelector("#stream-held").hidden`)
			tab.frame()
			before := eval[point](tab, place)
			mouse := eval[point](tab, middle)
			tab.do(chromedp.MouseEvent(chromedp.MouseMoved, mouse.X, mouse.Y))
			tab.until(`!document.querySelector("#stream-held").hidden`)
			tab.frame()
			if now := eval[point](tab, place); now != before {
				t.Errorf("%s, %d px: the link moved from %v to %v as the mouse came", language, width, before, now)
			}
			for _, found := range eval[[]string](tab, collisions) {
				t.Errorf("%s, %d px: %s", language, width, found)
			}
			if cut := eval[bool](tab, `(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth)(document.querySelector("#stream-held"))`); cut {
				t.Errorf("%s, %d px: the note is cut off", language, width)
			}
		}
	}
}

// refuse has every request for the past fail in the browser, or pass again; the WebSocket stands.
func (tab *tab) refuse(plant *plant, refused bool) {
	tab.t.Helper()
	patterns := []*network.BlockPattern{{URLPattern: plant.url("/api/v1/*"), Block: refused}}
	call(tab, network.SetBlockedURLs, network.SetBlockedURLsParams{URLPatterns: patterns})
	// The browser answers before the process that makes its requests follows.
	tab.until(fmt.Sprintf(`fetch(%q).then(() => false, () => true).then((failed) => failed === %v)`, plant.url("/api/v1/types"), refused))
}

// The list of alerts and the history heal when requests pass again: by themselves, and at once when somebody presses the button.
func TestAlertsAndHistoryHeal(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	plant.post(reading{ID: "kiln", Value: 36})
	plant.post(reading{ID: "kiln", Value: 20}) // Only the archive knows of the alerts now.
	var archived struct{ Items []wire.Alert }
	for deadline := time.Now().Add(patience); len(archived.Items) < 2 || archived.Items[0].State != "cleared"; time.Sleep(100 * time.Millisecond) {
		plant.get("/api/v1/alerts", &archived)
		if time.Now().After(deadline) {
			t.Fatalf("archived alerts: got %+v, want two that are cleared", archived.Items)
		}
	}
	tab := plant.open(options{addr: plant.addr, path: "/?device=kiln&range=6h", expected: []string{"ERR_BLOCKED_BY_CLIENT"}})
	const (
		alerts     = `#alert-state`
		aggregates = `#aggregated-state`
		device     = `#device-chart-state`
	)
	failed := func(states ...string) {
		t.Helper()
		for _, state := range states {
			tab.until(fmt.Sprintf(`document.querySelector(%q)?.innerText.includes("could not be loaded")`, state))
		}
	}
	healed := func(states ...string) {
		t.Helper()
		for _, state := range states {
			tab.until(fmt.Sprintf(`document.querySelector(%q).hidden`, state))
		}
	}
	const listed = `document.querySelectorAll('.panel-alerts .alert[data-state="cleared"]').length === 2`
	tab.until(listed)

	tab.refuse(plant, true)
	tab.do(chromedp.Reload())
	failed(alerts, aggregates)
	// A live message opens the device's chart, which the archive then does not fill.
	plant.post(reading{ID: "kiln", Value: 21})
	failed(device)
	if eval[bool](tab, listed) {
		t.Error("the alerts are listed while requests fail")
	}
	tab.refuse(plant, false)
	healed(alerts, aggregates, device)
	tab.until(listed)
	tab.press(kb.Escape)

	// While the browser's clock is stopped nothing is asked again by itself.
	tab.refuse(plant, true)
	tab.do(chromedp.Reload())
	failed(alerts, aggregates)
	eval[chromedp.Void](tab, `{ const now = performance.now(); performance.now = () => now; }`)
	tab.refuse(plant, false)
	tab.click(alerts + " button")
	healed(alerts)
	tab.until(listed)
	failed(aggregates)
	tab.click(aggregates + " button")
	healed(aggregates)
}
