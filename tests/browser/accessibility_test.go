package browser

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/animation"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// axe returns the source of axe-core, which finds barriers to people with disabilities.
var axe = sync.OnceValues(func() (string, error) {
	if out, err := exec.Command("../../scripts/web-modules.sh").CombinedOutput(); err != nil {
		return "", fmt.Errorf("install axe-core: %w\n%s", err, out)
	}
	source, err := os.ReadFile("../../web/node_modules/axe-core/axe.min.js")
	return string(source), err
})

// ended takes each animation to its end: what is half faded in is not what the page shows, and on a busy machine it lasts.
const ended = `for (const animation of document.getAnimations()) if (animation.effect.getComputedTiming().endTime < Infinity) animation.finish();`

// checked runs every rule of axe-core, also those that it leaves out unless asked, but for one: text of seven times the brightness
// of its ground is beyond what the page promises, because the red of an alarm would be nearly black. Of a page behind an open dialog, which
// nobody can use and which was checked before the dialog was opened, nothing is checked again.
const checked = `axe.run(document.querySelector("dialog[open]") ?? document, {
	resultTypes: ["violations"],
	rules: Object.fromEntries(axe.getRules().map(({ ruleId }) => [ruleId, { enabled: ruleId !== "color-contrast-enhanced" }])),
}).then(({ violations }) => violations)`

// finding is a rule of axe-core that elements of the page break.
type finding struct {
	ID, Help string
	Nodes    []struct {
		HTML, FailureSummary string
		Target               json.RawMessage
	}
}

func (f finding) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s: %s", f.ID, f.Help)
	for _, node := range f.Nodes {
		summary := strings.ReplaceAll(node.FailureSummary, "\n", "\n    ")
		fmt.Fprintf(&s, "\n  %s\n    %.200s\n    %s", node.Target, node.HTML, summary)
	}
	return s.String()
}

// findsNothing checks the page as it is shown now, in both languages and both themes, and leaves it in English.
func (tab *tab) findsNothing(state string) {
	tab.t.Helper()
	source, err := axe()
	if err != nil {
		tab.t.Fatal(err)
	}
	if !eval[bool](tab, `"axe" in window`) {
		tab.do(chromedp.Evaluate[chromedp.Void](source + ";undefined"))
	}
	// A language changes words and sizes, a theme changes colours: two of the four combinations have everything.
	for _, look := range [][2]string{{"zh", "dark"}, {"en", "light"}} {
		language, theme := look[0], look[1]
		tab.theme(theme)
		// An open drawer covers the buttons of language and theme.
		tab.until(fmt.Sprintf(`(document.querySelector('#language [value=%q]').click(), document.documentElement.lang.startsWith(%[1]q))`, language))
		tab.frame()
		for _, f := range eval[[]finding](tab, ended+"\n"+checked) {
			tab.t.Errorf("%s, %s, %s: %v", state, language, theme, f)
		}
	}
}

// answers decides how requests of the page are answered from now on if their address contains a part of this: "held" for no answer,
// "lost" for a failure, "" for the server's answer. It also applies after a reload.
func (tab *tab) answers(how, part string) {
	tab.t.Helper()
	eval[chromedp.Void](tab, fmt.Sprintf(`sessionStorage.setItem("answers", %q)`, how+" "+part))
}

// answering makes the tab answer requests as the test has set with answers.
func (tab *tab) answering() {
	tab.t.Helper()
	call(tab, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: `{
		const ask = window.fetch;
		window.fetch = (address, ...rest) => {
			const [how, part] = (sessionStorage.getItem("answers") ?? " ").split(" ");
			if (!how || !String(address).includes(part)) return ask(address, ...rest);
			return how === "held" ? new Promise(() => {}) : Promise.reject(new TypeError("lost"));
		};
	}`})
}

// Every state of the page, on a screen, a tablet and a phone.
func TestAxeFindsNothing(t *testing.T) {
	for _, size := range [][2]int64{{1440, 900}, {900, 900}, {390, 844}} {
		t.Run(fmt.Sprintf("%d px", size[0]), func(t *testing.T) {
			plant := startPlant(t, "-no-simulator")
			tab := plant.open(options{width: size[0], height: size[1], expected: []string{"lost", "404", "was preloaded"}})
			const ready = `document.querySelector("#connection").dataset.phase === "open" && document.querySelector("#status-chart canvas") !== null`
			tab.answering()
			// Animations last twenty times as long, as if the machine were busy.
			call(tab, animation.Enable, cdp.Empty{})
			call(tab, animation.SetPlaybackRate, animation.SetPlaybackRateParams{PlaybackRate: 0.05})
			tab.until(ready + ` && /No readings|Nothing/.test(document.body.innerText)`)
			tab.findsNothing("empty")
			hall := location{Building: "Hall 7", Floor: 2, Room: "north"}
			for i := range 3 {
				plant.post(reading{ID: "furnace", Value: 36 + float64(i), Location: hall}, reading{ID: "oven", Value: 30, Location: hall},
					reading{ID: "mixer", Type: "humidity_sensor", Value: 40, Quality: "bad"}, reading{ID: "door", Type: "switch_sensor", Value: 1},
					reading{ID: "off", Value: 20, Status: "offline"})
			}
			tab.until(`document.querySelectorAll(".alert").length > 2 && document.querySelectorAll("#stream tbody tr:not(.spacer)").length > 4`)
			tab.until(`document.querySelector("#aggregated-state").hidden`)
			tab.findsNothing("with alerts and devices")
			tab.click("#stream-pause")
			tab.do(chromedp.SendKeys(chromedp.CSS(`input[name="query"]`), "none"))
			tab.until(`document.querySelectorAll("#stream tbody tr:not(.spacer)").length === 0`)
			tab.findsNothing("paused, and nothing matches")
			eval[chromedp.Void](tab, `location.hash = "#device=furnace"`)
			tab.until(`document.querySelector("#drawer").open && document.querySelector("#device-chart canvas") !== null && document.querySelectorAll("#drawer .alert").length > 0`)
			tab.findsNothing("drawer")
			eval[chromedp.Void](tab, `location.hash = "#device=nobody"`)
			tab.until(`!document.querySelector(".drawer-problem").hidden`)
			tab.findsNothing("drawer of an unknown device")
			tab.do(chromedp.KeyEvent("\x1b"))

			for how, words := range map[string]string{"held": "Loading", "lost": "could not be loaded"} {
				tab.answers(how, "overview.html")
				tab.do(chromedp.Reload())
				tab.until(fmt.Sprintf(`document.querySelector("#page-state")?.innerText.includes(%q)`, words))
				tab.findsNothing("page " + how)
				// Nothing is known of this type beside what is asked for.
				tab.answers(how, "/api/")
				tab.do(chromedp.Navigate(plant.url("/?chart=pressure_sensor")))
				tab.until(fmt.Sprintf(`%s && document.querySelector("#aggregated-state")?.innerText.includes(%q) && document.querySelectorAll(".alert").length > 2`, ready, words))
				tab.findsNothing("history " + how)
				tab.click("#stream tbody a")
				tab.until(fmt.Sprintf(`document.querySelector("#device-chart-state").innerText.includes(%q)`, words))
				tab.findsNothing("history of a device " + how)
				tab.do(chromedp.KeyEvent("\x1b"))
			}
			tab.mu.Lock()
			tab.offline = true
			tab.mu.Unlock()
			plant.kill()
			tab.until(`document.documentElement.hasAttribute("data-stale") && !document.querySelector("#stale-banner").hidden`)
			tab.findsNothing("disconnected")
			tab.click("#stream tbody a")
			tab.until(`document.querySelector("#drawer").open`)
			tab.findsNothing("disconnected, drawer")
		})
	}
}

// The id of a device changes neither the width of the table nor the direction in which other texts are read: the longest id is cut off and
// shown in full by its title, and invisible characters are written as their codes, wherever the id is shown or read aloud.
func TestNamesOfDevicesHarmNothing(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	plant.post(reading{ID: "kiln", Value: 20})
	tab := plant.open(options{})
	tab.until(`document.querySelectorAll("#stream tbody tr:not(.spacer)").length === 1 && document.querySelector("#connection").dataset.phase === "open"`)
	wide := map[int64]float64{}
	measure := func(use func(width int64, now float64)) {
		t.Helper()
		for _, width := range []int64{390, 900, 1440} {
			tab.do(chromedp.EmulateViewport(width, 900))
			tab.until(fmt.Sprintf("innerWidth === %d", width))
			tab.frame()
			use(width, eval[float64](tab, `document.querySelector(".readings").scrollWidth`))
			if over := eval[float64](tab, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
				t.Errorf("%d px: the page is %v px too wide", width, over)
			}
		}
	}
	measure(func(width int64, now float64) { wide[width] = now })
	long := strings.Repeat("line-4/press.", 9) + "ABCDEFGHIJK"
	hall := location{Building: "Hall \u200f7", Floor: 2, Room: "no\u00adrth"}
	// The server refuses characters that change the direction. It admits joiners within words of some scripts, and marks in names of places.
	const pump, written = "پمپ\u200cآب", "پمپ[U+200C]آب"
	plant.post(reading{ID: long, Value: 36, Location: hall}, reading{ID: pump, Value: 20, Location: hall})
	tab.until(`document.querySelectorAll("#stream tbody tr:not(.spacer)").length === 3 && document.querySelectorAll(".alert").length > 0`)
	measure(func(width int64, now float64) {
		if now != wide[width] {
			t.Errorf("%d px: the table is %v px wide with a long id, want %v as without", width, now, wide[width])
		}
	})
	titled := fmt.Sprintf(`[...document.querySelectorAll("#stream tbody a")].some((a) => a.title === %q)`, long)
	if !eval[bool](tab, titled) {
		t.Error("nothing shows the long id in full")
	}
	plant.post(reading{ID: pump, Value: 36, Location: hall})
	tab.until(fmt.Sprintf(`document.querySelector("#announcer").textContent !== "" && [...document.querySelectorAll(".alert a")].some((a) => a.textContent === %q)`, written))
	tab.clickFound(fmt.Sprintf(`[...document.querySelectorAll("#stream tbody a")].find((a) => a.textContent === %q)`, written))
	tab.until(fmt.Sprintf(`document.querySelector("#drawer").open && document.querySelector("#device-chart").ariaLabel?.includes(%q)`, written))
	tab.until(fmt.Sprintf(`document.querySelector("#drawer-title").textContent === %q && document.querySelector(".facts").innerText.includes("Hall [U+200F]7")`, written))
	// All that is written or read aloud; an address and the value of a choice are neither.
	unseen := eval[[]string](tab, `(() => {
		const unseen = /[\u200b-\u200f\u202a-\u202e\u2066-\u2069\u00ad]/, found = [];
		for (const element of document.querySelectorAll("body *")) {
			const own = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data);
			for (const text of [...own, element.title, element.ariaLabel ?? ""]) if (unseen.test(text)) found.push(element.outerHTML.slice(0, 120));
		}
		return found;
	})()`)
	for _, element := range unseen {
		t.Errorf("not seen, and not written as its code: %q", element)
	}
}
