package browser

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// A device's own page shows what is known of it, and people change there what is decided about it.
func TestDevicePage(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	plant.post(reading{ID: "kiln", Value: 36, Location: location{Building: "Hall 7", Floor: 1, Room: "a"}})
	tab := plant.open(options{expected: []string{"412", "503", "404"}})
	tab.until(`document.querySelectorAll("#stream tbody tr:not(.spacer)").length === 1`)
	// The drawer leads to it.
	tab.click("#stream tbody a")
	tab.until(`document.querySelector("#drawer").open`)
	tab.click(".drawer-page")
	tab.until(`location.pathname === "/devices/kiln" && document.querySelector("#device-title")?.textContent === "kiln" && document.activeElement.id === "main"`)
	tab.until(`document.querySelector("#device-value").textContent === "36.0\u00a0°C" && document.querySelector("#device-chart canvas") !== null`)
	tab.until(`document.querySelector("#device-place").textContent === "Temperature · Hall 7/1/a" && document.querySelector("#device-open-alerts").children.length > 0`)
	tab.until(`document.querySelector("#navigation [aria-current=true]").textContent === "Devices"`)

	t.Run("readings and alerts come as they happen", func(t *testing.T) {
		for at := time.Now().Add(time.Second); ; time.Sleep(100 * time.Millisecond) {
			plant.post(reading{ID: "kiln", Value: 20})
			if eval[bool](tab, `document.querySelector("#device-open-alerts").children.length === 0 && document.querySelector("#device-past-alerts").children.length > 0`) {
				break
			}
			if time.Since(at) > patience {
				t.Fatal("the alerts are still open")
			}
		}
		tab.until(`document.querySelector("#device-value").textContent === "20.0\u00a0°C"`)
		// The archive has them after a reload.
		tab.until(`fetch("/api/v1/alerts?device=kiln&state=cleared").then((response) => response.json()).then(({ items }) => items.length > 0)`)
		tab.do(chromedp.Reload())
		tab.until(`document.querySelector("#device-past-alerts")?.children.length > 0`)
		tab.click(`#drawer-range label:has([value="7d"])`)
		tab.until(`location.search === "?history=7d"`)
	})

	t.Run("the entry is changed", func(t *testing.T) {
		tab.until(`document.querySelectorAll(".entry .limit").length > 0`)
		if !eval[bool](tab, `document.querySelector('.entry [type="submit"]').disabled`) {
			t.Error("with nothing changed the form can be saved")
		}
		tab.fill(`.entry .field input`, "Kiln 1")
		tab.fill(`.entry [list="entry-areas"]`, "hall/north")
		tab.click(".field-group > .link")
		tab.until(`document.activeElement.ariaLabel === "Name of label 1"`)
		tab.do(chromedp.KeyEvent("line"))
		tab.press(kb.Tab)
		tab.do(chromedp.KeyEvent("3"))
		tab.fill(".limit input", "abc")
		tab.click(`.entry [type="submit"]`)
		tab.until(`document.querySelector(".entry-outcome").textContent.endsWith("is not a number.")`)
		tab.findsNothing("a mistake in the form")
		tab.fill(".limit input", "40")
		tab.click(`.entry [type="submit"]`)
		tab.until(`document.querySelector(".entry-outcome").textContent === "Saved and in force."`)
		got := plant.entry("kiln").Entry
		if got.Name != "Kiln 1" || got.Area != "hall/north" || got.Labels["line"] != "3" || len(got.Limits) != 1 {
			t.Errorf("got %+v, want what was typed", got)
		}
		tab.until(`document.querySelector("#device-place").textContent === "Kiln 1 · Temperature · hall/north"`)
	})

	t.Run("its value is shown in a unit of its own", func(t *testing.T) {
		unit := `[...document.querySelectorAll(".entry .field")].find((field) => field.innerText.includes("Values shown in")).querySelector("input")`
		eval[chromedp.Void](tab, unit+`.focus()`)
		tab.do(chromedp.KeyEvent("°F"))
		tab.click(`.entry [type="submit"]`)
		tab.until(`document.querySelector(".entry-outcome").textContent === "Saved and in force." && document.querySelector("#device-value").textContent === "68.0\u00a0°F"`)
		plant.patch("kiln", map[string]any{"unit": nil})
		tab.until(`document.querySelector("#device-value").textContent === "20.0\u00a0°C" && ` + unit + `.value === ""`)
	})

	t.Run("somebody else changes it meanwhile", func(t *testing.T) {
		// The page asks by itself, too, and could know before it saves.
		eval[chromedp.Void](tab, `{
			const known = new Promise((know) => (window.know = know));
			const ask = window.fetch;
			window.fetch = async (address, request, ...rest) => {
				if (String(address).includes("/devices/kiln?") && !request?.method) await known;
				return ask(address, request, ...rest);
			};
		}`)
		tab.fill(`.entry .field input`, "Mine")
		plant.patch("kiln", map[string]any{"area": "hall/south", "labels": map[string]any{"line": "4"}})
		tab.click(`.entry [type="submit"]`)
		tab.until(`document.querySelector(".entry-outcome").textContent.startsWith("Not saved: somebody else has changed this device meanwhile.")`)
		eval[chromedp.Void](tab, `know()`)
		tab.until(`document.querySelector(".entry-outcome").textContent === "Somebody else has changed: area, labels. What you typed is kept and not saved yet."`)
		tab.until(`document.querySelector('.entry [list="entry-areas"]').value === "hall/south" && document.querySelector(".entry .field input").value === "Mine"`)
		tab.findsNothing("conflict in the form")
		tab.click(`.entry [type="submit"]`)
		tab.until(`document.querySelector(".entry-outcome").textContent === "Saved and in force."`)
		if got := plant.entry("kiln").Entry; got.Name != "Mine" || got.Area != "hall/south" || got.Labels["line"] != "4" {
			t.Errorf("got %+v, want both changes", got)
		}
		// What nobody types over is shown.
		plant.patch("kiln", map[string]any{"name": "Theirs"})
		tab.until(`document.querySelector(".entry .field input").value === "Theirs" && document.querySelector(".entry-outcome").textContent === "Somebody else has changed: name."`)
	})

	t.Run("the registry is away", func(t *testing.T) {
		tab.refuses()
		tab.fill(`.entry .field input`, "Later")
		tab.click(`.entry [type="submit"]`)
		tab.until(`document.querySelector(".entry-outcome").textContent.startsWith("Nothing can be changed at the moment, because the database does not answer.")`)
		plant.post(reading{ID: "kiln", Value: 23})
		tab.until(`document.querySelector("#device-value").textContent === "23.0\u00a0°C"`)
		eval[chromedp.Void](tab, `refused = false`)
		tab.click(`.entry [type="submit"]`)
		tab.until(`document.querySelector(".entry-outcome").textContent === "Saved and in force."`)
	})

	t.Run("fits every screen", func(t *testing.T) {
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
			if width != 900 {
				tab.findsNothing(fmt.Sprintf("device, %d px", width))
			}
		}
		tab.do(chromedp.EmulateViewport(1440, 900))
	})

	t.Run("it is forgotten", func(t *testing.T) {
		tab.click(".entry .button-danger")
		tab.until(`document.querySelector("#forget").open && document.activeElement.value === "cancel"`)
		tab.findsNothing("the question before forgetting")
		tab.press(kb.Enter)
		tab.until(`!document.querySelector("#forget").open`)
		tab.click(".entry .button-danger")
		tab.until(`document.querySelector("#forget").open`)
		tab.click(`#forget [value="forget"]`)
		tab.until(`!document.querySelector("#forget").open && document.querySelector("#device-problem").innerText.includes("kiln was forgotten")`)
		response, err := http.Get(plant.url("/api/v1/devices/kiln"))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusNotFound {
			t.Errorf("the device after it was forgotten: got %s, want 404", response.Status)
		}
		tab.click("#device-list-link")
		tab.until(`location.pathname === "/devices" && document.querySelector("#devices-state")?.innerText.startsWith("There are no devices")`)
	})
}

// A device whose values people want to see in another unit has that everywhere: value, axis, limits, table and alerts, on its page and in
// the drawer, also when the unit changes while it is looked at.
func TestChartOfADeviceInItsOwnUnit(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	start := time.Now().Add(-5 * time.Minute)
	for i := range 20 {
		plant.post(reading{ID: "kiln", Value: 24 + float64(i%5), Time: start.Add(time.Duration(i) * 10 * time.Second)})
	}
	plant.post(reading{ID: "kiln", Value: 30})
	plant.patch("kiln", map[string]any{"name": "Kiln 1", "limits": map[string]float64{"temperature_high": 29}})
	tab := plant.open(options{path: "/devices/kiln", addr: plant.addr})
	shown := func(where, unit string, lowest, highest float64, words ...string) {
		t.Helper()
		tab.until(fmt.Sprintf(`%s((chart) => {
			if (!chart) return false;
			const { series, yAxis } = chart.getOption(), values = series.find(({ id }) => id === "readings").data.map((point) => (point.value ?? point)[1]).filter((value) => value !== null);
			return yAxis[0].name === %q && values.length > 20 && Math.abs(Math.min(...values) - %v) < 1e-6 && Math.abs(Math.max(...values) - %v) < 1e-6;
		})`, chartOf("#device-chart"), unit, lowest, highest))
		for _, word := range words {
			tab.until(fmt.Sprintf(`%s((chart) => JSON.stringify(chart.getOption().series.find(({ id }) => id === "thresholds").markLine.data).includes(%q))`, chartOf("#device-chart"), word))
		}
		if t.Failed() {
			t.Fatal(where)
		}
	}
	shown("before", "°C", 24, 30, "Own limit 29\u00a0°C")
	plant.patch("kiln", map[string]any{"unit": "°F"})
	shown("when it changes", "°F", 75.2, 86, "Own limit 84.2\u00a0°F")
	tab.until(`document.querySelector("#device-value").textContent === "86.0\u00a0°F" && document.querySelector("#device-chart").ariaLabel.startsWith("Kiln 1 (kiln)")`)
	tab.until(`document.querySelector("#device-open-alerts").innerText.includes("Temperature above 82.4\u00a0°F") && document.querySelector("#device-open-alerts").innerText.includes("86.0\u00a0°F")`)
	tab.until(`document.querySelector(".facts").innerText.includes("84.2\u00a0°F") && [...document.querySelectorAll(".limit")].some((line) => line.innerText.includes("°C") && line.innerText.includes("= 84.2\u00a0°F"))`)
	tab.click("#device-history .as-table")
	tab.until(`document.querySelector("#device-history .chart-table").innerText.includes("Value (°F)") && document.querySelector("#device-history tbody td").textContent === "86.0"`)
	tab.click("#device-history .as-table")
	tab.findsNothing("its own unit")
	tab.click("#device-overview-link")
	tab.until(`document.querySelector("#drawer")?.open`)
	shown("in the drawer", "°F", 75.2, 86, "Own limit 84.2\u00a0°F")
	tab.until(`document.querySelector("#drawer .drawer-value").textContent === "86.0\u00a0°F" && document.querySelector("#drawer .drawer-place").textContent.startsWith("Kiln 1, Temperature")`)
	plant.patch("kiln", map[string]any{"unit": nil})
	shown("when it changes in the drawer", "°C", 24, 30, "Own limit 29\u00a0°C")
}

// Of a device that nobody knows, and of one that has never sent, the page says so in clear words.
func TestPageOfADeviceWithoutReadings(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	plant.patch("planned", map[string]any{"name": "Not there yet"})
	tab := plant.open(options{path: "/devices/nobody", addr: plant.addr, expected: []string{"404", "lost"}})
	tab.answering()
	tab.until(`document.querySelector("#device-problem").innerText === "There is no device “nobody”."`)
	tab.findsNothing("unknown device")
	tab.do(chromedp.Navigate(plant.url("/devices/planned")))
	tab.until(`document.querySelector("#device-problem")?.innerText === "planned has never sent a reading." && document.querySelector(".entry .field input").value === "Not there yet"`)
	tab.findsNothing("a device that has never sent")
	// Its first reading is shown.
	plant.post(reading{ID: "planned", Value: 20})
	tab.until(`document.querySelector("#device-problem").hidden && document.querySelector("#device-value").textContent === "20.0\u00a0°C"`)
	tab.answers("lost", "/api/v1/devices/")
	tab.do(chromedp.Navigate(plant.url("/devices/other")))
	tab.until(`document.querySelector("#device-problem")?.innerText.startsWith("The device could not be loaded")`)
	tab.answers("", "")
	tab.click("#device-problem button")
	tab.until(`document.querySelector("#device-problem").innerText === "There is no device “other”."`)
	if words := eval[string](tab, `document.body.innerText`); strings.Contains(words, "undefined") {
		t.Errorf("the page says: %s", words)
	}
}
