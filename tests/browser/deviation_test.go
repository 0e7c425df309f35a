package browser

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Who adds a rule about devices that differ from the others learns what they are compared with, tries it, and reads in the alert by how much they differ.
func TestARuleAboutDevicesThatDifferFromTheOthers(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	var ovens []reading
	for i, value := range []float64{20, 20.5, 21, 20, 20.5, 12} {
		ovens = append(ovens, reading{ID: fmt.Sprintf("oven-%d", i+1), Value: value, Location: location{Building: "Hall 7"}})
	}
	ovens = append(ovens, reading{ID: "cellar", Value: 9, Location: location{Building: "Hall 8"}})
	send := func() { plant.post(slices.Clone(ovens)...) }
	send()
	tab := plant.open(options{addr: plant.addr, path: "/rules/new?new=1", expected: []string{"422"}})
	choose := func(selector, value string) {
		t.Helper()
		tab.until(fmt.Sprintf(`[...document.querySelector(%q)?.options ?? []].some(({ value }) => value === %q)`, selector, value))
		eval[chromedp.Void](tab, fmt.Sprintf(`{ const select = document.querySelector(%q); select.value = %q; select.dispatchEvent(new Event("change")); }`, selector, value))
	}

	t.Run("is refused at its field", func(t *testing.T) {
		choose("#rule-condition-kind", "deviation")
		choose("#rule-device_type", "temperature_sensor")
		tab.until(`[...document.querySelectorAll("[data-field^=condition]")].map(({ dataset }) => dataset.field).join() === "condition.kind,condition.threshold,condition.hysteresis"`)
		tab.until(`document.querySelector("#rule-condition-threshold-hint").textContent.includes("at least five must be online")`)
		tab.fill("#rule-name", "odd")
		tab.fill("#rule-condition-threshold", "0")
		tab.fill("#rule-condition-hysteresis", "1")
		tab.click("#rule-save")
		tab.until(`document.querySelector('[data-field="condition.threshold"] .field-error')?.textContent.includes("must be positive") && document.activeElement.id === "rule-condition-threshold"`)
		tab.fill("#rule-condition-threshold", "3")
		tab.until(`document.querySelector('[data-field="condition.threshold"] .field-error') === null`)
	})

	t.Run("is tried with the medians of then", func(t *testing.T) {
		// The archive has the readings a little later, and a median is that of the readings before.
		tab.until(`document.querySelector("#trial-outcome")?.textContent.includes("Medians every 10 s. In 1 group of one area there were never five devices") || (document.querySelector("#trial-run").disabled || document.querySelector("#trial-run").click(), false)`)
		tab.fitsEveryWidth(t, "a rule about a deviation that is edited and tried", "#rule-form")
		tab.do(chromedp.EmulateViewport(1440, 900))
	})

	t.Run("raises an alert", func(t *testing.T) {
		tab.click("#rule-save")
		tab.until(`document.querySelector("#rule-facts [data-fact=condition]")?.innerText.replace(/\s+/g, " ").includes("A value that differs by more than 3 °C from the median of its area and type; deadband 1 °C")`)
		opened := `document.querySelector("#rule-alerts-link").textContent === "1 open alert"`
		for deadline := time.Now().Add(patience); !eval[bool](tab, opened); time.Sleep(200 * time.Millisecond) {
			if send(); time.Now().After(deadline) {
				t.Fatal("no alert is open")
			}
		}
	})

	t.Run("shows the medians, and which devices have none", func(t *testing.T) {
		// The page shows what was in force when it was opened: a median may just be followed by another one, and a device that has not sent for long is offline.
		shown := `document.querySelector("#rule-medians tbody")?.innerText.replace(/\s+/g, " ").startsWith("Hall 7 Temperature 20.25 °C 6 ") &&
			document.querySelector("#rule-medians .median-without")?.innerText.replace(/\s+/g, " ") === "cellar Hall 8: only 1 device of the area and type is online with a good value; five are needed"`
		for deadline := time.Now().Add(patience); ; {
			send()
			tab.do(chromedp.Reload())
			tab.until(`document.querySelector("#rule-medians:not([hidden]) h4")`)
			if eval[bool](tab, "Boolean("+shown+")") {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("got ", eval[string](tab, `document.querySelector("#rule-medians").innerText`))
			}
		}
		tab.fitsEveryWidth(t, "the medians of a rule", "#rule-medians")
		tab.do(chromedp.EmulateViewport(1440, 900))
		tab.findsNothing("the medians of a rule")
	})

	t.Run("leads to an alert that says by how much", func(t *testing.T) {
		tab.click("#rule-alerts-link")
		tab.until(`document.querySelector("#alert-list tbody")?.innerText.replace(/\s+/g, " ").includes("Temperature unlike the others: 12 °C, median of its area and type 20.25 °C, a difference by more than 3 °C")`)
		tab.findsNothing("an alert about a deviation")
	})
}
