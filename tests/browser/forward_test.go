package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// Who operates a gateway sees on its page whether its centre answers, since when not and why, and what waits.
func TestForwardingIsShown(t *testing.T) {
	centre := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "closed", http.StatusServiceUnavailable) }))
	defer centre.Close()
	config := filepath.Join(t.TempDir(), "iotmon.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, "forward: {to: [%q]}\n", centre.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	plant := startPlant(t, "-no-simulator", "-config", config)
	plant.post(reading{ID: "kiln", Value: 20})
	for language, want := range map[string][]string{
		"en": {"Forwarding to the centre", "the centre has not answered for", "Last problem", "Records to forward"},
		"zh": {"向中心转发", "没有应答", "最近的问题", "待转发记录"},
	} {
		tab := plant.open(options{addr: plant.addr, path: "/system", language: language})
		for _, words := range append(want, centre.URL) {
			tab.until(fmt.Sprintf(`document.querySelector("#forward")?.innerText.includes(%q)`, words))
		}
		tab.until(`document.querySelectorAll("#forward dd.problem").length >= 2`)
		tab.screens(t, "forwarding, "+language)
	}
}

// Who opens the page of one of several producers' brokers learns that what is decided there holds for all of them.
func TestTheMapOfSeveralBrokersSaysSo(t *testing.T) {
	_, flags := withMQTT(t)
	plant := startPlant(t, flags...)
	for language, want := range map[string]string{"en": "holds in all of them", "zh": "对所有代理生效"} {
		tab := plant.open(options{addr: plant.addr, path: "/sources", language: language})
		tab.until(sourceRows + `.length === 1`)
		if hidden := eval[bool](tab, `document.querySelector("#map-shared") === null`); !hidden {
			t.Error("the list has the map of a source")
		}
		// As the program web answers for a producer's broker.
		eval[bool](tab, `(() => {
			const ask = window.fetch;
			window.fetch = async (...request) => {
				const answer = await ask(...request);
				if (!/sources\/hall-3(\?|$)/.test(answer.url)) return answer;
				return new Response(JSON.stringify({ ...(await answer.json()), kind: "mqtt_broker", map: "mqtt-broker" }), { status: answer.status, headers: answer.headers });
			};
			return true;
		})()`)
		tab.click("#sources tbody a")
		tab.until(fmt.Sprintf(`document.querySelector("#map-shared")?.innerText.includes(%q) && document.querySelector("#map-shared").innerText.includes("mqtt-broker")`, want))
		tab.screens(t, "a broker's map, "+language)
	}
	tab := plant.open(options{addr: plant.addr, path: "/sources/hall-3"})
	tab.until(`document.querySelector("#map-state")?.textContent !== "" && document.querySelector("#map-shared").hidden`)
}

// screens looks at the page at several widths.
func (tab *tab) screens(t *testing.T, what string) {
	t.Helper()
	for _, width := range []int64{1440, 900, 390} {
		tab.do(chromedp.EmulateViewport(width, 900))
		tab.fits(t, fmt.Sprintf("%s, %d px", what, width), width)
	}
}
