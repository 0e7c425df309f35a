package browser

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// A device that sends through a gateway says so, and so does its alert: nobody is asked about each device behind a gateway that is silent.
func TestADeviceBehindAGateway(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	plant.post(reading{ID: "press", Value: 20})
	plant.patch("press", map[string]any{"interval_seconds": 1})
	tab := plant.open(options{path: "/devices/press", addr: plant.addr})
	parent := `[...document.querySelectorAll(".entry .field")].find((field) => field.innerText.includes("Parent, such as its gateway"))?.querySelector("input")`
	tab.until(parent)
	eval[chromedp.Void](tab, parent+`.focus()`)
	tab.do(chromedp.KeyEvent("gateway 7"))
	tab.click(`.entry [type="submit"]`)
	tab.until(`document.querySelector(".entry-outcome").textContent === "Saved and in force."`)
	tab.until(`document.querySelector("#device-place").textContent.endsWith("behind gateway 7")`)
	tab.fitsEveryWidth(t, "a device with a parent", ".entry")
	// It falls silent, and its gateway may, too.
	tab.do(chromedp.EmulateViewport(1440, 900))
	tab.do(chromedp.Navigate(plant.url("/alerts")))
	tab.until(`document.body.innerText.includes("Silenced by gateway 7")`)
	tab.findsNothing("an alert that is suppressed by a parent")
}
