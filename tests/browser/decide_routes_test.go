package browser

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// chooses goes by the keyboard to an element, from the beginning of the page.
func (tab *tab) chooses(selector string, most int) {
	tab.t.Helper()
	eval[chromedp.Void](tab, `document.activeElement?.blur(), getSelection().removeAllRanges(), document.querySelector("#plan-title").focus()`)
	tab.tabTo(selector, most)
}

// types replaces what is in the field that has the focus.
func (tab *tab) types(text string) {
	tab.t.Helper()
	eval[chromedp.Void](tab, `document.activeElement.select()`)
	tab.press(text)
}

const (
	planSaid   = `document.querySelector("#plan-outcome").innerText`
	planRoutes = `[...document.querySelectorAll(".plan-routes > li .route-choose")].map((button) => button.innerText).join()`
)

// Somebody who is on shift changes a route by the keyboard alone: looks who would be notified, saves with a reason, sees the version, and goes back to
// the one before and to the file.
func TestARouteIsChangedByKeyboard(t *testing.T) {
	_, flags := withReceiver(t)
	plant := startPlant(t, flags...)
	plant.post(reading{ID: "press", Value: 36})
	tab := plant.open(options{addr: plant.addr, path: "/notifications", expected: []string{"412", "422"}})
	tab.until(`document.querySelectorAll(".routes > li").length === 2 && !document.querySelector("#routes-edit").hidden`)
	tab.tabTo("#routes-edit", 80)
	tab.press(kb.Enter)
	tab.until(planRoutes + ` === "urgent,rest"`)
	tab.until(`document.querySelector("#plan-origin").innerText.startsWith("As configured in ")`)

	t.Run("a route is chosen and changed", func(t *testing.T) {
		tab.chooses(".route-choose", 20)
		tab.press(kb.Enter)
		tab.until(`document.activeElement.id === "route-name" && document.activeElement.value === "urgent"`)
		tab.fitsAll(t, "a route")
		tab.tabTo("#route-areas", 10)
		tab.press("hall 9")
		tab.press(kb.Enter)
		tab.until(`[...document.querySelectorAll("#plan-form .chips span")].some((chip) => chip.innerText === "hall 9") && document.activeElement.id === "route-areas" && document.activeElement.value === ""`)
		tab.tabTo("#route-wait_seconds", 60)
		tab.types("x")
		tab.until(`document.querySelector("#route-wait_seconds").getAttribute("aria-invalid") === "true"`)
		tab.types("45")
		tab.until(`document.querySelector(".plan-routes > li.open").innerText.includes("after 45 s") && ` + planSaid + ` === "Not saved yet."`)
	})

	t.Run("it is tried on an alert", func(t *testing.T) {
		tab.tabTo("#plan-trial-severity", 80)
		tab.tabTo("#trial-run", 25)
		tab.press(kb.Enter)
		tab.until(`document.querySelector("#trial-outcome").innerText === "As now: the changes make no difference to this alert." && document.activeElement.id === "trial-outcome"`)
		tab.until(`[...document.querySelectorAll(".tried section")].length === 2 && document.querySelector('.tried [data-by="edited"]').innerText.includes("rest")`)
		tab.run(enter("#plan-trial-area", "hall 9"))
		tab.run(enter("#plan-trial-device", "unknown"))
		tab.fitsAll(t, "a trial")
	})

	t.Run("it is moved below the other, and back", func(t *testing.T) {
		tab.chooses(`.plan-routes [data-act="down"]:not(:disabled)`, 20)
		tab.press(kb.Enter)
		tab.until(planRoutes + ` === "rest,urgent" && document.activeElement.closest("li")?.dataset.route === "urgent" && ` + planSaid + `.startsWith("urgent is number 2 now.")`)
		eval[chromedp.Void](tab, `document.activeElement.closest("li").querySelector('[data-act="up"]').focus()`)
		tab.press(kb.Enter)
		tab.until(planRoutes + ` === "urgent,rest"`)
	})

	t.Run("it is saved with a reason", func(t *testing.T) {
		tab.chooses(`#plan-decision input[name="reason"]`, 120)
		tab.press("the press is moved")
		tab.tabTo(`#plan-decision [data-do="save"]`, 3)
		tab.press(kb.Enter)
		tab.until(planSaid + ` === "Decided, and in force." && document.activeElement.id === "plan-outcome"`)
		tab.until(`document.querySelector("#plan-origin").innerText.startsWith("Decided here, version 1: ")`)
		tab.until(`document.querySelector(".versions > li.open")?.innerText.includes("the press is moved")`)
		tab.until(`fetch("/api/v1/notifications/routes").then((answer) => answer.json()).then(({ items }) => items[0].areas.join() === "hall 1,hall 9" && items[0].wait_seconds === 45 && items[0].escalate[0].after_seconds === 900)`)
	})

	t.Run("a copy is disabled, refused, corrected and saved", func(t *testing.T) {
		tab.chooses(`.plan-routes [data-act="copy"]`, 20)
		tab.press(kb.Enter)
		tab.until(planRoutes + ` === "urgent,urgent-2,rest" && document.activeElement.id === "route-name"`)
		tab.types("urgent")
		tab.tabTo(`#plan-form input[type="checkbox"]`, 3)
		tab.press(" ")
		tab.pressNamed("Save and put in force")
		tab.until(`document.activeElement.id === "route-name" && document.querySelector("#route-name-error").innerText.startsWith("is that of routes[0], too")`)
		tab.fitsAll(t, "a route that is refused")
		eval[chromedp.Void](tab, `document.querySelector("#route-name").focus()`)
		tab.types("night")
		tab.pressNamed("Save and put in force")
		tab.until(planSaid + ` === "Decided, and in force."`)
		tab.until(`document.querySelector('.plan-routes > [data-disabled="true"]').innerText.includes("night") && document.querySelectorAll(".versions > li").length === 2`)
		tab.until(`document.querySelector(".versions > li.open").innerText.includes("Added: night")`)
	})

	t.Run("what somebody else decides meanwhile is named, and both are kept", func(t *testing.T) {
		tab.clickFound(`document.querySelectorAll(".route-choose")[2]`)
		tab.run(enter("#route-interval_seconds", "77"))
		tab.until(`fetch("/api/v1/notifications/routes").then(async (answer) => { const { items } = await answer.json(); items[0].channels = ["picky"];
			return (await fetch("/api/v1/notifications/routes?reason=theirs", { method: "PUT", headers: { "If-Match": answer.headers.get("ETag"), "Content-Type": "application/json" }, body: JSON.stringify({ routes: items }) })).status === 200; })`)
		tab.pressNamed("Save and put in force")
		tab.until(planSaid + `.startsWith("Not saved: ") && document.querySelector(".their-changes").innerText.includes("The reason given: theirs") && document.querySelector(".their-changes").innerText.includes("Changed: urgent")`)
		tab.fitsAll(t, "a conflict about routes")
		tab.pressNamed("Take over their changes, keep mine")
		tab.until(`document.querySelectorAll(".plan-routes > li")[0].innerText.includes("picky") && document.querySelector("#route-interval_seconds").value === "77"`)
		tab.pressNamed("Save and put in force")
		tab.until(planSaid + ` === "Decided, and in force."`)
		tab.until(`fetch("/api/v1/notifications/routes").then((answer) => answer.json()).then(({ items, version }) => version === 4 && items[0].channels.join() === "picky" && items[2].interval_seconds === 77)`)
	})

	t.Run("a version is restored, and the file after it", func(t *testing.T) {
		tab.until(`document.querySelectorAll(".versions > li").length === 4`)
		tab.pressNamed("Restore Version 1…")
		tab.until(`document.querySelector("#plan-question").open && document.querySelector("#plan-question").innerText.includes("Deleted: night")`)
		tab.fitsAll(t, "the question before a version is restored")
		tab.press(kb.Tab)
		tab.pressNamed("Restore it")
		tab.until(planRoutes + ` === "urgent,rest" && document.querySelector("#plan-origin").innerText.startsWith("Decided here, version 5: ")`)
		tab.pressNamed("Go by the file again…")
		tab.until(`document.querySelector("#plan-question").innerText.includes("Changed: urgent")`)
		tab.run(enter(`#plan-question [name="reason"]`, "enough"))
		tab.pressNamed("Go by the file")
		tab.until(`document.querySelector("#plan-origin").innerText.startsWith("As configured in ") && document.querySelector(".versions > li").innerText.includes("enough")`)
		tab.until(`fetch("/api/v1/audit?kind=notifications").then((answer) => answer.json()).then(({ items }) => items.length === 6 && items[0].reason === "enough" && items[5].reason === "the press is moved")`)
	})

	t.Run("what is not saved is asked about", func(t *testing.T) {
		tab.pressNamed("Add a route")
		tab.until(planRoutes + ` === "(no name yet),urgent,rest"`)
		tab.run(enter("#route-name", "mine"))
		tab.click("#plan-back")
		tab.until(`[...document.querySelectorAll("dialog[open]")].some((dialog) => dialog.innerText.includes("Leave without saving?"))`)
		tab.press(kb.Escape)
		tab.pressNamed("Discard the changes")
		tab.until(planRoutes + ` === "urgent,rest"`)
		tab.click("#plan-back")
		tab.until(`location.pathname.endsWith("/notifications") && document.querySelectorAll(".routes > li").length === 2`)
	})
}

// Somebody plans who is on call: sees who that would be while typing, and what the server refuses at the field.
func TestACalendarIsDecided(t *testing.T) {
	_, flags := withReceiver(t)
	plant := startPlant(t, flags...)
	tab := plant.open(options{addr: plant.addr, path: "/notifications", expected: []string{"422", "409"}})
	tab.until(`document.querySelector(".calendar-edit") !== null && document.querySelector(".calendars").innerText.includes("from the file")`)

	t.Run("an exception is added", func(t *testing.T) {
		tab.click(".calendar-edit")
		tab.until(`document.querySelector("#plan-title")?.innerText === "On call: electricians" && document.querySelectorAll("#plan-preview .turns li").length > 20`)
		tab.fitsAll(t, "a calendar")
		tab.pressNamed("Add an exception to the plan")
		tab.until(`document.querySelector("#plan-preview").innerText.startsWith("Not known yet: overrides[0].from: ")`)
		tab.pressNamed("Save and put in force")
		tab.until(`document.activeElement.id === "calendar-overrides-0-from" && document.querySelector("#calendar-overrides-0-from-error").innerText.includes("not a time")`)
		tab.fitsAll(t, "a calendar that is refused")
		tab.run(`{ const at = (days) => new Date(Date.now() + days * 864e5).toISOString().slice(0, 16); ` +
			`for (const [id, days] of [["from", 1], ["until", 3]]) { const field = document.querySelector("#calendar-overrides-0-" + id); field.value = at(days); field.dispatchEvent(new Event("input", { bubbles: true })); } }`)
		tab.clickFound(`document.querySelector('[data-field="overrides[0].channels"] input')`)
		tab.until(`document.querySelectorAll("#plan-preview section").length === 2 && document.querySelector('#plan-preview [data-differs="true"]') !== null`)
		tab.fitsAll(t, "a calendar that is changed")
		tab.run(enter(`#plan-decision [name="reason"]`, "holidays"))
		tab.pressNamed("Save and put in force")
		tab.until(planSaid + ` === "Decided, and in force." && document.querySelector(".versions > li.open").innerText.includes("holidays")`)
		tab.pressNamed("Go by the file again…")
		tab.pressNamed("Go by the file")
		tab.until(`document.querySelector("#plan-origin").innerText.startsWith("As configured in ") && document.querySelectorAll("#plan-form .step").length === 0`)
		tab.pressNamed("Restore Version 1…")
		tab.pressNamed("Restore it")
		tab.until(`document.querySelector("#plan-origin").innerText.startsWith("Decided here, version 3: ") && document.querySelectorAll("#plan-form .step").length === 1`)
	})

	t.Run("a new one rotates, is used by a route, and is deleted", func(t *testing.T) {
		tab.click("#plan-back")
		tab.until(`document.querySelector("#calendar-new")?.hidden === false`)
		tab.click("#calendar-new")
		tab.until(`document.querySelector("#calendar-name") !== null`)
		tab.run(enter("#calendar-name", "fitters"))
		tab.clickFound(`document.querySelector('[data-field="otherwise"] input')`)
		tab.clickFound(`[...document.querySelectorAll("#plan-form label.check")].find((label) => label.innerText === "Take turns where there is no shift")`)
		tab.until(`document.querySelector("#calendar-rotation-start") !== null`)
		tab.run(`{ const field = document.querySelector("#calendar-rotation-start"); field.value = "2026-01-05T06:00"; field.dispatchEvent(new Event("input", { bubbles: true })); }`)
		for _, channel := range []string{"shift", "picky"} {
			eval[chromedp.Void](tab, `document.querySelector("#calendar-rotation-channels").focus()`)
			tab.press(channel)
			tab.press(kb.Enter)
		}
		tab.until(`document.querySelectorAll("#plan-preview .turns li").length >= 3 && document.querySelector("#plan-preview").innerText.includes("picky")`)
		tab.pressNamed("Save and put in force")
		tab.until(`document.querySelector("#plan-title")?.innerText === "On call: fitters" && document.querySelector("#plan-origin").innerText.startsWith("Decided here, version 4")`)
		tab.until(`fetch("/api/v1/notifications/routes").then(async (answer) => { const { items } = await answer.json(); items[1].on_call = ["fitters"];
			return (await fetch("/api/v1/notifications/routes", { method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ routes: items }) })).status === 200; })`)
		tab.pressNamed("Delete the calendar…")
		tab.pressNamed("Delete it")
		tab.until(planSaid + `.includes("routes name the calendar")`)
		tab.until(`fetch("/api/v1/notifications/routes", { method: "DELETE" }).then((answer) => answer.status === 200)`)
		tab.pressNamed("Delete the calendar…")
		tab.pressNamed("Delete it")
		tab.until(`location.pathname.endsWith("/notifications") && document.querySelectorAll(".calendars > li").length === 1`)
		tab.do(chromedp.Navigate(plant.url("/notifications/calendar?name=fitters")))
		tab.until(`document.querySelector("#plan-warnings")?.innerText.startsWith("There is no calendar fitters.") && document.querySelectorAll(".versions > li").length === 2`)
		tab.fitsAll(t, "a calendar that is deleted")
	})
}

// In Chinese the page says by its own words why a decision is not in force.
func TestADecisionThatWaitsIsSaidInChinese(t *testing.T) {
	_, flags := withReceiver(t)
	plant := startPlant(t, flags...)
	tab := plant.open(options{addr: plant.addr, path: "/notifications", language: "zh"})
	tab.until(`document.querySelectorAll(".routes > li").length === 2`)
	for code, want := range map[string]string{"no_program": "尚无程序发送过通知", "older_version": "版本较旧", "not_taken_over": "尚未采用"} {
		tab.run(fmt.Sprintf(`globalThis.asked ??= window.fetch, window.fetch = async (address, ...rest) => {
			const answer = await asked(address, ...rest);
			if (!String(address).includes("notifications/routes?")) return answer;
			return new Response(JSON.stringify({ ...await answer.json(), in_force: false, reason: "English words", reason_code: %q }), { status: 200 });
		}`, code))
		tab.click(`#navigation a[href$="/kpis"]`)
		tab.until(`document.querySelector(".page-notifications") === null`)
		tab.click(`#navigation a[href$="/notifications"]`)
		tab.until(fmt.Sprintf(`((words) => words.includes(%q) && !words.includes("English"))(document.querySelector("#routes-warnings").innerText)`, want))
	}
	tab.fitsAll(t, "a decision that is not in force")
}
