package browser

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"iotmon/tests/testenv"
)

// withMQTT returns the flags of a program that subscribes to a broker, with one rule, and the broker.
func withMQTT(t *testing.T) (*testenv.Mosquitto, []string) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a browser and the whole system")
	}
	broker := testenv.NewMosquitto(t, t.TempDir(), false, "")
	dir := t.TempDir()
	password, config := filepath.Join(dir, "password"), filepath.Join(dir, "iotmon.yaml")
	settings := fmt.Sprintf(`sources:
  - name: hall-3
    mqtt: {url: "tcp://%s", username: user, password_file: %q, topics: ["plant/#"], keep_alive: 2s}
    map:
      - {field: temp, device: oven, type: temperature_sensor, unit: "°C"}
`, broker.Address(), password)
	for path, text := range map[string]string{password: "secret", config: settings} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return broker, []string{"-no-simulator", "-config", config}
}

// sourceRows is the expression of what the list of sources shows.
const sourceRows = `[...document.querySelectorAll("#sources tbody tr:not(.spacer)")].map((row) => row.innerText.replace(/\s+/g, " ").trim())`

// outcome is the expression of what a value becomes by its name.
func outcome(name string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("#values tbody tr:not(.spacer)")].find((row) => row.querySelector(".col-value-name").textContent === %q)?.querySelector(".col-becomes").textContent`, name)
}

// Who connects devices sees what arrives, makes a rule of it by pointing at a value, and learns what is wrong while nothing arrives.
func TestSourcesPage(t *testing.T) {
	broker, flags := withMQTT(t)
	plant := startPlant(t, flags...)
	tab := plant.open(options{expected: []string{"422"}})
	tab.until(`document.querySelector("#connection").dataset.phase === "open"`)
	tab.click(`#navigation a[href$="/sources"]`)
	tab.until(`location.pathname === "/sources" && document.title === "Sources – iotmon"`)
	tab.until(sourceRows + `[0]?.startsWith("Connected hall-3 mqtt")`)
	broker.Publish(t, "plant/oven/state", `{"temp":81.5,"name":"oven 1","pressure":1013}`)
	broker.Publish(t, "plant/mixer/state", `{"pressure":990}`)
	broker.Publish(t, "plant/press/state", "not JSON")
	tab.until(sourceRows + `[0]?.includes("s ago")`)

	t.Run("one is opened by keyboard", func(t *testing.T) {
		tab.tabTo("#sources tbody a", 40)
		tab.press(kb.Enter)
		tab.until(`location.pathname === "/sources/hall-3" && document.querySelector("#source-title")?.textContent === "hall-3"`)
		tab.until(`document.querySelector("#source-state").textContent.startsWith("Connected for") && document.querySelector("#source-facts").innerText.includes("tcp://")`)
	})

	t.Run("what was rejected is read", func(t *testing.T) {
		tab.until(`document.querySelectorAll("#rejects .reject").length >= 1`)
		tab.click("#rejects .reject")
		tab.until(`document.querySelector("#rejects .letter-value").textContent === "not JSON"`)
		tab.click("#rejects .message .link")
		tab.until(`document.querySelector("#rejects .letter-value").textContent.includes("6e 6f 74 20 4a 53 4f 4e")`)
	})

	t.Run("a rule is made of a value", func(t *testing.T) {
		tab.until(outcome("temp") + `=== "oven: 81.5\u00a0°C"`)
		tab.until(outcome("pressure") + `=== "no rule matches"`)
		tab.tabTo("#values tbody a", 60)
		tab.press(kb.Home)
		for range 3 {
			if eval[string](tab, `document.activeElement.closest("tr").querySelector(".col-value-name").textContent`) == "pressure" {
				break
			}
			tab.press(kb.ArrowDown)
		}
		tab.press(kb.Enter)
		tab.until(`!document.querySelector("#rule-form").hidden && document.querySelector("#rules-tried").textContent === "Tried, not in force"`)
		tab.until(`document.querySelector("#message .letter-value").textContent.includes('"pressure": 990')`)
		// What differs between topics is the device.
		tab.until(`document.querySelector('#rule-form [name="topic"]').value === "plant/+/state" && document.querySelector('#rule-form [name="device"]').value.startsWith("{{topic 2}}")`)
		tab.until(`document.querySelector("#values tbody").innerText.includes("mixer") && /mixer[^\n]*: 990.00.hPa/.test(document.querySelector("#values tbody").innerText)`)
		eval[chromedp.Void](tab, `{ const device = document.querySelector('#rule-form [name="device"]'); device.value = "boiler"; device.dispatchEvent(new Event("input", { bubbles: true })); }`)
		tab.until(outcome("pressure") + `=== "boiler: 990.00\u00a0hPa"`)
		tab.until(`/field: pressure\n.*device: boiler\n.*type: pressure_sensor/.test(document.querySelector("#yaml").textContent)`)
		// The source itself goes on by its own rules.
		tab.until(`fetch("/api/v1/devices?q=boiler").then((response) => response.json()).then(({ items }) => items.length === 0)`)
		eval[chromedp.Void](tab, `{ const device = document.querySelector('#rule-form [name="device"]'); device.value = "{"; device.dispatchEvent(new Event("input", { bubbles: true })); }`)
		tab.until(`document.querySelector("#rules-problem").textContent.startsWith("These rules cannot be: ")`)
	})

	t.Run("fits every screen", func(t *testing.T) {
		for _, width := range []int64{1440, 900, 390} {
			tab.do(chromedp.EmulateViewport(width, 900))
			tab.fits(t, fmt.Sprintf("source, %d px", width), width)
		}
		tab.do(chromedp.EmulateViewport(1440, 900))
	})

	t.Run("the rules in force come back", func(t *testing.T) {
		tab.click("#rules-discard")
		tab.until(`document.querySelector("#rules-problem").hidden && document.querySelector("#rules-tried").textContent === ""`)
		tab.until(outcome("pressure") + `=== "no rule matches"`)
	})

	t.Run("the broker is gone", func(t *testing.T) {
		broker.Kill()
		tab.until(`document.querySelector("#source-state").textContent.startsWith("Not connected") && document.querySelector("#source-facts dd.problem") !== null`)
		tab.click("#source-list-link")
		tab.until(sourceRows + `[0]?.startsWith("Not connected hall-3") && document.querySelector("#sources-count").textContent === "1 source in trouble"`)
		for _, width := range []int64{1440, 900, 390} {
			tab.do(chromedp.EmulateViewport(width, 900))
			tab.fits(t, fmt.Sprintf("sources, %d px", width), width)
		}
		broker.Start()
		tab.until(`document.querySelector("#sources tbody tr:not(.spacer):not(.trouble)") !== null`)
	})

	t.Run("its dead letters are not sent again", func(t *testing.T) {
		tab.click(`#navigation a[href$="/system"]`)
		const row = `[...document.querySelectorAll("#letters tbody tr:not(.spacer)")].find((row) => row.querySelector(".col-source").textContent === "hall-3: plant/press/state")`
		tab.until(row + `?.querySelector("input").disabled`)
		eval[chromedp.Void](tab, row+`.querySelector("a").click()`)
		tab.until(`document.querySelector("#letter").innerText.includes("plant/press/state") && document.querySelector("#letter .letter-head .button").hidden`)
	})

	t.Run("one that does not exist", func(t *testing.T) {
		tab.mu.Lock()
		tab.expected = append(tab.expected, "404")
		tab.mu.Unlock()
		tab.do(chromedp.Navigate(plant.url("/sources/hall-4")))
		tab.until(`document.querySelector("#source-problem p")?.textContent === "There is no source hall-4."`)
	})
}

// fits checks that nothing is beside the page or over something else, and what axe finds.
func (tab *tab) fits(t *testing.T, state string, width int64) {
	t.Helper()
	tab.until(fmt.Sprintf("innerWidth === %d", width))
	tab.frame()
	if over := eval[float64](tab, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
		t.Errorf("%s: the page is %v px too wide", state, over)
	}
	for _, found := range eval[[]string](tab, collisions) {
		t.Errorf("%s: %s", state, found)
	}
	if width != 900 {
		tab.findsNothing(state)
	}
}

// Who has no source yet learns how to configure one.
func TestSourcesPageWithoutSources(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	tab := plant.open(options{})
	tab.do(chromedp.Navigate(plant.url("/sources")))
	tab.until(`document.querySelector("#sources-none")?.hidden === false && document.querySelector("#example").textContent.includes("mqtt:")`)
	for _, width := range []int64{1440, 900, 390} {
		tab.do(chromedp.EmulateViewport(width, 900))
		tab.fits(t, fmt.Sprintf("without sources, %d px", width), width)
	}
}
