package browser

import (
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/emulation"
)

// TestTheDocumentationShowsEveryOperation opens it in both themes, on a screen and a phone. The tab fails the test if the page
// asks anybody else for anything, or the browser complains.
func TestTheDocumentationShowsEveryOperation(t *testing.T) {
	plant := startPlant(t, "-devices", "3")
	var document struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	plant.get("/api/v1/openapi.json", &document)
	operations := 0
	for _, methods := range document.Paths {
		operations += len(methods)
	}
	for _, width := range []int64{1440, 390} {
		tab := plant.open(options{width: width, height: 900, path: "/docs", addr: plant.addr})
		tab.until(fmt.Sprintf(`document.querySelectorAll("#api .opblock").length === %d`, operations))
		for _, theme := range []string{"light", "dark"} {
			tab.theme(theme)
			dark := theme == "dark"
			tab.until(fmt.Sprintf(`document.documentElement.classList.contains("dark-mode") === %v`, dark))
			brightness := eval[float64](tab, `Math.max(...getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number).slice(0, 3))`)
			if dark != (brightness < 128) {
				t.Errorf("%s at %d px: the background is %v of 255", theme, width, brightness)
			}
			if over := eval[int64](tab, `document.documentElement.scrollWidth - innerWidth`); over > 0 {
				t.Errorf("%s at %d px: the page is %d px too wide", theme, width, over)
			}
		}
		tab.tryOut("#operations-System-get-limits")
	}
}

// tryOut has an operation of the documentation send its request, which must be answered with 200.
func (tab *tab) tryOut(operation string) {
	tab.t.Helper()
	for _, button := range []string{" .opblock-summary-control", " .try-out__btn", " .execute"} {
		tab.until(fmt.Sprintf(`document.querySelector(%q) !== null`, operation+button))
		tab.click(operation + button)
	}
	tab.until(fmt.Sprintf(`document.querySelector(%q)?.textContent.includes("200") === true`,
		operation+" .live-responses-table tr.response .response-col_status"))
}

// theme has the tab prefer a colour scheme.
func (tab *tab) theme(scheme string) {
	tab.t.Helper()
	params := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	call(tab, emulation.SetEmulatedMedia, params)
}
