package browser

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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
	tab.until(`location.pathname === "/sources" && document.title.endsWith("Sources – iotmon")`)
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

	t.Run("why it was rejected is said in Chinese, too", func(t *testing.T) {
		chinese := plant.open(options{language: "zh"})
		chinese.do(chromedp.Navigate("http://" + plant.addr + "/sources/hall-3"))
		chinese.until(`[...document.querySelectorAll("#rejects .reject-reason")].some((reason) => reason.innerText.includes('映射中没有规则匹配其 1 个值中的任何一个（"value"）'))`)
		chinese.do(chromedp.Navigate("http://" + plant.addr + "/system"))
		chinese.until(`[...document.querySelectorAll(".col-reason")].some((reason) => reason.textContent.includes("映射中没有规则匹配"))`)
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
		tab.until(`document.querySelector("#rules-body .rules > li .rule-problem")?.textContent.startsWith("Rule 1 cannot be: ")`)
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
		tab.until(`document.querySelector(".rule-problem") === null && document.querySelector("#rules-tried").textContent === ""`)
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
		tab.clickFound(row + `.querySelector("a")`)
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

// rulesShown is the expression of the devices of the rules that the page of a source lists.
const rulesShown = `[...document.querySelectorAll("#rules-body ol.rules > li > .link")].map((rule) => rule.textContent.split(" → ")[1])`

// said is the expression of whether the page says something of the decision about a map.
func said(words string) string {
	return fmt.Sprintf(`document.querySelector("#map-outcome").textContent.startsWith(%q)`, words)
}

// decideMap has somebody else decide the map of the source, based on a version.
func (p *plant) decideMap(version int, rules string) {
	p.t.Helper()
	request, err := http.NewRequest(http.MethodPut, p.url("/api/v1/sources/hall-3/map"), strings.NewReader(`{"rules":`+rules+`}`))
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("If-Match", fmt.Sprintf("%q", strconv.Itoa(version)))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		p.t.Fatalf("decide on version %d: %s", version, response.Status)
	}
}

// awaits has the maps that the server answers with be as if the program with the source were away, until the variable away is false.
func (tab *tab) awaits() {
	tab.t.Helper()
	eval[chromedp.Void](tab, `{
		window.away = true;
		const ask = window.fetch;
		window.fetch = async (address, ...rest) => {
			const response = await ask(address, ...rest);
			if (!away || !/\/map\??$/.test(String(address)) || !response.ok) return response;
			return new Response(JSON.stringify({ ...await response.json(), in_force: false }), { status: 202 });
		};
	}`)
}

// Who connects devices turns a value into a rule, puts it in force on the page, and sees the device; what others decide is not lost, and what was
// decided is restored or taken back.
func TestAMapIsDecidedOnThePage(t *testing.T) {
	broker, flags := withMQTT(t)
	plant := startPlant(t, flags...)
	tab := plant.open(options{expected: []string{"412", "422"}})
	tab.until(`document.querySelector("#connection").dataset.phase === "open"`)
	tab.do(chromedp.Navigate(plant.url("/sources/hall-3")))
	publish := func() { broker.Publish(t, "plant/oven/state", `{"temp":81.5,"pressure":1013}`) }
	choose := func(name string) {
		t.Helper()
		tab.until(outcome(name) + ` !== undefined`)
		tab.clickFound(fmt.Sprintf(`[...document.querySelectorAll("#values tbody tr:not(.spacer)")].find((row) => row.querySelector(".col-value-name").textContent === %q).querySelector("a")`, name))
		tab.until(`!document.querySelector("#rule-form").hidden`)
	}
	fit := func(t *testing.T, state string) {
		t.Helper()
		for _, width := range []int64{1440, 900, 390} {
			tab.do(chromedp.EmulateViewport(width, 900))
			tab.fits(t, fmt.Sprintf("%s, %d px", state, width), width)
		}
		tab.do(chromedp.EmulateViewport(1440, 900))
	}
	publish()
	tab.until(`document.querySelector("#map-state")?.textContent.startsWith("Map of the configuration file.") && ` + said("1 rule in force."))

	t.Run("what the map becomes is seen, and put in force by keyboard", func(t *testing.T) {
		choose("pressure")
		tab.fill(`#rule-form [name="device"]`, "boiler")
		tab.until(said("The map becomes 2 rules: 1 new. Then changes of the map in the file do not count") + ` && ` + rulesShown + `.join() === "boiler,oven"`)
		tab.until(outcome("pressure") + `?.startsWith("boiler: ")`)
		fit(t, "a rule is tried")
		eval[chromedp.Void](tab, `{
			window.shifted = [];
			new PerformanceObserver((list) => { for (const { hadRecentInput, value } of list.getEntries()) if (!hadRecentInput) shifted.push(value); }).observe({ type: "layout-shift" });
			document.querySelector("#map-filters input").focus();
		}`)
		tab.tabTo("#map-apply", 10)
		tab.enter()
		tab.until(said("In force: the source maps by 2 rules") + ` && document.activeElement.id === "map-outcome"`)
		tab.until(`document.querySelector("#map-state").textContent.includes("Version 1: not logged in, ") && document.querySelector("#rules-tried").textContent === "" && document.querySelector("#map-apply").disabled`)
		if shifted := eval[[]float64](tab, "shifted"); len(shifted) > 0 {
			t.Errorf("the page has moved by %v", shifted)
		}
		publish()
		tab.until(`fetch("/api/v1/devices?q=boiler").then((response) => response.json()).then(({ items }) => items.length === 1)`)
		tab.click(`#navigation a[href$="/devices"]`)
		tab.until(`location.pathname === "/devices" && ` + listed + `.includes("boiler")`)
		eval[chromedp.Void](tab, `history.back()`)
		tab.until(`document.querySelector("#map-state")?.textContent.includes("Version 1: ") && ` + said("2 rules in force."))
	})

	t.Run("somebody else was faster", func(t *testing.T) {
		choose("temp")
		tab.fill(`#rule-form [name="device"]`, "kiln")
		plant.decideMap(1, `[{"field":"pressure","device":"boiler","type":"pressure_sensor"},{"field":"level","device":"tank","type":"humidity_sensor"}]`)
		tab.click("#map-apply")
		tab.until(said("Somebody else has changed the map: version 2, not logged in, ") + ` && document.querySelector("#map-apply").hidden`)
		fit(t, "somebody else was faster")
		tab.click("#map-again")
		tab.until(rulesShown + `.join() === "kiln,boiler,tank" && ` + said("The map becomes 3 rules: 1 new."))
		tab.click("#map-apply")
		tab.until(said("In force: the source maps by 3 rules") + ` && document.querySelector("#map-state").textContent.includes("Version 3: ")`)
	})

	t.Run("a rule that cannot be says so", func(t *testing.T) {
		eval[chromedp.Void](tab, `if (document.querySelector("#rule-form").hidden) document.querySelector("#rules-body .rules .link").click()`)
		tab.until(`!document.querySelector("#rule-form").hidden`)
		tab.fill(`#rule-form [name="device"]`, "{")
		tab.click("#map-apply")
		tab.until(said("Not put in force: rule 1 cannot be.") + ` && document.querySelector("#rules-body .rules > li .rule-problem")?.textContent.startsWith("Rule 1 cannot be: ")`)
		fit(t, "a rule is refused")
		// In the reader's language, with the server's words.
		tab.click(`#language label:has([value="zh"])`)
		tab.until(`/^规则 1 无效：“设备编号”不正确（device: .+）$/.test(document.querySelector("#rules-body .rules > li .rule-problem")?.textContent)`)
		tab.click(`#language label:has([value="en"])`)
		tab.click("#rules-discard")
		tab.until(said("3 rules in force.") + ` && document.querySelector(".rule-problem") === null`)
	})

	t.Run("without the database nothing changes", func(t *testing.T) {
		tab.refuses()
		tab.clickFound(`document.querySelector('#rules-body [aria-label="Remove rule 3"]')`)
		tab.until(said("The map becomes 2 rules: 1 removed.") + ` && document.querySelector("#rules-body .removed").innerText.includes("tank")`)
		tab.click("#map-apply")
		tab.until(said("Nothing can be changed at the moment") + ` && !document.querySelector("#map-apply").disabled`)
		eval[chromedp.Void](tab, "refused = false")
	})

	t.Run("what is not in force yet is waited for", func(t *testing.T) {
		tab.awaits()
		tab.click("#map-apply")
		tab.until(said("Decided, and not in force yet") + ` && document.querySelector("#map-state").textContent.includes("Version 4: ")`)
		eval[chromedp.Void](tab, "away = false")
		tab.until(said("In force: the source maps by 2 rules"))
	})

	t.Run("a version is restored", func(t *testing.T) {
		tab.click("#map-versions summary")
		tab.until(`[...document.querySelectorAll(".versions strong")].map((version) => version.textContent).join() === "Version 4,Version 3,Version 2,Version 1"`)
		fit(t, "versions")
		tab.click(`[aria-label="Restore Version 1…"]`)
		tab.until(`document.querySelector("#map-question").open && document.querySelectorAll("#map-question li").length === 2 && document.activeElement.value === "cancel"`)
		fit(t, "a question")
		tab.click(`#map-question [value="confirm"]`)
		tab.until(`!document.querySelector("#map-question").open && document.querySelector("#map-state").textContent.includes("Version 5: ") && ` + rulesShown + `.join() === "boiler,oven"`)
		tab.until(outcome("temp") + `?.startsWith("oven: ")`)
	})

	t.Run("back to the file", func(t *testing.T) {
		tab.click("#map-back")
		tab.until(`document.querySelector("#map-question").open`)
		tab.press(kb.Escape)
		tab.until(`!document.querySelector("#map-question").open && document.activeElement.id === "map-back"`)
		tab.click("#map-back")
		tab.click(`#map-question [value="confirm"]`)
		tab.until(`document.querySelector("#map-state").textContent.startsWith("Map of the configuration file again. Version 6: ") && document.querySelector("#map-back").disabled && document.activeElement.id === "map-outcome"`)
		tab.until(rulesShown + `.join() === "oven" && ` + outcome("pressure") + ` === "no rule matches"`)
	})
}

// Who connects a device of a new kind makes its type on the page. Another page that is open shows it without being loaded again.
func TestAMapMakesATypeOnThePage(t *testing.T) {
	broker, flags := withMQTT(t)
	plant := startPlant(t, flags...)
	overview := plant.open(options{})
	overview.until(`document.querySelectorAll("#type-tiles label").length === 5`)
	tab := plant.open(options{expected: []string{"422"}})
	tab.until(`document.querySelector("#connection").dataset.phase === "open"`)
	tab.do(chromedp.Navigate(plant.url("/sources/hall-3")))
	publish := func() { broker.Publish(t, "plant/oven/state", `{"temp":81.5,"flow":12.5}`) }
	publish()
	tab.until(outcome("flow") + ` !== undefined`)
	tab.clickFound(`[...document.querySelectorAll("#values tbody tr:not(.spacer)")].find((row) => row.querySelector(".col-value-name").textContent === "flow").querySelector("a")`)
	tab.until(`!document.querySelector("#rule-form").hidden && document.querySelector(".type-fields").hidden`)
	tab.fill(`#rule-form [name="device"]`, "pump")
	eval[chromedp.Void](tab, `{ const type = document.querySelector('#rule-form [name="type"]'); type.value = "+"; type.dispatchEvent(new Event("input", { bubbles: true })); }`)
	tab.until(`!document.querySelector(".type-fields").hidden && document.activeElement.name === "type-name"`)
	tab.until(`document.querySelector("#rules-body .rules > li .rule-problem")?.textContent.startsWith("Rule 1 cannot be: ")`)
	for name, text := range map[string]string{"name": "flow_sensor", "unit": "L/min", "min": "0", "max": "400", "decimals": "1", "label-en": "Flow", "label-zh": "流量"} {
		tab.fill(fmt.Sprintf(`.type-fields [name="type-%s"]`, name), text)
	}
	tab.until(outcome("flow") + ` === "pump: 12.5\u00a0L/min" && document.querySelector(".rule-problem") === null`)
	tab.until(said("The map becomes 2 rules: 1 new. New device types, which stay for good: flow_sensor."))
	tab.until(`/define:\n +unit: "L\/min"\n +min: 0\n +max: 400/.test(document.querySelector("#yaml").textContent)`)
	for _, width := range []int64{1440, 900, 390} {
		tab.do(chromedp.EmulateViewport(width, 900))
		tab.fits(t, fmt.Sprintf("a type is made, %d px", width), width)
	}
	tab.do(chromedp.EmulateViewport(1440, 900))
	tab.click("#map-apply")
	tab.until(said("In force: the source maps by 2 rules"))
	tab.until(`[...document.querySelector('#rule-form [name="type"]').options].some((option) => option.text === "Flow")`)
	tab.until(`!document.querySelector("#rule-form").hidden && document.querySelector('#rule-form [name="type"]').value === "flow_sensor" && document.querySelector(".type-fields").hidden`)
	publish()
	overview.until(`[...document.querySelectorAll("#type-tiles label")].some((tile) => /^Flow\s+12\.5/.test(tile.innerText))`)
	tab.until(`fetch("/api/v1/types").then((response) => response.json()).then(({ items }) => items.at(-1).name === "flow_sensor")`)
	tab.do(chromedp.Navigate(plant.url("/devices?type=flow_sensor")))
	tab.until(listed + `.join() === "pump"`)
}

// fitsEveryWidth checks with fits, at three widths, that the page and a list in it fit.
func (tab *tab) fitsEveryWidth(t *testing.T, state, list string) {
	t.Helper()
	for _, width := range []int64{1440, 900, 390} {
		state := fmt.Sprintf("%s, %d px", state, width)
		tab.do(chromedp.EmulateViewport(width, 900))
		tab.fits(t, state, width)
		if over := eval[float64](tab, fmt.Sprintf("((frame) => frame.scrollWidth - frame.clientWidth)(document.querySelector(%q))", list)); over > 0 {
			t.Errorf("%s: the list is %v px too wide", state, over)
		}
	}
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
	tab.findsNothing(state)
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
