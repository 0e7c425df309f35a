package browser

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// forcesColors has the system decide on the colours of the page, or leave them to it.
func (tab *tab) forcesColors(scheme string, forced bool) {
	tab.t.Helper()
	value := "none"
	if forced {
		value = "active"
	}
	call(tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "forced-colors", Value: value}}})
	tab.until(fmt.Sprintf(`matchMedia("(forced-colors: active)").matches === %v`, forced))
	tab.frame()
}

// colorsOf is the expression of a promise of how many pixels of a chart's canvas have each colour, and of which colours the system has.
func colorsOf(selector string) string {
	return fmt.Sprintf(`(() => {
		const drawn = document.querySelector(%q), copy = new OffscreenCanvas(drawn.width, drawn.height).getContext("2d", { willReadFrequently: true });
		copy.drawImage(drawn, 0, 0);
		const { data } = copy.getImageData(0, 0, drawn.width, drawn.height);
		const pixels = {};
		for (let i = 0; i < data.length; i += 4) if (data[i + 3] === 255) {
			const color = "rgb(" + data[i] + ", " + data[i + 1] + ", " + data[i + 2] + ")";
			pixels[color] = (pixels[color] ?? 0) + 1;
		}
		const probe = document.createElement("span");
		probe.style.forcedColorAdjust = "none";
		document.body.append(probe);
		const system = Object.fromEntries(["Canvas", "CanvasText", "LinkText", "Highlight", "HighlightText"].map((name) => (probe.style.color = name, [name, getComputedStyle(probe).color])));
		probe.remove();
		return { pixels, system };
	})()`, selector+" canvas")
}

type colors struct {
	Pixels map[string]int
	System map[string]string
}

// of counts the pixels of one of the system's colours.
func (c colors) of(name string) int { return c.Pixels[c.System[name]] }

// Where the system decides on colours the page uses them: what differed in colour differs in shape, line and pattern.
func TestForcedColors(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	start := time.Now().Add(-3 * time.Minute).Truncate(10 * time.Second)
	for i := range 12 {
		at := start.Add(time.Duration(i) * 10 * time.Second)
		plant.post(reading{ID: "press", Value: 20 + float64(i%3), Time: at}, reading{ID: "oven", Value: 26, Time: at})
	}
	plant.post(reading{ID: "furnace", Value: 36}, reading{ID: "mixer", Value: 30}, reading{ID: "off", Value: 20, Status: "offline"})
	tab := plant.open(options{addr: plant.addr, path: "/?range=15m"})
	tab.until(`document.querySelectorAll(".alert").length > 2 && document.querySelector("#status-chart canvas") !== null`)
	tab.until(fmt.Sprintf(`(%s).then((s) => s.average?.filter(([, v]) => v !== null).length >= 12)`, chart("#aggregated-chart")))
	for _, scheme := range []string{"dark", "light"} {
		t.Run(scheme, func(t *testing.T) {
			tab.forcesColors(scheme, true)
			ring := eval[colors](tab, colorsOf("#status-chart"))
			// A part of the ring is full and the other striped, which shows the ground between the stripes.
			if on, off := ring.of("CanvasText"), ring.of("Canvas"); on < 1000 || off < 100 {
				t.Errorf("ring: %d pixels of text's colour and %d of the ground's, want both", on, off)
			}
			lines := eval[colors](tab, colorsOf("#aggregated-chart"))
			if average, others := lines.of("LinkText"), lines.of("CanvasText"); average == 0 || others == 0 {
				t.Errorf("chart: %d pixels of the average and %d of the others, want both", average, others)
			}
			got := eval[map[string]string](tab, `(() => {
				const style = (selector) => getComputedStyle(document.querySelector(selector));
				const icon = (name) => document.querySelector(name + " use").getAttribute("href");
				return {
					critical: icon("#severity-counters [data-severity=critical]"), warning: icon("#severity-counters [data-severity=warning]"),
					info: icon("#severity-counters [data-severity=info]"), severity: style(".severity-critical").color,
					mark: style("#severity-counters .severity-critical").fill, cut: style("#icon-critical .cut").fill,
					kpi: style(".kpi-alerts").borderLeftStyle + " " + style(".kpi-alerts").borderLeftWidth,
					chosen: style("#range label:has(:checked)").backgroundColor, other: style("#range label:not(:has(:checked))").backgroundColor,
					words: style("#range label:has(:checked)").color,
					bars: style("[data-series=devices] .legend-mark").borderTopWidth, average: style("[data-series=average] .legend-mark").borderTopColor,
					maximum: style("[data-series=maximum] .legend-mark").borderTopStyle, minimum: style("[data-series=minimum] .legend-mark").borderTopStyle,
				};
			})()`)
			system := ring.System
			want := map[string]string{
				"critical": "#icon-critical", "warning": "#icon-warning", "info": "#icon-info", "severity": system["CanvasText"],
				"mark": system["CanvasText"], "cut": system["Canvas"], "kpi": "solid 6px", "chosen": system["Highlight"], "words": system["HighlightText"],
				"other": got["other"], "bars": got["bars"], "average": system["LinkText"], "maximum": "solid", "minimum": "dashed",
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
			if got["chosen"] == got["other"] {
				t.Errorf("what is chosen has the ground of what is not: %s", got["other"])
			}
		})
	}
	// The page's own colours come back.
	tab.forcesColors("light", false)
	tab.until(fmt.Sprintf(`(({ pixels }) => pixels["rgb(47, 122, 80)"] > 1000)(%s)`, colorsOf("#status-chart")))
}

// collisions is the expression of the texts that lie over others or reach beyond what they are in, each with what is wrong. What scrolls,
// what is hidden from the eye and what is cut off with an ellipsis, which its title or the text beside it shows in full, is none.
const collisions = `(() => {
	const found = [], boxes = [];
	const clipped = (element) => element !== null && (getComputedStyle(element).clipPath !== "none" || clipped(element.parentElement));
	const seen = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) &&
		!element.closest(".skip-link, option, .chart") && !clipped(element);
	const stuck = (element) => element !== null && (["sticky", "fixed"].includes(getComputedStyle(element).position) || stuck(element.parentElement));
	const dialog = document.querySelector("dialog[open]");
	for (const element of (dialog ?? document.body).querySelectorAll("*")) {
		const texts = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE && node.data.trim() !== "");
		if (texts.length === 0 || !seen(element) || (!dialog && element.closest("dialog"))) continue;
		const range = document.createRange();
		range.setStart(texts[0], 0);
		range.setEndAfter(texts.at(-1));
		let { left, right, top, bottom } = range.getBoundingClientRect();
		let cut = false;
		for (let around = element; around && around !== document.body; around = around.parentElement) {
			const { display, overflowX, overflowY, textOverflow, position } = getComputedStyle(around);
			const box = around.getBoundingClientRect();
			if (textOverflow === "ellipsis" && overflowX === "hidden") [left, right] = [Math.max(left, box.left), Math.min(right, box.right)];
			if (["auto", "scroll", "hidden"].includes(overflowY)) [top, bottom] = [Math.max(top, box.top), Math.min(bottom, box.bottom)];
			const boxed = !["inline", "contents"].includes(display) && !["auto", "scroll"].includes(overflowX);
			if (!cut && boxed && (right > box.right + 1 || left < box.left - 1)) {
				found.push(element.innerText.slice(0, 40) + " reaches beyond " + around.outerHTML.slice(0, 60));
				cut = true;
			}
			if (["auto", "scroll"].includes(overflowX)) [left, right] = [Math.max(left, box.left), Math.min(right, box.right)];
			if (position === "sticky" || position === "fixed") break;
		}
		if (!cut && bottom - top > 2 && right - left > 1) boxes.push({ element, left, right, top, bottom });
	}
	// What one chooses from or writes in has an edge of its own, whatever text is in it.
	for (const element of (dialog ?? document.body).querySelectorAll("select, input:not([type=checkbox], [type=radio], [type=range])")) {
		if (!seen(element) || (!dialog && element.closest("dialog"))) continue;
		let { left, right, top, bottom } = element.getBoundingClientRect();
		for (let around = element.parentElement; around; around = around.parentElement) { // What is scrolled out of sight lies over nothing.
			const { overflowY, overflowX } = getComputedStyle(around), box = around.getBoundingClientRect();
			if (["auto", "scroll", "hidden"].includes(overflowY)) [top, bottom] = [Math.max(top, box.top), Math.min(bottom, box.bottom)];
			if (["auto", "scroll", "hidden"].includes(overflowX)) [left, right] = [Math.max(left, box.left), Math.min(right, box.right)];
		}
		if (bottom - top > 2 && right - left > 1) boxes.push({ element, left, right, top, bottom });
	}
	for (const [i, a] of boxes.entries()) for (const b of boxes.slice(i + 1)) {
		if (a.element.contains(b.element) || b.element.contains(a.element)) continue;
		if (scrollY > 0 && stuck(a.element) !== stuck(b.element)) continue; // What stays in its place lies over what is scrolled under it.
		const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left), high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
		// The lines of a font are a little higher than its letters.
		if (wide > 1 && high > 0.3 * Math.min(a.bottom - a.top, b.bottom - b.top)) found.push(a.element.innerText.slice(0, 40) + " lies over " + b.element.innerText.slice(0, 40));
	}
	return found;
})()`

// tooWide is the expression of what in the list of readings can only be seen by scrolling sideways.
const tooWide = `((list) => {
	if (list.scrollWidth <= list.clientWidth) return [];
	const edge = list.getBoundingClientRect().left + list.clientLeft + list.clientWidth;
	const beyond = [...list.querySelectorAll("*")].filter((element) => element.getBoundingClientRect().right > edge);
	return [list.scrollWidth - list.clientWidth + " px", ...beyond.slice(0, 5).map((element) => element.outerHTML.slice(0, 80) + " " + (element.getBoundingClientRect().right - edge))];
})(document.querySelector("#stream"))`

// With text twice as large in the browser all of it can be read on a phone, too: nothing lies over anything or is wider than the page, and
// the rows of the lists, which are placed by their height, follow one another.
func TestLargeText(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	hall := location{Building: "Hall 7", Floor: 2, Room: "north"}
	for i := range 3 {
		plant.post(reading{ID: "furnace", Value: 36 + float64(i), Location: hall}, reading{ID: "oven", Value: 30, Location: hall},
			reading{ID: "barometer", Type: "pressure_sensor", Value: 1013.73}, reading{ID: "mixer", Type: "humidity_sensor", Value: 40, Quality: "bad"},
			reading{ID: "door", Type: "switch_sensor", Value: 1}, reading{ID: "off", Value: 20, Status: "offline"})
	}
	for i := range 30 {
		plant.post(reading{ID: fmt.Sprintf("kiln-%02d", i), Value: 36})
	}
	tab := plant.open(options{width: 390, height: 844, fontSize: 32})
	fits := func(state string) {
		t.Helper()
		for _, language := range []string{"zh", "en"} {
			tab.until(fmt.Sprintf(`(document.querySelector('#language [value=%q]').click(), document.documentElement.lang.startsWith(%[1]q))`, language))
			for _, width := range []int64{390, 900, 1440} {
				tab.do(chromedp.EmulateViewport(width, 844))
				tab.until(fmt.Sprintf("innerWidth === %d", width))
				tab.frame()
				for _, found := range eval[[]string](tab, collisions) {
					t.Errorf("%s, %s, %d px: %s", state, language, width, found)
				}
				if over := eval[float64](tab, "Math.max(document.documentElement.scrollWidth, document.querySelector('dialog[open]')?.scrollWidth ?? 0) - innerWidth"); over > 0 {
					t.Errorf("%s, %s, %d px: %v px too wide", state, language, width, over)
				}
				for _, found := range eval[[]string](tab, tooWide) {
					t.Errorf("%s, %s, %d px: wider than the list of readings: %s", state, language, width, found)
				}
			}
		}
	}
	tab.until(`document.querySelectorAll(".panel-alerts .alert").length > 4 && document.querySelectorAll("#stream tbody tr:not(.spacer)").length > 4`)
	tab.until(fmt.Sprintf(`(%s).then((s) => s.average?.some(([, v]) => v !== null))`, chart("#aggregated-chart")))
	if got := eval[string](tab, `getComputedStyle(document.documentElement).fontSize`); got != "28px" {
		t.Fatalf("text is %s large, want twice as large as usual", got)
	}
	fits("overview")
	tab.do(chromedp.EmulateViewport(390, 844))
	for _, frame := range []string{"#stream", ".alert-frame"} {
		eval[chromedp.Void](tab, fmt.Sprintf(`{ const frame = document.querySelector(%q); frame.scrollTop = frame.scrollHeight / 2; }`, frame))
		tab.frame()
		rows := eval[[][2]float64](tab, fmt.Sprintf(`[...document.querySelectorAll(%q)].map((row) => { const { top, bottom } = row.getBoundingClientRect(); return [top, bottom]; })`,
			frame+" :is(tbody tr, li):not(.spacer, [aria-hidden])"))
		if len(rows) < 3 {
			t.Fatalf("%s: got %d rows in the middle of the list, want what can be seen", frame, len(rows))
		}
		height := rows[0][1] - rows[0][0]
		for i := 1; i < len(rows); i++ {
			if gap := rows[i][0] - rows[i-1][1]; gap < -0.5 || gap > 0.5 || rows[i][1]-rows[i][0]-height > 0.5 || height-rows[i][1]+rows[i][0] > 0.5 {
				t.Errorf("%s: row %d is %v px from the one before and %v px high, want 0 and %v", frame, i, gap, rows[i][1]-rows[i][0], height)
			}
		}
	}
	eval[chromedp.Void](tab, `location.hash = "#device=furnace"`)
	tab.until(`document.querySelector("#drawer").open && document.querySelector("#device-chart canvas") !== null && document.querySelectorAll("#drawer .alert").length > 0`)
	fits("drawer")
}
