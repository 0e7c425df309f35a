package browser

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/twmb/franz-go/pkg/kgo"
)

// appends returns a function that appends a record to the readings past the door, as another program may that writes to Kafka. It comes
// at the given time: the embedded broker takes the time of its clients.
func (p *plant) appends() func(at time.Time, key string, value []byte) {
	p.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(p.broker))
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(client.Close)
	return func(at time.Time, key string, value []byte) {
		p.t.Helper()
		record := &kgo.Record{Topic: "device-data", Timestamp: at, Key: []byte(key), Value: value}
		if err := client.ProduceSync(p.t.Context(), record).FirstErr(); err != nil {
			p.t.Fatal(err)
		}
	}
}

// letterRows is the expression of what the list of dead letters shows: the key and the reason of each.
const letterRows = `[...document.querySelectorAll("#letters tbody tr:not(.spacer)")].map((row) => [row.querySelector(".col-key").textContent, row.querySelector(".col-reason").textContent])`

// Who operates the plant sees what runs and how far behind it is, finds what was rejected, and sends it again when the cause is gone.
func TestSystemPage(t *testing.T) {
	plant := startPlant(t, "-no-simulator")
	appendRecord := plant.appends()
	plant.post(reading{ID: "kiln", Value: 20})
	now := time.Now()
	// Further ahead than the ten seconds that are admitted, for half a second.
	early, err := json.Marshal(reading{ID: "early", Type: "temperature_sensor", Time: now.Add(10500 * time.Millisecond), Value: 21})
	if err != nil {
		t.Fatal(err)
	}
	appendRecord(now, "hot", []byte(`{"device_id":"hot","device_type":"temperature_sensor","timestamp":"2026-03-01T12:00:00Z","value":"hot"}`))
	appendRecord(now, "binary", []byte("\x00\xffABC"))
	appendRecord(now, "early", early)
	tab := plant.open(options{})
	tab.until(`document.querySelector("#connection").dataset.phase === "open"`)
	tab.click(`#navigation a[href$="/system"]`)
	tab.until(`location.pathname === "/system" && document.activeElement.id === "main" && document.title.endsWith("System – iotmon")`)
	tab.until(letterRows + `.length === 3`)
	tab.until(`document.querySelectorAll("#partition-list tbody tr").length === 2 && document.querySelector("#program-list").innerText.includes("devel")`)
	tab.until(`Number(document.querySelector('[data-figure="clients"]').textContent) === 1 && document.querySelector('[data-figure="lag"]').textContent !== ""`)
	for _, role := range []string{"processor", "archiver"} {
		tab.until(fmt.Sprintf(`document.querySelector("#program-list").innerText.includes(%q)`, role))
	}

	t.Run("one is read", func(t *testing.T) {
		tab.tabTo("#letters tbody a", 40)
		tab.press(kb.ArrowDown)
		tab.until(`document.activeElement.closest("tr")?.querySelector(".col-key").textContent === "binary"`)
		tab.press(kb.Enter)
		tab.until(`location.search.startsWith("?letter=0-") && document.activeElement.id === "letter-title"`)
		tab.until(`document.querySelector(".letter-value").textContent.includes("00 ff 41 42 43") && document.querySelector(".letter-value").textContent.includes("··ABC")`)
		tab.press(kb.Escape)
		tab.until(`document.querySelector("#letter").hidden && location.search === "" && document.activeElement.closest("tr")?.querySelector(".col-key").textContent === "binary"`)
		tab.press(kb.ArrowDown)
		tab.press(kb.Enter)
		tab.until(`document.querySelector(".letter-value")?.textContent.includes('"value":"hot"')`)
		tab.do(chromedp.Reload())
		tab.until(`document.querySelector(".letter-value")?.textContent.includes('"value":"hot"') && document.querySelector("#letter").innerText.includes("device-data/")`)
	})

	t.Run("all are sent again", func(t *testing.T) {
		tab.until(fmt.Sprintf(`Date.now() > %d`, now.Add(time.Second).UnixMilli()))
		tab.until(letterRows + `.length === 3`)
		tab.click("#letters-all")
		tab.until(`document.querySelector("#letters-resend").textContent === "Send again (3)"`)
		tab.click("#letters-resend")
		tab.until(`document.querySelector("#letters-result").textContent === "Sent again: 1. Rejected again: 2. Gone: 0."`)
		for key, want := range map[string]string{"early": "Sent again", "hot": "Still rejected: value: must be a number", "binary": "Still rejected: "} {
			tab.until(fmt.Sprintf(`%s.some(([key, words]) => key === %q && words.startsWith(%q))`, letterRows, key, want))
		}
		tab.until(`document.querySelector("#letters-resend").textContent === "Send again (2)"`)
		// It is a device now.
		tab.until(`fetch("/api/v1/devices?q=early").then((response) => response.json()).then(({ items }) => items.length === 1)`)
	})

	t.Run("new ones wait while some are chosen", func(t *testing.T) {
		appendRecord(time.Now(), "later", []byte("no reading"))
		tab.until(`fetch("/api/v1/dead-letters").then((response) => response.json()).then(({ items }) => items.some(({ key }) => key === "later"))`)
		tab.until(`!document.querySelector("#letters-new").hidden`)
		if got := eval[int](tab, letterRows+`.length`); got != 3 {
			t.Errorf("got %d rows while some are chosen, want 3 as before", got)
		}
		tab.click("#letters-new")
		tab.until(letterRows + `.some(([key]) => key === "later") && document.querySelector("#letters-new").hidden`)
		if got := eval[int](tab, letterRows+`.length`); got != 4 {
			t.Errorf("got %d rows, want the 3 of before and the new one", got)
		}
	})

	t.Run("fits every screen", func(t *testing.T) {
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
			if width != 900 {
				tab.findsNothing(fmt.Sprintf("system, %d px", width))
			}
		}
	})

	t.Run("without the server", func(t *testing.T) {
		tab.mu.Lock()
		tab.offline = true
		tab.expected = append(tab.expected, "ERR_CONNECTION_RESET")
		tab.mu.Unlock()
		plant.kill()
		tab.until(`document.documentElement.hasAttribute("data-stale")`)
		tab.click("#letters-resend")
		tab.until(`document.querySelector("#letters-result").textContent.startsWith("Not sent: ")`)
		if text := eval[string](tab, letterRows+`.join("|")`); !strings.Contains(text, "hot") {
			t.Errorf("got %s, want what was known before", text)
		}
	})
}
