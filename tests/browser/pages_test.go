package browser

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/memory"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// live is what lives in a page's process.
type live struct {
	Nodes, Listeners int
	HeapBytes        float64
}

// live collects garbage and counts what is left.
func (tab *tab) live() live {
	tab.t.Helper()
	for range 3 { // What the first round frees may hold more.
		call(tab, heapprofiler.CollectGarbage, cdp.Empty{})
		tab.frame()
	}
	dom := call(tab, memory.GetDOMCounters, cdp.Empty{})
	// What performance.memory says is rounded, and at times twenty minutes old.
	return live{int(dom.Nodes), int(dom.JsEventListeners), call(tab, runtime.GetHeapUsage, cdp.Empty{}).UsedSize}
}

// counts are what a page must not leave behind.
type counts struct {
	live
	Subscribers, Charts int
}

func (tab *tab) counted() counts {
	tab.t.Helper()
	return counts{live: tab.live(), Subscribers: eval[int](tab, `ended.subscribers()`), Charts: tab.alive(`ended.chart`)}
}

// alive counts the objects with a prototype that something still holds.
func (tab *tab) alive(prototype string) int {
	tab.t.Helper()
	const group = "alive"
	of := call(tab, runtime.Evaluate, runtime.EvaluateParams{Expression: prototype, ObjectGroup: group}).Result.ObjectID
	objects := call(tab, runtime.QueryObjects, runtime.QueryObjectsParams{PrototypeObjectID: of, ObjectGroup: group}).Objects.ObjectID
	count := call(tab, runtime.CallFunctionOn, runtime.CallFunctionOnParams{FunctionDeclaration: `function () { return this.length; }`, ObjectID: objects})
	call(tab, runtime.ReleaseObjectGroup, runtime.ReleaseObjectGroupParams{ObjectGroup: group})
	n, err := strconv.Atoi(string(count.Result.Value))
	if err != nil {
		tab.t.Fatal(err)
	}
	return n
}

// Nothing remains of a page that is left: no listeners, subscriptions, timers, elements, charts. It is shown and ended twenty times, with
// its drawer open, beside the one that the shell shows.
func TestPageThatIsLeftLeavesNothingBehind(t *testing.T) {
	plant := startPlant(t, "-devices", "50", "-interval", "500ms")
	tab := plant.open(options{})
	tab.until(`document.querySelector("#aggregated-chart canvas") !== null && document.querySelectorAll("#stream tbody tr:not(.spacer)").length > 5`)
	// A few of the simulated devices may be silent from the start.
	var sending struct {
		Items []struct {
			ID string `json:"device_id"`
		}
	}
	plant.get("/api/v1/devices?status=online&limit=1", &sending)
	device := sending.Items[0].ID
	tab.until(`(async () => {
		const at = (path) => import(new URL(path, document.querySelector("script[type=module]").src).href);
		const [{ Address }, { Appearance }, { Preferences }, { Session }, { mount }] = await Promise.all(
			["app/address", "app/appearance", "app/preferences", "app/session", "pages/overview/overview"].map((name) => at(name + ".js")));
		const preferences = new Preferences();
		// The address of this session is not the browser's.
		const location = { pathname: "/", search: "?device=` + device + `" };
		const history = { state: null, pushState() {}, replaceState() {} };
		const session = new Session({ root: new URL("./", document.location.href), webSocketPath: "/ws", preferences,
			appearance: new Appearance(preferences), address: new Address({ location, history }) });
		session.start();
		// Timers that are running are counted by wrapping what starts and ends them.
		const running = new Set();
		const { setTimeout: start, clearTimeout: end, setInterval: repeat } = window;
		let watched = false;
		window.setTimeout = (work, ...rest) => {
			const id = start(() => { running.delete(id); work(); }, ...rest);
			if (watched) running.add(id);
			return id;
		};
		window.clearTimeout = (id) => { running.delete(id); end(id); };
		window.setInterval = (...rest) => { if (watched) running.add("interval"); return repeat(...rest); };
		const echarts = await at("../vendor/echarts/echarts.esm.min.js");
		window.ended = {
			chart: Object.getPrototypeOf(echarts.getInstanceByDom(document.querySelector("#aggregated-chart"))),
			subscribers: () => Object.values(session).reduce((sum, store) => sum + (store?.subscribers ?? 0), 0),
			timers: () => running.size,
			async once() {
				const root = document.createElement("div");
				document.body.append(root);
				const page = new AbortController();
				watched = true;
				await mount(root, session, page.signal);
				const until = async (reached) => { while (!reached()) await new Promise(requestAnimationFrame); };
				await until(() => root.querySelector("#aggregated-chart canvas") && root.querySelector("#device-chart canvas"));
				page.abort();
				watched = false;
				root.querySelector("dialog").remove(); // It would hide the page from the mouse.
				root.remove();
			},
		};
		while (session.devices.size < 40 || !session.devices.get("` + device + `")) await new Promise(requestAnimationFrame);
		return true;
	})()`)
	for range 5 { // What is loaded or made once.
		eval[chromedp.Void](tab, `ended.once()`)
	}
	before := tab.counted()
	for range 20 {
		eval[chromedp.Void](tab, `ended.once()`)
	}
	after := tab.counted()
	t.Logf("before %+v, after %+v", before, after)
	if got := eval[int](tab, `ended.timers()`); got > 2 { // Those of the page that is still shown may fall into the same time.
		t.Errorf("timers that still run: got %d, want none of the pages that are gone", got)
	}
	if after.Subscribers != before.Subscribers {
		t.Errorf("followers of the stores: got %d after 20 more pages, want %d", after.Subscribers, before.Subscribers)
	}
	if after.Charts != before.Charts {
		t.Errorf("charts: got %d after 20 more pages, want %d", after.Charts, before.Charts)
	}
	// The page that is still shown may add a few rows; one listener that stays with each page would be 20.
	if grown := after.Listeners - before.Listeners; grown > 10 {
		t.Errorf("listeners: %d more after 20 more pages, want about as many as before", grown)
	}
	if grown := after.Nodes - before.Nodes; grown > 100 {
		t.Errorf("nodes: %d more after 20 more pages, want about as many as before", grown)
	}
	if grown := after.HeapBytes - before.HeapBytes; grown > 2e6 {
		t.Errorf("heap: %.1f MB more after 20 more pages, want about as much as before", grown/1e6)
	}
}

// What the page shows is in its address: it survives a reload, and going back leads to what was before the drawer.
func TestAddressSaysWhatIsShown(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	plant.post(reading{ID: "kiln", Value: 36, Location: location{Building: "Hall 7"}}, reading{ID: "mixer", Type: "humidity_sensor", Value: 40})
	tab := plant.open(options{addr: plant.addr, path: "/overview"})
	tab.until(`document.querySelectorAll("#stream tbody tr:not(.spacer)").length === 2`)
	tab.click(`.type-tile:has([value="humidity_sensor"])`)
	tab.click(`#range label:has([value="1h"])`)
	tab.do(chromedp.SendKeys(chromedp.CSS(`select[name="building"]`), "Hall 7"), chromedp.SendKeys(chromedp.CSS(`input[name="query"]`), "ki"))
	tab.click(`.status-key[data-status="online"]`)
	tab.click(`#alert-scope label:has([value="open"])`)
	tab.click(`#severity-counters [data-severity="critical"]`)
	before := eval[int](tab, `history.length`)
	tab.click("#stream tbody a")
	tab.until(`document.querySelector("#drawer").open`)
	tab.click(`#drawer-range label:has([value="6h"])`)
	if got := eval[int](tab, `history.length`) - before; got != 1 {
		t.Errorf("entries to go back to: got %d for the drawer and a choice in it, want 1", got)
	}
	shown := func(when string) {
		t.Helper()
		tab.until(`document.querySelector("#stream tbody a")?.textContent === "kiln"`)
		got := eval[map[string]string](tab, `({
			path: location.pathname,
			chart: document.querySelector("#type-tiles input:checked").value, range: document.querySelector("#range input:checked").value,
			...Object.fromEntries(new FormData(document.querySelector("#stream-filters"))),
			alerts: document.querySelector("#alert-scope input:checked").value,
			severity: document.querySelector("#severity-counters [aria-pressed=true]")?.dataset.severity ?? "",
		})`)
		want := map[string]string{"path": "/overview", "chart": "humidity_sensor", "range": "1h", "type": "", "building": "Hall 7",
			"status": "online", "query": "ki", "alerts": "open", "severity": "critical"}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %v, want %v", when, got, want)
		}
	}
	shown("at first")
	tab.do(chromedp.Reload())
	tab.until(`document.querySelector("#drawer")?.open && document.querySelector("#drawer-title").textContent === "kiln"`)
	tab.until(`document.querySelector("#drawer-range input:checked")?.value === "6h"`)
	shown("after a reload")
	eval[chromedp.Void](tab, `history.back()`)
	tab.until(`!document.querySelector("#drawer").open`)
	shown("after going back")
	eval[chromedp.Void](tab, `history.forward()`)
	tab.until(`document.querySelector("#drawer").open`)
	// An old link, as in a bookmark.
	eval[chromedp.Void](tab, `history.back()`)
	tab.until(`!document.querySelector("#drawer").open`)
	eval[chromedp.Void](tab, `location.hash = "#device=mixer"`)
	tab.until(`document.querySelector("#drawer-title").textContent === "mixer" && location.hash === "" && location.search.includes("device=mixer")`)
	shown("after an old link")
	response, err := http.Get(plant.url("/nothing"))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusNotFound {
		t.Errorf("a page that there is not: got %s, want 404", response.Status)
	}
}

// What could not be loaded can be tried again where it is missing; and is by itself when the server is back.
func TestWhatFailedCanBeTriedAgain(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	plant.post(reading{ID: "kiln", Value: 36})
	tab := plant.open(options{expected: []string{"ERR_BLOCKED_BY_CLIENT", "ERR_FAILED"}})
	tab.until(`document.querySelector("#aggregated-state").hidden && document.querySelector("#connection").dataset.phase === "open"`)
	// Requests fail while the connection stands.
	eval[chromedp.Void](tab, `{ window.lost = true; const ask = window.fetch; window.fetch = (...request) => lost ? Promise.reject(new TypeError("lost")) : ask(...request) }`)
	tab.click(`#range label:has([value="6h"])`)
	tab.until(`document.querySelector("#aggregated-state").innerText.includes("could not be loaded")`)
	tab.click("#stream tbody a")
	tab.until(`document.querySelector("#drawer").open && document.querySelector("#device-chart-state").innerText.includes("could not be loaded")`)
	eval[chromedp.Void](tab, `lost = false`)
	tab.click("#device-chart-state button")
	tab.until(`document.querySelector("#device-chart-state").hidden`)
	tab.do(chromedp.KeyEvent("\x1b"))
	tab.until(`!document.querySelector("#drawer").open`)
	tab.until(`document.querySelector("#aggregated-state").hidden`) // By itself.
}

// A page that comes after the server's greeting asks for its history by itself, however quiet the plant is.
func TestPageThatComesLateLoadsItsHistory(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	tab := plant.open(options{expected: []string{"lost", "was preloaded"}})
	tab.answering()
	tab.answers("lost", "overview.html")
	tab.do(chromedp.Reload())
	tab.until(`document.querySelector("#page-state")?.innerText.includes("could not be loaded") && document.querySelector("#connection").dataset.phase === "open"`)
	tab.answers("", "")
	tab.click("#page-state button")
	tab.until(`document.querySelector("#aggregated-state")?.innerText === "No readings in this range."`)
}
