package browser

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

// Every page, while what it asks for is being loaded, and when that has failed.
func TestAxeFindsNothingWhilePagesLoad(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	plant.post(reading{ID: "furnace", Value: 36}, reading{ID: "oven", Value: 30}, reading{ID: "off", Value: 20, Status: "offline"})
	tab := plant.open(options{width: 900, height: 900, expected: []string{"lost", "was preloaded"}})
	tab.answering()
	tab.until(`document.querySelectorAll(".alert").length > 2`)
	for _, address := range []string{"alerts?view=history", "alerts/7", "rules", "rules/hot", "kpis", "notifications", "notifications/routes", "notifications/calendar",
		"maintenance", "devices", "devices/furnace", "sources", "sources/field", "system"} {
		for how, shown := range map[string]string{
			"held": `outlet.innerText.includes("Loading") || outlet.querySelector(":is(#alert-title, #rule-title, #source-title):not(:empty)") !== null`,
			"lost": `outlet.innerText.includes("not be loaded")`,
		} {
			tab.answers(how, "/api/")
			tab.do(chromedp.Navigate(plant.url("/" + address)))
			tab.until(fmt.Sprintf(`document.querySelector("#connection").dataset.phase === "open" && ((outlet) => %s)(document.querySelector("#outlet"))`, shown))
			tab.findsNothing(fmt.Sprintf("%s, %s", address, how))
		}
	}
	// What has been loaded stays in sight while something else is loaded, and when that fails.
	tab.answers("", "")
	tab.do(chromedp.Navigate(plant.url("/devices")))
	tab.until(listed + `.length === 3`)
	tab.answers("held", "/api/")
	tab.do(chromedp.SendKeys(chromedp.CSS(`#device-filters [name="search"]`), "o"))
	tab.until(`document.querySelector('.devices[aria-busy="true"]') !== null && ` + listed + `.length === 3`)
	tab.findsNothing("other devices, held")
}
