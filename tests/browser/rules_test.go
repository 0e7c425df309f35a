package browser

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// ruleRows is the expression of what the list of rules shows.
const ruleRows = `[...document.querySelectorAll("#rule-list tbody tr:not(.spacer)")].map((row) => row.innerText.replace(/\s+/g, " ").trim())`

// Who runs a plant reads the rules in words, changes one beside somebody else, tries it before, goes back to a version, copies, disables and deletes rules,
// and takes them from another plant. All of it is one visit.
func TestRulesPage(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	plant.post(reading{ID: "furnace", Value: 36}, reading{ID: "kiln", Value: 20})
	plant.send(http.MethodPost, "/api/v1/rules", `{"name":"tank","device_type":"temperature_sensor","area":"hall 3","condition":{"kind":"levels","levels":{"low":{"limit":5},"high":{"limit":34}}},"severity":"warning"}`, http.StatusCreated)
	tab := plant.open(options{addr: plant.addr, path: "/rules", expected: []string{"412", "422", "404"}})
	rule := func(name string) string { return fmt.Sprintf(`%s.find((row) => row.includes(" %s "))`, ruleRows, name) }
	said := func(words string) string {
		return fmt.Sprintf(`document.querySelector("#rule-outcome").textContent.includes(%q)`, words)
	}

	t.Run("are listed in words", func(t *testing.T) {
		tab.until(ruleRows + `.length === 6 && ` + rule("temperature_high") + `.includes("A value above 28 °C; deadband 0.5 °C")`)
		tab.until(rule("temperature_high") + `.endsWith("Enabled 1") && ` + rule("humidity_high") + `.endsWith("Enabled")`)
		tab.until(`document.querySelector("#rules-note").textContent === "6 rules"`)
		tab.fitsEveryWidth(t, "rules", "#rule-list")
		tab.do(chromedp.EmulateViewport(1440, 900))
		tab.fill(`#rule-filters [name="search"]`, "HALL")
		tab.until(ruleRows + `.length === 1 && location.search === "?search=HALL"`)
		tab.click(`#rule-filters [type="reset"]`)
		tab.until(ruleRows + `.length === 6`)
	})

	t.Run("one of the file is opened by keyboard, and edited here", func(t *testing.T) {
		tab.tabTo("#rule-list tbody a", 40)
		tab.press(kb.End)
		tab.press(kb.Enter)
		tab.until(`location.pathname === "/rules/temperature_high" && document.querySelector("#rule-facts [data-fact=condition]")?.textContent.includes("above 28")`)
		tab.until(`document.querySelector("#rule-origin").textContent.startsWith("From the configuration file")`)
		tab.click("#rule-edit")
		tab.until(`!document.querySelector("#rule-form").hidden && document.querySelector("#rule-matching").textContent === "Watches 2 devices: furnace, kiln."`)
		tab.fill("#rule-condition-threshold", "3O")
		tab.until(`document.querySelector('[data-field="condition.threshold"] .field-error').textContent === "This must be a number."`)
		tab.click("#rule-save")
		tab.until(`document.activeElement.id === "rule-condition-threshold"`)
		tab.fill("#rule-condition-threshold", "19")
	})

	t.Run("what was typed is tried beside what is in force", func(t *testing.T) {
		// The archive has the readings a little later.
		tab.until(`document.querySelector(".trial-figures tbody tr")?.innerText.replace(/\s+/g, " ") === "Alerts 2 1" || (document.querySelector("#trial-run").disabled || document.querySelector("#trial-run").click(), false)`)
		tab.until(`document.querySelector("#trial-outcome").textContent.includes("2 alerts would have been raised on 2 devices")`)
		tab.fitsEveryWidth(t, "a rule that is edited and tried", "#rule-form")
		tab.do(chromedp.EmulateViewport(1440, 900))
	})

	t.Run("somebody else is faster", func(t *testing.T) {
		decideRule(t, plant, "temperature_high", `{"device_type":"temperature_sensor","condition":{"kind":"threshold","threshold":28,"hysteresis":0.5},"severity":"info"}`)
		eval[chromedp.Void](tab, `document.querySelector("#rule-save")?.click()`)
		tab.until(said("Somebody else has changed the rule") + ` && document.querySelector("#rule-again") !== null`)
		tab.click("#rule-again")
		tab.until(`document.querySelector("#rule-severity").value === "info" && document.querySelector("#rule-condition-threshold").value === "19"`)
		tab.fill("#rule-buttons .why input", "the kiln is new")
		tab.click("#rule-save")
		tab.until(said("In force") + ` && document.querySelector("#rule-form").hidden && document.querySelector("#rule-facts").innerText.replace(/\s+/g, " ").includes("above 19")`)
		tab.until(`document.querySelector(".versions > li")?.innerText.replace(/\s+/g, " ").includes("above 28 °C; deadband 0.5 °C → A value above 19 °C")`)
		tab.until(`document.querySelector(".versions > li .version-why")?.innerText === "the kiln is new"`)
	})

	t.Run("a version is decided again", func(t *testing.T) {
		tab.click(".versions > li:nth-child(2) button")
		tab.until(`document.querySelector("#rule-question").open && document.querySelector("#rule-question .rule-changes").innerText.replace(/\s+/g, " ").includes("19 °C; deadband 0.5 °C → A value above 28")`)
		tab.findsNothing("a question about a rule")
		tab.fill("#rule-question .why input", "too many alerts")
		tab.click(`#rule-question [value="confirm"]`)
		tab.until(said("In force") + ` && document.querySelector("#rule-facts").innerText.replace(/\s+/g, " ").includes("above 28") && document.querySelector(".versions > li .version-why")?.innerText === "too many alerts"`)
	})

	t.Run("a copy is refused at its field, added, disabled and deleted", func(t *testing.T) {
		tab.click("#rule-copy")
		tab.until(`document.querySelector("#rule-title")?.textContent === "New rule, a copy of temperature_high" && document.querySelector("#rule-condition-threshold")?.value === "28"`)
		tab.fill("#rule-name", "new")
		tab.fill("#rule-procedure", "javascript:alert(1)")
		tab.click("#rule-save")
		tab.until(`document.querySelector('[data-field="procedure"] .field-error')?.textContent.includes("must be an address") && document.activeElement.id === "rule-procedure"`)
		tab.fill("#rule-procedure", "")
		tab.click("#rule-save")
		tab.until(`location.pathname + location.search === "/rules/new" && document.querySelector("#rule-title")?.textContent === "new" && document.querySelector("#rule-toggle") !== null`)
		plant.post(reading{ID: "furnace", Value: 36})
		tab.until(`document.querySelector("#rule-alerts-link").textContent === "1 open alert"`)
		tab.click("#rule-toggle")
		tab.until(`document.querySelector("#rule-question").innerText.includes("Its 1 open alert clears.")`)
		tab.click(`#rule-question [value="confirm"]`)
		tab.until(`document.querySelector("#rule-place").textContent.includes("Disabled") && document.querySelector("#rule-toggle").textContent === "Enable"`)
		tab.click("#rule-delete")
		tab.click(`#rule-question [value="confirm"]`)
		tab.until(`location.pathname === "/rules" && ` + ruleRows + `.length === 6`)
		eval[chromedp.Void](tab, `history.back()`)
		tab.until(`document.querySelector("#rule-problem p")?.textContent.startsWith("The rule new is deleted") && document.querySelectorAll(".versions button").length === 2`)
		tab.findsNothing("a deleted rule")
		tab.click("#rule-list-link")
	})

	t.Run("a file is compared before it is imported", func(t *testing.T) {
		tab.until(ruleRows + `.length === 6`)
		choose := func(text string) {
			t.Helper()
			eval[chromedp.Void](tab, fmt.Sprintf(`{ const input = document.querySelector("#rules-import input[type=file]"), chosen = new DataTransfer(); chosen.items.add(new File([%q], "rules.yaml")); input.files = chosen.files; input.dispatchEvent(new Event("change")); }`, text))
		}
		tab.click("#rules-file summary")
		tab.click("#rules-import-open")
		choose("rules:\n  - {name: tank, device_type: temperature_sensor, condition: {kind: threshold, treshold: 1}, severity: warning}\n")
		tab.until(`document.querySelector("#rules-import .mistakes")?.innerText.includes("line 2")`)
		choose("rules:\n  - {name: tank, device_type: temperature_sensor, condition: {kind: threshold, threshold: 33}, severity: warning}\n  - {name: cold, device_type: temperature_sensor, condition: {kind: threshold, below: true, threshold: 2}, severity: info}\n")
		tab.until(`document.querySelector("#rules-import").innerText.includes("2 rules in the file; 2 would change.") && document.querySelector(".import-rules").innerText.replace(/\s+/g, " ").includes("A value beyond low 5 °C, high 34 °C → A value above 33 °C")`)
		tab.findsNothing("rules to import")
		// Nobody has seen what somebody changes in between, so it is not overwritten.
		decideRule(t, plant, "tank", `{"device_type":"temperature_sensor","condition":{"kind":"threshold","threshold":30},"severity":"warning"}`)
		tab.click(`#rules-import [value="apply"]`)
		tab.until(`document.querySelector("#rules-import").innerText.includes("somebody has changed tank")`)
		tab.findsNothing("a file that somebody was faster than")
		tab.click(`#rules-import [value="again"]`)
		tab.until(`document.querySelector(".import-rules")?.innerText.replace(/\s+/g, " ").includes("A value above 30 °C → A value above 33 °C")`)
		tab.click(`#rules-import [value="apply"]`)
		tab.until(`document.querySelector("#rules-import").innerText.includes("2 rules changed, and in force.")`)
		tab.press(kb.Escape)
		tab.until(`!document.querySelector("#rules-import").open && ` + rule("cold") + `?.includes("A value below 2 °C")`)
	})

	t.Run("a rule that fails says so, with its devices", func(t *testing.T) {
		plant.send(http.MethodPost, "/api/v1/rules", `{"name":"divides","device_type":"temperature_sensor","condition":{"kind":"expression","expression":"1 / (value - 20) > 100"},"severity":"critical"}`, http.StatusCreated)
		plant.post(reading{ID: "kiln", Value: 20})
		tab.until(rule("divides") + `?.includes("Fails on 1 device")`)
		tab.fitsEveryWidth(t, "rules of which one fails", "#rule-list")
		tab.do(chromedp.EmulateViewport(1440, 900))
		eval[chromedp.Void](tab, `[...document.querySelectorAll("#rule-list tbody a")].find((link) => link.textContent === "divides").click()`)
		tab.until(`document.querySelector("#rule-failing:not([hidden]) li")?.innerText.includes("Rule divides cannot judge the values of kiln: line 1, column 3: the result of / is not a finite number")`)
		tab.findsNothing("a rule that fails")
		tab.fitsEveryWidth(t, "a rule that fails", "#rule-view")
		tab.do(chromedp.EmulateViewport(1440, 900))
		tab.click("#rule-list-link")
	})

	t.Run("an alert leads to its rule", func(t *testing.T) {
		tab.click(`#navigation a[href$="/alerts"]`)
		tab.until(`document.querySelector("#alert-list tbody .col-alert a") !== null`)
		tab.clickFound(`document.querySelector("#alert-list tbody .col-alert a")`)
		tab.until(`document.querySelector("#alert-rule") !== null`)
		tab.click("#alert-rule")
		tab.until(`location.pathname.startsWith("/rules/") && document.querySelector("#rule-facts dd") !== null`)
	})
}

// decideRule replaces a rule by what somebody else decides.
func decideRule(t *testing.T, p *plant, name, body string) {
	t.Helper()
	var now struct{ Version int64 }
	p.get("/api/v1/rules/"+name, &now)
	request, err := http.NewRequest(http.MethodPut, p.url("/api/v1/rules/"+name), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("If-Match", fmt.Sprintf(`"%d"`, now.Version))
	response, err := http.DefaultClient.Do(request)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("got %v, %v", response, err)
	}
	response.Body.Close()
}
