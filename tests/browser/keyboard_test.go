package browser

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Hundreds of alerts are one stop of the Tab key, arrow keys go through all of them, and the focus stays with its alert.
func TestListsAreOneStopOfTheKeyboard(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	var flood []reading
	for i := range 300 {
		flood = append(flood, reading{ID: fmt.Sprintf("oven-%03d", i), Value: 30})
	}
	plant.post(flood...)
	tab := plant.open(options{})
	tab.until(`document.querySelector("#alert-note").innerText === "Open: 300 of 300" && Number(document.querySelector(".readings").ariaRowCount) > 199`)
	tab.tabTo(".alert .link", 40)
	tab.press(kb.Tab)
	if !eval[bool](tab, `document.querySelector(".panel-status").contains(document.activeElement)`) {
		t.Errorf("after one of the alerts Tab comes to %s, want the status panel", eval[string](tab, `document.activeElement.outerHTML`))
	}
	tab.tabTo("#stream .link", 15)
	tab.press(kb.ArrowDown)
	tab.until(`document.querySelector("#stream-held").innerText.startsWith("Held for the keyboard")`)
	tab.press(kb.Tab)
	if eval[bool](tab, `document.querySelector("#stream").contains(document.activeElement)`) {
		t.Error("Tab goes from reading to reading")
	}
	eval[chromedp.Void](tab, `document.querySelector(".alert .link").focus()`)
	seen := map[string]bool{}
	const focused = `document.activeElement.closest(".alert")?.querySelector("a").textContent ?? ""`
	for range 60 {
		seen[eval[string](tab, focused)] = true
		tab.press(kb.ArrowDown)
	}
	if got := eval[string](tab, `getComputedStyle(document.activeElement.closest(".alert")).outlineStyle`); got != "solid" {
		t.Errorf("the outline of the alert with the focus is %s, want one that can be seen", got)
	}
	if len(seen) != 60 {
		t.Errorf("got %d alerts with 60 arrow keys, want 60", len(seen))
	}
	tab.press(kb.End)
	if got := eval[string](tab, `document.activeElement.closest(".alert").ariaPosInSet`); got != "300" {
		t.Errorf("End comes to alert %s, want the last one, 300", got)
	}
	if !eval[bool](tab, `(() => { const row = document.activeElement.getBoundingClientRect(), frame = document.querySelector(".alert-frame").getBoundingClientRect(); return row.top >= frame.top && row.bottom <= frame.bottom; })()`) {
		t.Error("the alert with the focus cannot be seen")
	}
	tab.press(kb.Home)
	tab.press(kb.ArrowDown)
	at := eval[string](tab, focused)
	plant.post(reading{ID: "furnace", Value: 36}) // Above all others.
	tab.until(`document.querySelector(".alert .severity-critical") !== null`)
	tab.frame()
	if got := eval[string](tab, focused); got != at {
		t.Errorf("the focus is on %q after another alert came, want %q still", got, at)
	}
	tab.press(kb.Enter)
	tab.until(fmt.Sprintf(`document.querySelector("#drawer").open && document.querySelector("#drawer-title").textContent === %q`, at))
	plant.post(reading{ID: "furnace-2", Value: 36}) // The rows go on behind the drawer.
	tab.until(`document.querySelector("#alert-note").innerText.includes("304")`)
	tab.press(kb.Escape)
	tab.until(fmt.Sprintf(`!document.querySelector("#drawer").open && document.activeElement.textContent === %q`, at))
	// After scrolling with the mouse the keyboard is still in the list.
	eval[chromedp.Void](tab, `document.querySelector(".alert .link").focus()`)
	eval[chromedp.Void](tab, `document.querySelector(".alert-frame").scrollTop = 5000`)
	tab.frame()
	if !eval[bool](tab, `document.activeElement === document.querySelector(".alert-frame")`) {
		t.Errorf("after scrolling away the focus is on %s, want the list", eval[string](tab, `document.activeElement.outerHTML.slice(0, 200)`))
	}
	tab.press(kb.ArrowDown)
	if got := eval[int](tab, `Number(document.activeElement.closest(".alert")?.ariaPosInSet)`); got < 50 {
		t.Errorf("from there the arrow key comes to alert %d, want one that can be seen", got)
	}
}
