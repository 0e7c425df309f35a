package browser

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Who has added a rule that names other points of the machine reads which machines have them, which devices lack one and why, and goes to these by keyboard.
func TestARuleThatNamesOtherPoints(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	at := func(machine, id, typ string, value float64) reading {
		return reading{ID: id, Type: typ, Value: value, Location: location{Building: machine}}
	}
	devices := []reading{
		at("Press 1", "oil-1", "temperature_sensor", 24), at("Press 1", "gauge-1", "pressure_sensor", 1013),
		at("Press 2", "oil-2", "temperature_sensor", 24), at("Press 2", "gauge-2a", "pressure_sensor", 1012), at("Press 2", "gauge-2b", "pressure_sensor", 1011),
		at("Press 3", "oil-3", "temperature_sensor", 24), at("Press 4", "oil-4", "temperature_sensor", 24), at("", "oil-5", "temperature_sensor", 24),
		{ID: "gauge-4", Type: "pressure_sensor", Value: 1010, Quality: "bad", Location: location{Building: "Press 4"}},
	}
	send := func() { plant.post(slices.Clone(devices)...) }
	send()
	plant.send(http.MethodPost, "/api/v1/rules", `{"name":"cold oil","device_type":"temperature_sensor","severity":"warning",
		"condition":{"kind":"expression","expression":"point(\"pressure_sensor\").value > 1000 and value > point(\"coolnat\").value"}}`, http.StatusCreated)
	plant.send(http.MethodPost, "/api/v1/rules", `{"name":"warm oil","device_type":"temperature_sensor","severity":"warning",
		"condition":{"kind":"expression","expression":"point(\"pressure_sensor\").value > 1000 and value > 23"}}`, http.StatusCreated)
	tab := plant.open(options{addr: plant.addr, path: "/rules/warm%20oil"})
	words := func(selector string) string {
		return fmt.Sprintf(`(document.querySelector("#rule-points:not([hidden]) %s")?.innerText.replace(/\s+/g, " ").trim() ?? "")`, selector)
	}
	// The page asks again every few seconds. A device that has not sent for long is offline.
	shows := func(what, condition string) {
		t.Helper()
		for deadline := time.Now().Add(patience); !eval[bool](tab, condition); time.Sleep(200 * time.Millisecond) {
			if send(); time.Now().After(deadline) {
				t.Fatalf("%s: got %s", what, eval[string](tab, `document.querySelector("#rule-points").innerText`))
			}
		}
	}
	shows("a point, and who lacks it", words("tbody")+`.startsWith("Press 1 pressure_sensor gauge-1 1,013.00 hPa ") && `+words("tbody")+`.endsWith(" ago") && `+
		words("p strong")+` === "4 devices lack a point: what needs its value is not judged." && `+words(".point-without")+` === [
			"oil-5 has no area, so it belongs to no machine and has no other points",
			"oil-2 Press 2 pressure_sensor: 2 devices of the area match alike, so none of them is the point",
			"oil-3 Press 3 pressure_sensor: no device of the area has this id, this label “point” or this type",
			"oil-4 Press 4 pressure_sensor: the newest value of gauge-4 is not good"].join(" ")`)
	tab.fitsEveryWidth(t, "the points of a rule", "#rule-points")
	tab.do(chromedp.EmulateViewport(1440, 900))

	// What becomes different is shown without opening the page anew.
	devices[4].Location.Building = "Press 5"
	shows("a point that is not ambiguous any more", words("tbody")+`.includes("Press 2 pressure_sensor gauge-2a 1,012.00 hPa") && `+words("p strong")+`.startsWith("3 devices lack a point")`)

	// By keyboard to the device that is the point, and back.
	eval[chromedp.Void](tab, `document.querySelector("#rule-title").focus()`)
	tab.tabTo("#rule-view", 10)
	tab.tabTo(`#rule-points tbody a`, 5)
	tab.tabTo(`#rule-points .point-without a`, 5)
	for range 2 {
		tab.tabTo(`#rule-points .point-without a`, 1)
	}
	tab.press(kb.Enter)
	tab.until(`location.pathname.endsWith("/devices/oil-4")`)

	tab.do(chromedp.Navigate(plant.url("/rules/cold%20oil")))
	shows("a mistyped point", words("p strong")+` === "5 devices lack a point: what needs its value is not judged." && `+
		words(".point-without")+`.includes("oil-1 Press 1 coolnat: no device of the area has this id, this label “point” or this type")`)
	tab.click(`#language label:has([value="zh"])`)
	tab.until(words("h4") + ` === "机器的其他测点" && ` + words(".point-without") + `.includes("oil-1 Press 1 coolnat：该区域没有以此为编号、标签“point”或类型的设备")`)
	tab.fitsEveryWidth(t, "the points of a rule in Chinese", "#rule-points")
	tab.do(chromedp.EmulateViewport(1440, 900))
	if got := eval[string](tab, words("tbody")); got == "" {
		t.Error("the point that is spelt right is not listed")
	}
}

// A trial of such a rule says how many devices have no area.
func TestATrialOfARuleThatNamesOtherPoints(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	plant.post(reading{ID: "oil-5", Value: 24}, reading{ID: "oil-6", Value: 24})
	plant.send(http.MethodPost, "/api/v1/rules", `{"name":"cold oil","device_type":"temperature_sensor","severity":"warning",
		"condition":{"kind":"expression","expression":"value > point(\"coolant\").value"}}`, http.StatusCreated)
	tab := plant.open(options{addr: plant.addr, path: "/rules/cold%20oil"})
	// The archive has the readings a little later.
	tab.until(`document.querySelector("#trial-outcome")?.textContent.includes("2 devices have no area, so they have no other points: what needs one was not judged.") || (document.querySelector("#trial-run").disabled || document.querySelector("#trial-run").click(), false)`)
}
