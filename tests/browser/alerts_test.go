package browser

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// alertRows is the expression of the rows in the list of alerts, alertRow that of the row whose words contain some.
const alertRows = `[...document.querySelectorAll("#alert-list tbody tr:not(.spacer)")]`

func alertRow(words string) string {
	return fmt.Sprintf(`%s.find((row) => row.innerText.includes(%q))`, alertRows, words)
}

// send makes a request with a JSON body, as another person would, and returns the answer.
func (p *plant) send(method, path, body string, want int) string {
	p.t.Helper()
	request, err := http.NewRequest(method, p.url(path), bytes.NewReader([]byte(body)))
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != want {
		p.t.Fatalf("%s %s: got %s %s, want %d", method, path, response.Status, answer, want)
	}
	return string(answer)
}

// stroke presses the key of a letter as a keyboard does: a page that acts on the key at once keeps it from what then has the focus.
func (tab *tab) stroke(letter string) {
	tab.t.Helper()
	call(tab, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyDown, Key: letter, Text: letter})
	call(tab, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyUp, Key: letter})
}

// Two operators see what the other does, and what has cleared stays until somebody has acknowledged it.
func TestAlertsAreHandledByTwo(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	hall := location{Building: "Hall 7", Floor: 2, Room: "north"}
	plant.post(reading{ID: "furnace", Value: 36, Location: hall}, reading{ID: "kiln", Value: 29, Location: hall}, reading{ID: "oven", Value: 29}, reading{ID: "mixer", Type: "humidity_sensor", Value: 95})
	one := plant.open(options{addr: plant.addr, path: "/alerts"})
	other := plant.open(options{addr: plant.addr, path: "/alerts"})
	for _, tab := range []*tab{one, other} {
		tab.until(alertRows + `.length === 5 && document.title === "(5) Alerts – iotmon" && document.querySelector(".badge").textContent === "5"`)
	}
	if got := eval[string](one, alertRows+`[0].innerText`); !strings.Contains(got, "Critical") || !strings.Contains(got, "Temperature above 35") {
		t.Errorf("first: got %q, want the critical one", got)
	}
	press := func(tab *tab, words, selector string) {
		t.Helper()
		tab.clickFound(fmt.Sprintf(`%s.querySelector(%q)`, alertRow(words), selector))
	}
	// One has the question open while the other is faster.
	press(other, "kiln", ".col-choose input")
	press(other, "oven", ".col-choose input")
	other.until(`document.querySelector("#alerts-chosen").innerText.includes("2 alerts chosen")`)
	other.click(`[data-action="acknowledge"]`)
	press(one, "kiln", ".col-action button")
	other.until(`document.querySelector(".action-faster").innerText.includes("1 of these alerts does not need this")`)
	other.do(chromedp.SendKeys(chromedp.CSS("#alert-action textarea"), "on my way"))
	other.click(`#alert-action [type="submit"]`)
	other.until(`!document.querySelector("#alert-action").open && document.querySelector("#alerts-chosen").hidden`)
	for _, tab := range []*tab{one, other} {
		tab.until(fmt.Sprintf(`["kiln", "oven"].every((id) => %s.find((row) => row.innerText.includes(id)).querySelector(".col-alert-state").textContent === "Acknowledged") && document.title.startsWith("(3)")`, alertRows))
	}
	// Shelved with a preset and a reason.
	press(one, "mixer", ".col-choose input")
	one.click(`[data-action="shelve"]`)
	eval[chromedp.Void](one, `{ const [end, reason] = document.querySelectorAll("#alert-action select"); end.value = "28800"; end.dispatchEvent(new Event("change"));
		reason.value = "Maintenance"; reason.dispatchEvent(new Event("change")); }`)
	one.until(`document.querySelector("#alert-action textarea").value === "Maintenance"`)
	one.click(`#alert-action [type="submit"]`)
	other.until(alertRow("mixer") + `.querySelector(".col-alert-state").textContent.startsWith("Shelved until")`)
	other.until(alertRow("mixer") + `.querySelector(".why").textContent === "Maintenance"`)
	other.until(`document.title.startsWith("(2)") && document.querySelector('#handling-counters [data-state="suppressed"] strong').textContent === "1"`)
	var stories struct {
		Items []struct {
			ID, Comment string
			Until       time.Time `json:"suppressed_until"`
		}
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) { // The archive is behind what is shown.
		plant.get("/api/v1/alerts?device=mixer", &stories)
		if stories.Items[0].Comment != "" || time.Now().After(deadline) {
			break
		}
	}
	if left := time.Until(stories.Items[0].Until); stories.Items[0].Comment != "Maintenance" || left < 7*time.Hour || left > 8*time.Hour {
		t.Errorf("got %+v", stories.Items)
	}
	// What clears unseen is still listed, also after a reload, until it is acknowledged.
	time.Sleep(100 * time.Millisecond)
	for range 3 {
		plant.post(reading{ID: "furnace", Value: 20, Location: hall})
	}
	other.until(fmt.Sprintf(`%s.filter((row) => row.innerText.includes("Returned, unacknowledged")).length === 2`, alertRows))
	other.do(chromedp.Reload())
	other.until(fmt.Sprintf(`%s.filter((row) => row.innerText.includes("Returned, unacknowledged")).length === 2`, alertRows))
	eval[chromedp.Void](other, alertRow("35\u00a0°C")+`.querySelector("a").focus()`)
	other.stroke("a")
	other.until(`document.querySelector("#alert-action").open`)
	other.click(`#alert-action [type="submit"]`)
	one.until(`document.title.startsWith("(1)") && document.querySelector('#handling-counters [data-state="returned"] strong').textContent === "1"`)
	// The story of it is in the history.
	one.do(chromedp.Navigate(plant.url("/alerts?view=history&search=FURN")))
	one.until(alertRows + `.length === 2`)
	one.do(chromedp.Navigate(plant.url("/alerts?view=history&rule=temperature_critical")))
	one.until(alertRows + `.length === 1 && ` + alertRows + `[0].innerText.includes("Normal")`)
}

// What is listed is in the address, alone or in groups, and everything can be done by keyboard.
func TestAlertsAreFound(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	for i := range 60 {
		plant.post(reading{ID: fmt.Sprintf("kiln-%02d", i), Value: 29, Location: location{Building: fmt.Sprintf("Hall %d", i%3), Floor: 1, Room: "a"}})
	}
	plant.post(reading{ID: "furnace", Value: 36, Location: location{Building: "Hall 0", Floor: 2}})
	tab := plant.open(options{addr: plant.addr, path: "/alerts"})
	note := func(words string) {
		t.Helper()
		tab.until(fmt.Sprintf(`document.querySelector("#alerts-note")?.textContent === %q`, words))
	}
	note("62 alerts")
	choose := func(name, value string) {
		t.Helper()
		eval[chromedp.Void](tab, fmt.Sprintf(`{ const control = document.querySelector('#alert-filters [name=%q]'); control.value = %q; control.dispatchEvent(new Event("input", { bubbles: true })); }`, name, value))
	}
	choose("severity", "critical")
	note("1 of 62 alerts")
	if got := eval[string](tab, "location.search"); got != "?severity=critical" {
		t.Errorf("got the address %q", got)
	}
	choose("severity", "")
	choose("search", "KILN-1")
	note("10 of 62 alerts")
	tab.click(`#alert-filters [type="reset"]`)
	note("62 alerts")
	choose("group", "both")
	note("5 groups, 62 alerts")
	tab.clickFound(alertRow("temperature_high · Hall 1/1/a") + `.querySelector("a")`)
	note("20 of 62 alerts")
	tab.until(`location.search.includes("rule=temperature_high") && location.search.includes("area=Hall+1") && !location.search.includes("group")`)
	eval[chromedp.Void](tab, `history.back()`)
	note("5 groups, 62 alerts")
	// A group is chosen as one.
	tab.clickFound(alertRow("temperature_high · Hall 1/1/a") + `.querySelector("input")`)
	tab.until(`document.querySelector("#alerts-chosen").innerText.includes("20 alerts chosen")`)
	tab.click(`[data-action="acknowledge"]`)
	tab.click(`#alert-action [type="submit"]`)
	tab.until(`!document.querySelector("#alert-action").open && document.querySelector('#handling-counters [data-state="acknowledged"] strong').textContent === "20"`)
	tab.click(`#handling-counters [data-state="acknowledged"]`)
	note("1 group, 20 of 62 alerts")
	tab.click(`#handling-counters [data-state="acknowledged"]`)
	choose("group", "")
	note("62 alerts")
	// By keyboard: from row to row, chosen by Space, and acted on.
	eval[chromedp.Void](tab, `document.querySelector("#alert-list").focus()`)
	tab.press(kb.ArrowDown)
	tab.press(" ")
	tab.press(kb.ArrowDown)
	tab.press(" ")
	tab.until(`document.querySelector("#alerts-chosen").innerText.includes("2 alerts chosen")`)
	eval[chromedp.Void](tab, alertRows+`[1].querySelector("a").focus()`)
	tab.stroke("c")
	tab.until(`document.querySelector("#alert-action").open && document.activeElement.tagName === "TEXTAREA"`)
	tab.click(`#alert-action [type="submit"]`)
	tab.until(`document.querySelector("#alert-action .question-problem")?.innerText === "Write something."`)
	tab.do(chromedp.SendKeys(chromedp.CSS("#alert-action textarea"), "seen by shift B"))
	tab.click(`#alert-action [type="submit"]`)
	tab.until(`!document.querySelector("#alert-action").open`)
	choose("search", "shift b")
	note("2 of 62 alerts")
	// While somebody works in the list its rows stay: what is new is announced, and listed when it is asked for.
	tab.click(`#alert-filters [type="reset"]`)
	note("62 alerts")
	eval[chromedp.Void](tab, alertRows+`[5].querySelector("a").focus()`)
	tab.press(kb.ArrowDown)
	plant.post(reading{ID: "zz-late", Value: 50})
	tab.until(`!document.querySelector("#alerts-held").hidden && document.querySelector("#alerts-held").textContent.includes("2 new alerts")`)
	tab.click("#alerts-held")
	tab.until(alertRow("zz-late"))
}

// New alerts are signalled by sound and desktop where the reader wants that, and not otherwise.
func TestAlertsAreSignalled(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	tab := plant.open(options{addr: plant.addr, path: "/alerts"})
	tab.until(`document.querySelector("#alerts-state")?.innerText.includes("Nothing asks")`)
	eval[chromedp.Void](tab, `window.signals = { tones: 0, notes: [] };
		window.OscillatorNode = class extends OscillatorNode { start(at) { signals.tones++; super.start(at); } };
		window.Notification = class { static permission = "granted"; static async requestPermission() { return "granted"; }
			constructor(title, { body }) { signals.notes.push(title + ": " + body); } close() {} };
		Object.defineProperty(document, "hidden", { get: () => true });`)
	plant.post(reading{ID: "furnace", Value: 29})
	tab.until(alertRows + `.length === 1`)
	if got := eval[float64](tab, `signals.tones + signals.notes.length`); got != 0 {
		t.Errorf("got %v signals that nobody wants", got)
	}
	tab.click("#alert-signals summary")
	tab.click(`#alert-signals [name="sound"]`)
	tab.until(`signals.tones === 1`) // So does it sound.
	tab.click(`#alert-signals [name="notify"]`)
	tab.until(`localStorage.getItem("iotmon.alert-sound") === "on" && localStorage.getItem("iotmon.alert-notify") === "on"`)
	plant.post(reading{ID: "oven", Value: 36})
	tab.until(`signals.notes.length === 1 && signals.tones === 4`)
	if got := eval[string](tab, `signals.notes[0]`); got != "2 alerts have just been raised: Temperature above 35\u00a0°C, oven" && got != "Critical: Temperature above 35\u00a0°C, oven" {
		t.Errorf("got %q", got)
	}
}

func TestAlertsFitEveryScreen(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	tab := plant.open(options{addr: plant.addr, path: "/alerts", expected: []string{"lost"}})
	tab.answering()
	tab.do(chromedp.Reload())
	tab.until(`document.querySelector("#alerts-state")?.innerText.includes("Nothing asks")`)
	tab.findsNothing("no alerts")
	long := strings.Repeat("line-4/press.", 9) + "ABCDEFGHIJK"
	plant.post(reading{ID: long, Value: 36, Location: location{Building: "Hall \u200f7", Floor: 2, Room: "no\u00adrth"}}, reading{ID: "<script>alert(1)</script>", Value: 30},
		reading{ID: "off", Value: 20, Status: "offline"}, reading{ID: "mixer", Type: "humidity_sensor", Value: 95})
	fits := func(state string) {
		t.Helper()
		tab.fitsEveryWidth(t, state, "#alert-list")
		tab.do(chromedp.EmulateViewport(1440, 900))
		tab.frame()
	}

	tab.until(alertRows + `.length >= 5`)
	fits("alerts")
	tab.clickFound(`document.querySelector("#choose-alerts")`)
	fits("chosen")
	tab.click(`[data-action="shelve"]`)
	fits("shelve")
	// Without a reason nobody is kept from being notified: the field asks for it, also of who works by the keyboard alone.
	tab.click(`#alert-action [type="submit"]`)
	tab.until(`document.querySelector("#alert-action .question-problem")?.textContent.startsWith("Say why") && document.activeElement.matches('#alert-action textarea[aria-invalid="true"]')`)
	fits("no reason")
	tab.do(chromedp.KeyEvent("  "), chromedp.KeyEvent("\t\t"), chromedp.KeyEvent("\r"))
	tab.until(`document.querySelector("#alert-action .question-problem")?.textContent.startsWith("Say why") && document.activeElement.matches("#alert-action textarea")`)
	tab.do(chromedp.KeyEvent("part ordered"))
	tab.until(`!document.querySelector("#alert-action .question-problem") && document.querySelector("#alert-action textarea").ariaInvalid === "false"`)
	eval[chromedp.Void](tab, `{ const [end] = document.querySelectorAll("#alert-action select"); end.value = "until"; end.dispatchEvent(new Event("change")); }`)
	tab.click(`#alert-action [type="submit"]`)
	tab.until(`document.querySelector("#alert-action .question-problem")?.textContent.startsWith("The end must be") && document.activeElement.type === "datetime-local"`)
	fits("a wrong end")
	tab.answers("lost", "/alerts/actions")
	eval[chromedp.Void](tab, `{ const [end] = document.querySelectorAll("#alert-action select"); end.value = "3600"; end.dispatchEvent(new Event("change")); }`)
	tab.click(`#alert-action [type="submit"]`)
	tab.until(`document.querySelectorAll("#alert-action tbody tr").length >= 5 && document.querySelector("#alert-action").innerText.includes("Try")`)
	fits("not shelved")
	tab.answers("", "")
	tab.press(kb.Escape)
	tab.do(chromedp.Navigate(plant.url("/alerts?group=both")))
	tab.until(alertRows + `.length >= 3`)
	fits("groups")
	tab.click("#alert-signals summary")
	tab.findsNothing("the menu of signals")
	tab.do(chromedp.Navigate(plant.url("/alerts?view=history")))
	tab.until(alertRows + `.length >= 5`)
	fits("history")
	for _, answer := range [][2]string{{"held", "Loading"}, {"lost", "could not be loaded"}} {
		tab.answers(answer[0], "/api/")
		tab.do(chromedp.Navigate(plant.url("/alerts?view=history")))
		tab.until(fmt.Sprintf(`document.querySelector("#alerts-state")?.innerText.includes(%q)`, answer[1]))
		fits(answer[0])
	}
}

// An alert's own page shows its story, its readings with threshold and span, its procedure, and what can be done; what somebody else does comes by itself.
func TestAlertsOwnPage(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	rule := `{"name":"boiler_hot","device_type":"temperature_sensor","devices":["boiler"],"severity":"critical","latch":true,"condition":{"kind":"threshold","threshold":60},
		"text":"锅炉过热 {value}","text_en":"Boiler too hot: {value}","procedure":"https://plant.example/hot"}`
	plant.send("POST", "/api/v1/rules", rule, http.StatusCreated)
	start := time.Now().Add(-8 * time.Minute)
	for i := range 40 {
		value := 22 + float64(i%5)
		if i > 20 {
			value += 48
		}
		plant.post(reading{ID: "boiler", Value: value, Time: start.Add(time.Duration(i) * 11 * time.Second), Location: location{Building: "Hall 7", Floor: 1, Room: "north"}})
	}
	tab := plant.open(options{addr: plant.addr, path: "/alerts", expected: []string{"404"}})
	tab.answering()
	tab.until(alertRow("Boiler too hot: 71 °C"))
	tab.clickFound(alertRow("Boiler too hot") + `.querySelector("a")`)
	tab.until(`location.pathname.startsWith("/alerts/") && document.querySelector("#alert-title")?.textContent === "Boiler too hot: 71 °C, boiler"`)
	id := strings.TrimPrefix(eval[string](tab, "location.pathname"), "/alerts/")
	story := func(want ...string) {
		t.Helper()
		tab.until(fmt.Sprintf(`((rows) => rows.length === %d && %q.split("|").every((words, i) => rows[i].innerText.includes(words)))([...document.querySelectorAll(".story tbody tr")])`, len(want), strings.Join(want, "|")))
	}
	tab.do(chromedp.Reload()) // The address leads to it as well.
	tab.until(`document.querySelector(".story tbody tr")`)
	story("The alert was raised")
	tab.until(fmt.Sprintf(`document.querySelector("#alert-chart canvas") && (%s).then((s) => s.readings?.some((point) => (point.value ?? point)[1] > 60))`, chart("#alert-chart")))
	tab.until(`/threshold/i.test(document.querySelector("#alert-legend").innerText)`)
	if got := eval[string](tab, `document.querySelector("#alert-chart").ariaLabel`); !strings.Contains(got, "boiler") || !strings.Contains(got, "The alert: since") {
		t.Errorf("got the label %q", got)
	}
	link := `(({ href, target, rel }) => [href, target, rel].join(" "))(document.querySelector("#alert-procedure"))`
	if got := eval[string](tab, link); got != "https://plant.example/hot _blank noopener noreferrer" {
		t.Errorf("got the procedure %q", got)
	}
	// Somebody else shelves it, and it is acknowledged here.
	plant.send("POST", "/api/v1/alerts/"+id+"/shelve", `{"seconds":3600,"comment":"valve ordered"}`, http.StatusOK)
	tab.until(`document.querySelector("#alert-place").textContent.includes("Shelved until")`)
	tab.click(`#alert-actions [data-action="acknowledge"]`)
	tab.do(chromedp.SendKeys(chromedp.CSS("#alert-action textarea"), "on my way"))
	tab.click(`#alert-action [type="submit"]`)
	story("The alert was raised", "valve ordered", "on my way")
	plant.post(reading{ID: "boiler", Value: 20})
	story("The alert was raised", "It was shelved until", "It was acknowledged", "keeps the alert open")
	tab.click(`#alert-actions [data-action="reset"]`)
	tab.click(`#alert-action [type="submit"]`)
	story("The alert was raised", "It was shelved until", "It was acknowledged", "keeps the alert open", "It was reset")
	// What is over can still be explained.
	tab.until(`[...document.querySelectorAll("#alert-actions button")].map((button) => button.dataset.action).join() === "comment" && document.querySelector("#alert-facts").innerText.includes("Cleared")`)
	tab.click(`#alert-actions [data-action="comment"]`)
	tab.do(chromedp.SendKeys(chromedp.CSS("#alert-action textarea"), "the valve was stuck"))
	tab.click(`#alert-action [type="submit"]`)
	story("The alert was raised", "It was shelved until", "It was acknowledged", "keeps the alert open", "It was reset", "the valve was stuck")
	for _, width := range []int64{1440, 900, 390} {
		tab.do(chromedp.EmulateViewport(width, 900))
		tab.until(fmt.Sprintf("innerWidth === %d", width))
		tab.frame()
		if over := eval[float64](tab, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
			t.Errorf("%d px: the page is %v px too wide", width, over)
		}
		for _, found := range eval[[]string](tab, collisions) {
			t.Errorf("%d px: %s", width, found)
		}
		tab.findsNothing(fmt.Sprintf("alert, %d px", width))
	}
	tab.do(chromedp.Navigate(plant.url("/alerts/none")))
	tab.until(`document.querySelector("#alert-problem")?.innerText.includes("There is no alert none")`)
	tab.findsNothing("no such alert")
}
