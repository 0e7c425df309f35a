package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// withReceiver returns the flags of a program that notifies a receiver by two channels, and whether that takes the messages of the second one.
func withReceiver(t testing.TB) (takes *atomic.Bool, flags []string) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a browser and the whole system")
	}
	takes = new(atomic.Bool)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/picky" && !takes.Load() {
			http.Error(w, "no such queue", http.StatusBadRequest)
			return
		}
		fmt.Fprint(w, "received")
	}))
	t.Cleanup(server.Close)
	config := filepath.Join(t.TempDir(), "iotmon.yaml")
	settings := fmt.Sprintf(`devices: {offline_after: 10m}
notifications:
  language: en
  time_zone: UTC
  channels:
    - {name: shift, webhook: {url: "%[1]s/shift"}}
    - {name: picky, webhook: {url: "%[1]s/picky"}}
  calendars:
    - name: electricians
      shifts:
        - {days: [mon, tue, wed, thu, fri, sat, sun], from: "06:00", to: "18:00", channels: [shift]}
      otherwise: [picky]
  routes:
    - {name: urgent, severities: [critical], labels: {line: "7"}, areas: ["hall 1"], on_call: [electricians], escalate: [{after: 15m, channels: [shift]}], quiet: [{from: "22:00", to: "06:00"}]}
    - {name: rest, channels: [shift, picky], wait: 0s, interval: 1s, repeat: 0s}
`, server.URL)
	if err := os.WriteFile(config, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	return takes, []string{"-no-simulator", "-config", config}
}

// pressNamed presses the button with these words, as soon as it is shown.
func (tab *tab) pressNamed(words string) {
	tab.t.Helper()
	tab.clickFound(fmt.Sprintf(`[...document.querySelectorAll("button")].find((button) => (button.ariaLabel || button.innerText) === %q && button.checkVisibility() && !button.disabled)`, words))
}

// enter is the statement that types into a field.
func enter(selector, text string) string {
	return fmt.Sprintf(`{ const field = document.querySelector(%q); field.value = %q; for (const name of ["input", "change"]) field.dispatchEvent(new Event(name, { bubbles: true })); }`, selector, text)
}

func (tab *tab) run(statement string) {
	tab.t.Helper()
	eval[chromedp.Void](tab, statement)
}

// Who is notified learns on the page whether that works, and what became of each message; who works on a machine keeps its alerts back, and others see that.
func TestNotificationsAndMaintenance(t *testing.T) {
	takes, flags := withReceiver(t)
	plant := startPlant(t, flags...)
	tab := plant.open(options{addr: plant.addr, path: "/notifications", expected: []string{"412", "422"}})
	tab.until(`document.querySelectorAll(".channels tbody").length === 2 && document.querySelectorAll(".routes > li").length === 2`)

	t.Run("channels are tried", func(t *testing.T) {
		tab.tabTo(`.channel-test button`, 60)
		tab.press(kb.Enter)
		tab.until(`document.querySelector(".channel-taken")?.innerText === "shift has taken it: received"`)
		tab.pressNamed("Test picky")
		tab.until(`document.querySelector(".channel-refused")?.innerText.includes("no such queue")`)
		tab.until(`document.querySelector('#delivery-states [data-state="refused"]').dataset.count === "1" && document.querySelector(".channel-failed").innerText === "1 refused"`)
	})

	t.Run("routes and calendars are said in words", func(t *testing.T) {
		tab.until(`/urgent\n+Critical · areas hall 1 · with line=7\n+Notifies who is on call by electricians/.test(document.querySelector("#routes").innerText)`)
		tab.until(`document.querySelector("#routes").innerText.includes("after 15 min without anybody: also shift")`)
		tab.run(`document.querySelector("#calendars summary").click()`)
		tab.until(`/electricians by the clocks of UTC · from the file Change…\n+(shift|picky), until /.test(document.querySelector("#calendars").innerText) && document.querySelectorAll(".turns li").length >= 27`)
		tab.until(`document.querySelector("#notify-origin").innerText.includes("iotmon.yaml")`)
	})

	const waits = `[...document.querySelectorAll(".deliveries > li")].find((item) => item.dataset.state === "pending" && item.innerText.includes("refused, and as it is critical tried again until 20") && item.innerText.includes("Tried again "))`
	t.Run("a critical message that is refused waits, and is tried at once for who asks", func(t *testing.T) {
		plant.post(reading{ID: "press", Value: 36})
		tab.clickFound(`document.querySelector('#delivery-states [data-state="pending"]')`)
		tab.until(waits + `?.innerText.includes("no such queue")`)
		tab.fitsAll(t, "a critical message that is refused")
		tab.clickFound(waits + `?.querySelector(".delivery-again")`)
		tab.until(`/^Not taken by picky, tried again .+: refused, and as it is critical tried again until 20/.test(document.querySelector("#delivery-outcome").innerText)`)
		tab.clickFound(`document.querySelector('#delivery-states [data-state=""]')`)
	})

	t.Run("what was refused is sent again", func(t *testing.T) {
		tab.until(`[...document.querySelectorAll(".deliveries > li")].some((item) => item.innerText.includes("New alert · temperature_high") && item.innerText.includes("no such queue"))`)
		tab.fitsAll(t, "notifications")
		tab.clickFound(`document.querySelector('#delivery-states [data-state="refused"]')`)
		tab.until(`new URLSearchParams(location.search).get("state") === "refused" && [...document.querySelectorAll(".deliveries > li")].every((item) => item.dataset.state === "refused")`)
		takes.Store(true)
		tab.until(`document.querySelector(".delivery-again") !== null`)
		tab.clickFound(`document.querySelector(".delivery-again")`)
		tab.until(`document.querySelector("#delivery-outcome").innerText === "Sent to picky: received"`)
		tab.clickFound(`document.querySelector('#delivery-states [data-state=""]')`)
		tab.until(waits + ` === undefined && document.querySelectorAll(".deliveries > li").length > 4`) // With it, the receiver has the critical one.
	})

	const plans = `[...document.querySelectorAll(".plans > li")]`
	t.Run("maintenance begins with one press", func(t *testing.T) {
		tab.click(`#navigation a[href$="/maintenance"]`)
		tab.until(`document.querySelector("#plans-state")?.innerText === "No maintenance is going on, planned or over."`)
		tab.pressNamed("Begin maintenance")
		tab.until(`document.querySelector("#quick [role=alert]")?.innerText === "Say which area, device or type."`)
		tab.run(enter(`#quick [name="kind"]`, "device"))
		tab.run(enter(`#quick [name="which"]`, "press"))
		tab.pressNamed("Begin maintenance")
		tab.until(`document.querySelector("#quick [role=alert]")?.innerText === "Say why it is maintained." && document.activeElement.matches('#quick [name="reason"][aria-invalid="true"]')`)
		tab.fitsAll(t, "maintenance without a reason")
		tab.run(enter(`#quick [name="reason"]`, "belt <b>"))
		tab.until(`!document.querySelector("#quick [role=alert]")`)
		tab.pressNamed("Begin maintenance")
		tab.until(`document.querySelector(".quick-said").innerText.startsWith("Maintenance has begun: nobody is notified of alerts of press until ")`)
		tab.until(plans + `[0]?.innerText.includes("1 device is selected · ") && ` + plans + `[0].innerText.includes("kept back") && ` + plans + `[0].innerText.includes("belt <b>")`)
	})

	name := eval[string](tab, `document.querySelector(".plan-name").innerText`)
	path := fmt.Sprintf("/api/v1/maintenance/${encodeURIComponent(%q)}", name)
	t.Run("what somebody else decides meanwhile is not lost", func(t *testing.T) {
		tab.pressNamed("Edit… " + name)
		tab.until(`document.querySelector("#plan").open && document.querySelector(".plan-versions") !== null`)
		tab.run(enter(`#plan [name="reason"]`, "mine"))
		tab.until("fetch(`" + path + "`).then(async (answer) => { const { version, periods } = await answer.json(); return (await fetch(`" + path + "`, { method: \"PUT\", " +
			"headers: { \"If-Match\": `\"${version}\"`, \"Content-Type\": \"application/json\" }, body: JSON.stringify({ area: \"hall 9\", reason: \"theirs\", periods }) })).status === 200; })")
		tab.pressNamed("Decide")
		tab.until(`document.querySelector("#plan [role=alert]")?.innerText.startsWith("Somebody else has decided meanwhile (version 2): area hall 9, Until ")`)
		tab.fitsAll(t, "editor of maintenance")
		tab.pressNamed("Decide mine all the same")
		tab.until(`!document.querySelector("#plan").open && document.querySelector("#plans-outcome").innerText.endsWith("is decided and in force.")`)
		tab.until(plans + `[0].innerText.includes("mine") && ` + plans + `[0].innerText.includes("1 device is selected")`)
	})

	t.Run("an alert and a device lead to it", func(t *testing.T) {
		tab.run(`fetch("/api/v1/alerts?limit=1").then((answer) => answer.json()).then(({ items }) => { const link = document.createElement("a"); link.href = "/alerts/" + items[0].id; document.body.append(link); link.click(); link.remove(); })`)
		tab.until(fmt.Sprintf(`document.querySelector("#alert-maintenance-link")?.innerText === %q`, "Under maintenance: "+name))
		// Its story says by which maintenance, why, and who has decided so, each time.
		tab.until(fmt.Sprintf(`((rows) => rows[1]?.includes(%[1]q) && rows[1].includes("not logged in") && rows.at(-1).includes(%[2]q) && rows.at(-1).includes("Planned maintenance, until"))([...document.querySelectorAll(".story tbody tr")].map((row) => row.innerText))`,
			name+": belt <b>", name+": mine"))
		tab.until(fmt.Sprintf(`document.querySelector("#alert-facts").innerText.includes(%q)`, name+": mine, decided by: not logged in"))
		tab.fitsAll(t, "story of a maintained alert")
		tab.click("#alert-device-link")
		tab.until(fmt.Sprintf(`document.querySelector(".maintained-running")?.innerText.endsWith(%q)`, name))
		tab.click("#device-maintain")
		tab.until(`document.querySelector("#maintain").open`)
		tab.fitsAll(t, "maintenance of a device")
		tab.do(chromedp.KeyEvent("\x1b"))
		tab.click(".maintained-running")
		tab.until(plans + `[0]?.classList.contains("open")`)
	})

	t.Run("it is planned for each week, ends and is deleted", func(t *testing.T) {
		tab.click("#plan-new")
		tab.run(enter(`#plan [name="name"]`, "nights"))
		tab.clickFound(`document.querySelectorAll('#plan [name="weekly"]')[1]`)
		tab.until(`document.querySelector(".plan-days") !== null`)
		tab.run(enter(`#plan [name="zone"]`, "Asia/Beijing"))
		tab.pressNamed("Decide")
		tab.until(`document.querySelector("#plan [role=alert]")?.innerText === "Say why it is maintained." && document.activeElement.matches('#plan [name="reason"][aria-invalid="true"]')`)
		tab.fitsAll(t, "editor of maintenance without a reason")
		tab.run(enter(`#plan [name="reason"]`, "cleaning"))
		tab.pressNamed("Decide")
		tab.until(`document.querySelector("#plan [role=alert]")?.innerText.includes("time_zone: unknown")`)
		tab.run(enter(`#plan [name="zone"]`, "Asia/Shanghai"))
		tab.pressNamed("Decide")
		tab.until(plans + `.some((item) => item.innerText.includes("Sat 22:00–06:00 (Asia/Shanghai)"))`)
		tab.fitsAll(t, "maintenance")
		tab.pressNamed("End now: " + name)
		tab.until(fmt.Sprintf(`document.querySelector("#plans-outcome").innerText === %q`, name+" has ended: people are notified again."))
		tab.until(plans + `.some((item) => item.dataset.phase === "over")`)
		tab.pressNamed("Delete… " + name)
		tab.until(`document.querySelector("#plan-question").open`)
		tab.pressNamed("Delete")
		tab.until(fmt.Sprintf(`document.querySelector("#plans-outcome").innerText === %q && %s.length === 1`, name+" is deleted.", plans))
	})
}

// fitsAll checks the page at every width, and leaves it on a desktop.
func (tab *tab) fitsAll(t *testing.T, state string) {
	t.Helper()
	for _, width := range []int64{390, 900, 1440} {
		tab.do(chromedp.EmulateViewport(width, 900))
		tab.fits(t, fmt.Sprintf("%s, %d px", state, width), width)
	}
}
