package browser

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// patch changes the registry entry of a device, as another person would.
func (p *plant) patch(id string, change map[string]any) {
	p.t.Helper()
	body, err := json.Marshal(change)
	if err != nil {
		p.t.Fatal(err)
	}
	request, err := http.NewRequest(http.MethodPatch, p.url("/api/v1/devices/"+url.PathEscape(id)), bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/merge-patch+json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		answer, _ := io.ReadAll(response.Body)
		p.t.Fatalf("change the entry of %s: %s: %s", id, response.Status, answer)
	}
}

// entered is what the registry says of a device.
type entered struct {
	Entry struct {
		Name, Area string
		Labels     map[string]string
		Limits     map[string]float64
		Retired    bool
		Interval   float64 `json:"interval_seconds"`
	} `json:"registered"`
}

func (p *plant) entry(id string) entered {
	p.t.Helper()
	var device entered
	p.get("/api/v1/devices/"+url.PathEscape(id), &device)
	return device
}

// listed is the expression of the ids in the list of devices.
const listed = `[...document.querySelectorAll("#devices tbody tr:not(.spacer) a")].map((a) => a.textContent)`

// rowOf is the expression of the row of a device in the list.
func rowOf(id string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("#devices tbody tr:not(.spacer)")].find((row) => row.querySelector("a").textContent === %q)`, id)
}

// clickIn presses what is in the row of a device.
func (tab *tab) clickIn(id, selector string) {
	tab.t.Helper()
	tab.clickFound(fmt.Sprintf(`%s.querySelector(%q)`, rowOf(id), selector))
}

// enter presses Enter as a keyboard does: a page that acts on the key at once keeps it from what then has the focus.
func (tab *tab) enter() {
	tab.t.Helper()
	for _, kind := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeKeyDown, input.DispatchKeyEventTypeKeyUp} {
		event := input.DispatchKeyEventParams{Type: kind, Key: "Enter", Code: "Enter", WindowsVirtualKeyCode: 13}
		if kind == input.DispatchKeyEventTypeKeyDown {
			event.Text = "\r"
		}
		call(tab, input.DispatchKeyEvent, event)
	}
}

// fill replaces the text of an input, as typing does.
func (tab *tab) fill(selector, text string) {
	tab.t.Helper()
	eval[chromedp.Void](tab, fmt.Sprintf(`(() => { const input = document.querySelector(%q); input.focus(); input.select(); })()`, selector))
	if text == "" {
		tab.press(kb.Delete)
		return
	}
	tab.do(chromedp.KeyEvent(text))
}

// Who looks for a device finds it by what is known of it, and sends the link to somebody.
func TestDevicesAreFound(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	plant.post(reading{ID: "kiln", Value: 36, Location: location{Building: "Hall 7", Floor: 1, Room: "a"}}, reading{ID: "mixer", Type: "humidity_sensor", Value: 40, Location: location{Building: "Hall 8"}},
		reading{ID: "oven", Value: 20, Status: "offline"}, reading{ID: "door", Type: "switch_sensor", Value: 1})
	plant.patch("mixer", map[string]any{"name": "Big mixer", "labels": map[string]string{"line": "3"}, "area": "plant/north"})
	plant.patch("planned", map[string]any{"name": "Not there yet"})
	tab := plant.open(options{path: "/devices", addr: plant.addr})
	is := func(ids ...string) {
		t.Helper()
		want, err := json.Marshal(ids)
		if err != nil {
			t.Fatal(err)
		}
		tab.until(fmt.Sprintf(`JSON.stringify(%s) === %q`, listed, want))
	}
	all := []string{"door", "kiln", "mixer", "oven", "planned"}
	is(all...)
	tab.until(`document.title.endsWith("Devices – iotmon") && document.querySelector("#navigation [aria-current=page]").textContent === "Devices" && document.querySelector("#devices-note").textContent === "5 devices"`)
	for _, one := range []struct{ query, ids string }{
		{"search=MIX", "mixer"}, {"search=ki", "kiln"}, {"type=humidity_sensor", "mixer"}, {"status=offline", "oven"}, {"status=online&type=temperature_sensor", "kiln"},
		{"status=never_sent", "planned"}, {"status=alerting", "kiln oven"}, {"area=Hall+7", "kiln"}, {"area=plant", "mixer"}, {"label=line", "mixer"}, {"label=line%3D4", ""},
		{"sort=type", "mixer door kiln oven planned"}, {"sort=name&order=desc", "planned mixer oven kiln door"},
	} {
		tab.do(chromedp.Navigate(plant.url("/devices?" + one.query)))
		is(strings.Fields(one.ids)...)
	}
	tab.do(chromedp.Navigate(plant.url("/devices")))
	is(all...)
	// By the controls: what they say is in the address, and survives a reload.
	tab.do(chromedp.SendKeys(chromedp.CSS(`#device-filters [name="search"]`), "i"))
	is("kiln", "mixer")
	tab.click(`th[data-sort="name"] button`)
	tab.click(`th[data-sort="name"] button`)
	tab.until(`location.search === "?search=i&sort=name&order=desc" && document.querySelector('th[data-sort="name"]').ariaSort === "descending"`)
	is("mixer", "kiln")
	tab.do(chromedp.Reload())
	is("mixer", "kiln")
	tab.until(`document.querySelector('#device-filters [name="search"]').value === "i" && document.querySelector("#devices-note").textContent === "2 devices match"`)
	tab.click(`#device-filters button[type="reset"]`)
	is("planned", "mixer", "oven", "kiln", "door")
	// What is typed stays while the page is written anew, for example for another language.
	for _, language := range []string{"zh", "en"} {
		eval[chromedp.Void](tab, fmt.Sprintf(`(() => {
			const search = document.querySelector('#device-filters [name="search"]');
			search.value = "MIX";
			search.dispatchEvent(new InputEvent("input", { bubbles: true }));
			document.querySelector('#language [value=%q]').click();
		})()`, language))
		tab.until(`location.search.endsWith("&search=MIX")`)
		is("mixer")
		tab.click(`#device-filters button[type="reset"]`)
		is("planned", "mixer", "oven", "kiln", "door")
	}
	// Columns are a choice that stays.
	tab.click("#device-columns summary")
	tab.click(`#device-columns [value="labels"]`)
	tab.click(`#device-columns [value="type"]`)
	tab.press(kb.Escape)
	tab.until(`!document.querySelector("#device-columns").open && document.activeElement === document.querySelector("#device-columns summary")`)
	tab.do(chromedp.Reload())
	tab.until(fmt.Sprintf(`%s?.querySelector(".col-labels").checkVisibility() && !document.querySelector("td.col-type").checkVisibility() && %[1]s.querySelector(".col-labels").textContent === "line=3"`, rowOf("mixer")))
	// New readings are shown as they come.
	plant.post(reading{ID: "kiln", Value: 21})
	tab.until(fmt.Sprintf(`%s.querySelector(".col-value").textContent === "21.0\u00a0°C"`, rowOf("kiln")))
	// A device opens its page; going back leads to where the list was.
	tab.clickIn("kiln", "a")
	tab.until(`location.pathname === "/devices/kiln" && document.title.endsWith("kiln – Devices – iotmon")`)
	eval[chromedp.Void](tab, `history.back()`)
	tab.until(`document.activeElement.textContent === "kiln" && location.search === "?sort=name&order=desc"`)
}

// However many devices there are, the page holds those that can be seen, and every one can be reached.
func TestHundredThousandDevices(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	const devices = 100_000
	at := time.Now()
	for from := 0; from < devices; from += 25_000 {
		var some []reading
		for i := range 25_000 {
			some = append(some, reading{ID: fmt.Sprintf("d-%06d", from+i+1), Value: 20, Time: at})
		}
		plant.post(some...)
	}
	tab := plant.open(options{path: "/devices", addr: plant.addr})
	tab.until(`document.querySelector("#devices-note").textContent === "100,000 devices"`)
	tab.until(listed + `[0] === "d-000001"`)
	held := func(when string) {
		t.Helper()
		if got := eval[int](tab, `document.querySelectorAll("#devices tbody tr").length`); got > 80 {
			t.Errorf("%s: got %d rows in the page, want those that can be seen", when, got)
		}
	}
	held("at first")
	for _, share := range []float64{0.5, 0.999, 0.25, 1} {
		eval[chromedp.Void](tab, fmt.Sprintf(`{ const frame = document.querySelector("#devices"); frame.scrollTop = frame.scrollHeight * %v; }`, share))
		want := int(share * devices)
		tab.until(fmt.Sprintf(`(%s).some((id) => Math.abs(Number(id.slice(2)) - %d) < 40)`, listed, want))
		held(fmt.Sprintf("at %v", share))
	}
	tab.until(fmt.Sprintf(`%s.at(-1) === "d-100000"`, listed))
	// Along the whole list in many steps: rows follow one another without a blank for long.
	tab.until(`(async () => {
		const frame = document.querySelector("#devices");
		for (let at = 0; at <= 3000; at += 150) {
			frame.scrollTop = at;
			await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
		}
		return true;
	})()`)
	tab.until(fmt.Sprintf(`(%s).every((id) => id !== "…")`, listed))
	// The keyboard comes to the last and to the first.
	eval[chromedp.Void](tab, `document.querySelector("#devices tbody a").focus()`)
	tab.press(kb.End)
	tab.until(`document.activeElement.textContent === "d-100000"`)
	tab.press(kb.Home)
	tab.until(`document.activeElement.textContent === "d-000001"`)
	// As many as that cannot be chosen at once.
	tab.click("#choose-all")
	tab.until(`document.querySelector("#chosen-count").textContent.startsWith("At most 10,000")`)
	held("at the end")
}

// What a person changes in its place is in force at once; what somebody else has changed meanwhile is not lost.
func TestDevicesAreChangedInTheirPlace(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	plant.post(reading{ID: "kiln", Value: 20}, reading{ID: "mixer", Value: 21})
	tab := plant.open(options{path: "/devices", addr: plant.addr, expected: []string{"412", "503"}})
	tab.until(listed + `.length === 2`)
	// By the keyboard: Tab goes through the row.
	tab.tabTo("#devices tbody a", 40)
	tab.press(kb.Tab)
	tab.until(`document.activeElement.dataset.field === "name" && document.activeElement.ariaLabel === "Change the name of kiln"`)
	tab.enter()
	tab.until(`document.activeElement.matches(".cell-input")`)
	tab.do(chromedp.KeyEvent("Kiln 1"))
	tab.press(kb.Escape)
	tab.until(`document.activeElement.dataset.field === "name" && document.activeElement.textContent === ""`)
	tab.enter()
	tab.do(chromedp.KeyEvent("Kiln 1"))
	tab.enter()
	tab.until(`document.activeElement.textContent === "Kiln 1" && !document.activeElement.classList.contains("saving")`)
	if got := plant.entry("kiln").Entry.Name; got != "Kiln 1" {
		t.Errorf("the name in the registry: got %q, want Kiln 1", got)
	}
	// Leaving a cell saves, and the next change is based on this one.
	tab.clickIn("kiln", `[data-field="area"]`)
	tab.do(chromedp.KeyEvent("hall/north"))
	tab.clickIn("kiln", `[data-field="name"]`)
	tab.do(chromedp.KeyEvent("Kiln 2"))
	tab.enter()
	tab.until(fmt.Sprintf(`%s.querySelector('[data-field="name"]').textContent === "Kiln 2" && !%[1]s.querySelector(".saving")`, rowOf("kiln")))
	if got := plant.entry("kiln").Entry; got.Name != "Kiln 2" || got.Area != "hall/north" {
		t.Errorf("the entry: got %+v, want Kiln 2 in hall/north", got)
	}
	// Somebody else is faster.
	tab.clickIn("mixer", `[data-field="name"]`)
	plant.patch("mixer", map[string]any{"name": "Theirs"})
	tab.do(chromedp.KeyEvent("Mine"))
	tab.enter()
	tab.until(`document.querySelector("#edit-notice").innerText.includes("mixer: somebody else has changed it meanwhile. There is now “Theirs”; “Mine” was not saved.")`)
	tab.findsNothing("conflict in the list")
	if got := plant.entry("mixer").Entry.Name; got != "Theirs" {
		t.Errorf("after the conflict: got %q, want Theirs", got)
	}
	tab.click("#edit-notice button")
	tab.until(fmt.Sprintf(`document.querySelector("#edit-notice").innerText === "" && %s.querySelector('[data-field="name"]:not(.saving)')?.textContent === "Mine"`, rowOf("mixer")))
	if got := plant.entry("mixer").Entry.Name; got != "Mine" {
		t.Errorf("after saving all the same: got %q, want Mine", got)
	}
	// With the database away reading goes on, and a change is refused with the reason.
	tab.refuses()
	tab.clickIn("mixer", `[data-field="name"]`)
	tab.do(chromedp.KeyEvent("Later"))
	tab.enter()
	tab.until(`document.querySelector("#edit-notice").innerText.includes("mixer: Nothing can be changed at the moment, because the database does not answer. Reading goes on.")`)
	plant.post(reading{ID: "mixer", Value: 22})
	tab.until(fmt.Sprintf(`%s.querySelector(".col-value").textContent === "22.0\u00a0°C"`, rowOf("mixer")))
	tab.findsNothing("the registry is away")
	eval[chromedp.Void](tab, `refused = false`)
	tab.click("#edit-notice button")
	tab.until(fmt.Sprintf(`%s.querySelector('[data-field="name"]:not(.saving)')?.textContent === "Later" && document.querySelector("#edit-notice").innerText === ""`, rowOf("mixer")))
}

// refuses has every change be refused as by a server whose database is away, until the variable refused is false.
func (tab *tab) refuses() {
	tab.t.Helper()
	eval[chromedp.Void](tab, `{
		window.refused = true;
		const ask = window.fetch;
		window.fetch = (address, request, ...rest) => !refused || ["GET", undefined].includes(request?.method) ? ask(address, request, ...rest)
			: Promise.resolve(new Response(JSON.stringify({ title: "Service Unavailable", status: 503, detail: "the database does not answer" }), { status: 503 }));
	}`)
}

// Many devices are changed at once, and each that was not changed is named with the reason.
func TestManyDevicesAreChangedAtOnce(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	var readings []reading
	for i := range 60 {
		readings = append(readings, reading{ID: fmt.Sprintf("press-%02d", i), Value: 20})
	}
	plant.post(readings...)
	tab := plant.open(options{path: "/devices", addr: plant.addr, expected: []string{"412", "503"}})
	tab.until(`document.querySelector("#devices-note").textContent === "60 devices"`)
	tab.click("#choose-all")
	tab.until(`document.querySelector("#chosen-count").textContent === "60 chosen"`)
	plant.patch("press-07", map[string]any{"name": "Changed meanwhile"})
	tab.click("#change-many")
	tab.until(`document.querySelector("#many").open && document.querySelector("#many-title").textContent === "Change 60 devices"`)
	tab.findsNothing("many at once")
	tab.click(`#many [type="submit"]`)
	tab.until(`document.querySelector("#many .question-problem").textContent === "Nothing is chosen to be changed."`)
	tab.fill(`#many input[list]`, "hall/press line")
	eval[chromedp.Void](tab, `(() => { const select = document.querySelector("#many-label"); select.value = "set"; select.dispatchEvent(new Event("change", { bubbles: true })); })()`)
	tab.fill(`#many .many-label input`, "line")
	tab.fill(`#many .many-label input:last-child`, "3")
	tab.click(`#many [type="submit"]`)
	tab.until(`document.querySelector("#many [role=status]").textContent.includes("Changed: 59. Not changed: 1.")`)
	tab.until(`document.querySelector("#many tbody").innerText.includes("press-07") && /anonymous has changed this device meanwhile, at [0-9:]+: name\./.test(document.querySelector("#many tbody").innerText)`)
	tab.findsNothing("many were changed")
	tab.clickFound(`[...document.querySelectorAll("#many button")].find((button) => button.textContent.startsWith("Try again"))`)
	tab.until(`document.querySelector("#many [role=status]").textContent.includes("Changed: 1. Not changed: 0.")`)
	tab.press(kb.Escape)
	tab.until(`!document.querySelector("#many").open`)
	if got := eval[int](tab, `performance.getEntriesByType("resource").filter(({ name }) => new URL(name).pathname === "/api/v1/devices/press-00").length`); got != 0 {
		t.Errorf("got %d requests for one device alone, want one for all", got)
	}
	for _, id := range []string{"press-00", "press-07", "press-59"} {
		if got := plant.entry(id).Entry; got.Area != "hall/press line" || got.Labels["line"] != "3" {
			t.Errorf("%s: got %+v, want the area and the label", id, got)
		}
	}
	if got := plant.entry("press-07").Entry.Name; got != "Changed meanwhile" {
		t.Errorf("what somebody else has changed: got %q, want it kept", got)
	}
	// What cannot be seen any more is not chosen any more.
	tab.do(chromedp.SendKeys(chromedp.CSS(`#device-filters [name="search"]`), "press-0"))
	tab.until(`document.querySelector("#devices-note").textContent === "10 devices match" && document.querySelector("#chosen-bar").hidden`)
}

// Whatever a person has entered and not saved is not lost by a link, by going back, or with the tab, unless the person says so.
func TestNothingEnteredIsLost(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	plant.post(reading{ID: "kiln", Value: 20}, reading{ID: "mixer", Value: 21})
	tab := plant.open(options{path: "/devices", addr: plant.addr, expected: []string{"slow"}})
	closing := func(want bool) {
		t.Helper()
		// A dialog says that it is closed in a task of its own.
		tab.until(fmt.Sprintf(`dispatchEvent(new Event("beforeunload", { cancelable: true })) !== %t`, want))
	}
	stay := func() {
		t.Helper()
		tab.until(`document.querySelector("#leave").open && document.activeElement.textContent === "Stay"`)
		tab.findsNothing("the question before leaving")
		tab.enter()
		tab.until(`!document.querySelector("#leave").open`)
	}
	tab.clickIn("kiln", "a")
	tab.until(`document.querySelector(".entry .field input") !== null`)
	closing(false)
	tab.fill(`.entry .field input`, "Kiln 1")
	closing(true)
	tab.click(`#navigation a[href$="/system"]`)
	stay()
	eval[chromedp.Void](tab, `history.back()`)
	tab.until(`document.querySelector("#leave").open`)
	tab.press(kb.Escape)
	tab.until(`!document.querySelector("#leave").open && location.pathname === "/devices/kiln" && document.querySelector(".entry .field input").value === "Kiln 1"`)
	// What the page shows is its own matter.
	tab.click(`#drawer-range label:nth-of-type(2)`)
	tab.until(`location.search.includes("history=") && !document.querySelector("#leave").open`)
	eval[chromedp.Void](tab, `document.querySelector("#language [value=zh]").click()`)
	tab.click(`#device-list-link`)
	tab.until(`document.querySelector("#leave").innerText.includes("尚未保存")`)
	tab.click(`#leave [value="leave"]`)
	tab.until(`location.pathname === "/devices" && document.querySelector("#devices-note")?.textContent === "2 台设备"`)
	eval[chromedp.Void](tab, `document.querySelector("#language [value=en]").click()`)
	if got := plant.entry("kiln").Entry.Name; got != "" {
		t.Errorf("the name after leaving: got %q, want none", got)
	}
	closing(false)
	// A dialog that is open.
	tab.click("#choose-all")
	tab.click("#change-many")
	tab.until(`document.querySelector("#many").open`)
	closing(false)
	tab.fill(`#many input[list]`, "hall")
	closing(true)
	eval[chromedp.Void](tab, `history.back()`)
	stay()
	tab.until(`document.querySelector("#many").open && document.querySelector("#many input[list]").value === "hall"`)
	tab.press(kb.Escape)
	tab.until(`!document.querySelector("#many").open`)
	closing(false)
	// What is on its way is waited for.
	eval[chromedp.Void](tab, `{
		const ask = window.fetch;
		window.fetch = async (address, request, ...rest) => {
			if (request?.method === "PATCH") await new Promise((passed) => setTimeout(passed, 500));
			return ask(address, request, ...rest);
		};
	}`)
	tab.clickIn("mixer", `[data-field="name"]`)
	tab.do(chromedp.KeyEvent("Mixer 2"))
	tab.click(`#navigation a[href$="/system"]`)
	tab.until(`location.pathname === "/system"`)
	if got := plant.entry("mixer").Entry.Name; got != "Mixer 2" {
		t.Errorf("the name that was on its way: got %q, want Mixer 2", got)
	}
}

// A table is imported once its reader has seen what would change; a table with mistakes changes nothing.
func TestTableIsImported(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	plant.post(reading{ID: "kiln", Value: 20}, reading{ID: "mixer", Value: 21})
	plant.patch("kiln", map[string]any{"name": "Old name", "labels": map[string]string{"line": "3"}})
	tab := plant.open(options{path: "/devices", addr: plant.addr, expected: []string{"422"}})
	tab.until(listed + `.length === 2`)
	if got := eval[string](tab, `document.querySelector("#csv-export").href`); got != plant.url("/api/v1/registry") {
		t.Errorf("the export leads to %s", got)
	}
	choose := func(table string) {
		t.Helper()
		tab.click("#registry-menu summary")
		tab.click("#csv-import")
		tab.until(`document.querySelector("#import").open`)
		eval[chromedp.Void](tab, fmt.Sprintf(`(() => {
			const input = document.querySelector("#import [type=file]"), files = new DataTransfer();
			files.items.add(new File([%q], "devices.csv", { type: "text/csv" }));
			input.files = files.files;
			input.dispatchEvent(new Event("change", { bubbles: true }));
		})()`, table))
	}
	choose("device_id,name,label.line,retired\nkiln,New name,,\nmixer,,,maybe\n")
	tab.until(`document.querySelector("#import .question-problem")?.innerText.includes("line 3, column retired")`)
	tab.findsNothing("a table with a mistake")
	tab.press(kb.Escape)
	choose("device_id,name,label.line\nkiln,New name,\nmixer,<b>Mixer</b>,4\n")
	tab.until(`document.querySelector("#import [role=status]").innerText === "2 rows, 2 devices would change:"`)
	rows := eval[[]string](tab, `[...document.querySelectorAll("#import tbody tr")].map((row) => [...row.cells].map((cell) => cell.textContent).join("|"))`)
	want := []string{"kiln|name|Old name|New name", "|labels|line=3|–", "mixer|name|–|<b>Mixer</b>", "|labels|–|line=4"}
	if fmt.Sprint(rows) != fmt.Sprint(want) {
		t.Errorf("the difference: got %q, want %q", rows, want)
	}
	tab.findsNothing("what would change")
	if got := plant.entry("kiln").Entry.Name; got != "Old name" {
		t.Errorf("before it is applied: got %q, want Old name", got)
	}
	tab.clickFound(`[...document.querySelectorAll("#import button")].find((button) => button.textContent === "Apply (2)")`)
	tab.until(`document.querySelector("#import [role=status]").innerText === "2 devices changed, all in force."`)
	tab.press(kb.Escape)
	tab.until(fmt.Sprintf(`%s.querySelector('[data-field="name"]').textContent === "<b>Mixer</b>"`, rowOf("mixer")))
}

// An import that ends early says how far it has come, and that the same file completes it.
func TestAnImportThatEndsEarlySaysSo(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	plant.post(reading{ID: "kiln", Value: 20})
	tab := plant.open(options{path: "/devices", addr: plant.addr, expected: []string{"503", "409"}})
	tab.until(listed + `.length === 1`)
	eval[chromedp.Void](tab, `(() => {
		const ask = window.fetch;
		window.fetch = (address, ...rest) => String(address).includes("dry_run=false")
			? Promise.resolve(new Response(JSON.stringify(window.problem), { status: window.problem.status })) : ask(address, ...rest);
	})()`)
	for _, step := range []struct{ problem, want string }{
		{`{ status: 503, detail: "only the first 2000 of 2500 devices are changed", busy: true, made: 2000 }`,
			"Only the first 2,000 rows are imported. The database is busy with other changes. Try again. Choose the file again to import the others."},
		{`{ status: 409, detail: "only the first row", made: 1, errors: [{ message: "the entry of device \"mixer\" has version 3", location: "body.version", value: "mixer" }] }`,
			"Only 1 row, the first, is imported. Somebody else has changed the devices below meanwhile. Choose the file again to import the others."},
	} {
		eval[chromedp.Void](tab, fmt.Sprintf(`(() => { window.problem = %s; })()`, step.problem))
		tab.click("#registry-menu summary")
		tab.click("#csv-import")
		tab.until(`document.querySelector("#import").open`)
		eval[chromedp.Void](tab, `(() => {
			const input = document.querySelector("#import [type=file]"), files = new DataTransfer();
			files.items.add(new File(["device_id,name\nkiln,x\n"], "devices.csv", { type: "text/csv" }));
			input.files = files.files;
			input.dispatchEvent(new Event("change", { bubbles: true }));
		})()`)
		tab.until(`document.querySelector("#import .button-main") !== null`)
		tab.clickFound(`document.querySelector("#import .button-main")`)
		tab.until(fmt.Sprintf(`document.querySelector("#import .question-problem p")?.innerText === %q`, step.want))
		tab.findsNothing("an import that ended early")
		tab.press(kb.Escape)
	}
}

// Every state of the list, on every screen.
func TestDevicesFitEveryScreen(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	tab := plant.open(options{path: "/devices", addr: plant.addr, expected: []string{"lost"}})
	tab.answering()
	tab.until(`document.querySelector("#devices-state").innerText.startsWith("There are no devices yet.")`)
	tab.findsNothing("no devices")
	long := strings.Repeat("line-4/press.", 9) + "ABCDEFGHIJK"
	hostile := "<script>alert(1)</script>"
	hall := location{Building: "Hall \u200f7", Floor: 2, Room: "no\u00adrth"}
	plant.post(reading{ID: long, Value: 36, Location: hall}, reading{ID: hostile, Value: 20, Location: hall}, reading{ID: "barometer", Type: "pressure_sensor", Value: 1013.73},
		reading{ID: "bad", Value: 21, Quality: "bad"}, reading{ID: "off", Value: 20, Status: "offline"}, reading{ID: "a/b?c#d%", Value: 20})
	plant.patch(long, map[string]any{"name": strings.Repeat("W", 128), "area": strings.Repeat("x", 120) + "/" + strings.Repeat("y", 120), "labels": map[string]string{strings.Repeat("n", 64): strings.Repeat("v", 128)},
		"limits": map[string]float64{"temperature_high": 1e300}})
	plant.patch("barometer", map[string]any{"name": strings.TrimSpace(strings.Repeat("مقياس الضغط ", 5))})
	plant.patch("planned", map[string]any{"name": hostile, "retired": true})
	fits := func(state string) {
		t.Helper()
		tab.fitsEveryWidth(t, state, "#devices")
	}

	tab.until(listed + `.length === 7`)
	const begins = `(() => {
		const name = document.querySelector('#devices [data-field="name"]:dir(rtl)');
		const { direction, textAlign } = getComputedStyle(name);
		return direction + " " + textAlign + " " + (name.scrollWidth > name.clientWidth);
	})()`
	if got := eval[string](tab, begins); got != "rtl left true" {
		t.Errorf("a long name from right to left: got %q, want one whose left end is cut", got)
	}
	fits("devices")
	tab.do(chromedp.EmulateViewport(1440, 900))
	tab.click("#device-columns summary")
	for _, column := range []string{"labels", "limits", "interval"} {
		tab.click(fmt.Sprintf(`#device-columns [value=%q]`, column))
	}
	tab.findsNothing("the menu of columns")
	tab.press(kb.Escape)
	fits("all columns")
	tab.do(chromedp.EmulateViewport(1440, 900))
	tab.frame()
	if got := eval[float64](tab, `document.querySelector("#devices th.col-device").getBoundingClientRect().width`); got < 100 {
		t.Errorf("with all columns the id has %v px", got)
	}
	tab.do(chromedp.EmulateViewport(1440, 900))
	tab.click("#choose-all")
	tab.until(`!document.querySelector("#chosen-bar").hidden`)
	fits("chosen")
	tab.do(chromedp.SendKeys(chromedp.CSS(`#device-filters [name="search"]`), "nobody"))
	tab.until(`document.querySelector("#devices-state").innerText === "No device matches these filters."`)
	fits("no match")
	for _, answer := range [][2]string{{"held", "Loading"}, {"lost", "could not be loaded"}} { // The last one leaves a button to click.
		tab.answers(answer[0], "/api/")
		tab.do(chromedp.Navigate(plant.url("/devices")))
		tab.until(fmt.Sprintf(`document.querySelector("#devices-state")?.innerText.includes(%q)`, answer[1]))
		fits(answer[0])
	}
	tab.answers("", "")
	tab.click("#devices-state button")
	tab.until(listed + `.length === 7`)
	// An id may hold what a path does not: its page is found all the same.
	for _, id := range []string{"a/b?c#d%", hostile} {
		tab.clickIn(id, "a")
		tab.until(fmt.Sprintf(`document.querySelector("#device-title")?.textContent === %q && document.querySelector("#device-value").textContent === "20.0\u00a0°C"`, id))
		tab.do(chromedp.Reload())
		tab.until(fmt.Sprintf(`document.querySelector("#device-title")?.textContent === %q && document.querySelector("#device-value").textContent === "20.0\u00a0°C"`, id))
		eval[chromedp.Void](tab, `history.back()`)
		tab.until(listed + `.length === 7`)
	}
}
