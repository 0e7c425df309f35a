package browser

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// BenchmarkRulesPage measures the longest task of the main thread, on a processor slowed four times, while the page of 1,000 rules is opened, stays open
// while the server answers again, is scrolled from end to end and searched, and while a rule is opened and typed into.
func BenchmarkRulesPage(b *testing.B) {
	tab := openBehind(b, manyRules)
	longest := tab.slowed(b)
	for b.Loop() {
		longest("open", func() {
			tab.click(`#navigation a[href$="/rules"]`)
			tab.until(ruleRows + `[0]?.includes("rule-")`)
		})
		longest("answers", func() { time.Sleep(6 * time.Second) })
		longest("scroll", func() { tab.scroll("#rule-list") })
		longest("search", func() {
			tab.do(chromedp.SendKeys(chromedp.CSS(`#rule-filters [name="search"]`), "rule-00"))
			tab.until(fmt.Sprintf(`document.querySelector("#rules-note").textContent.startsWith("100 of 1,000") && %s.every((row) => row.includes("rule-00"))`, ruleRows))
		})
		longest("edit", func() {
			tab.clickFound(`document.querySelector("#rule-list tbody tr:not(.spacer) a")`)
			tab.until(`document.querySelector("#rule-edit") !== null`)
			tab.click("#rule-edit")
			tab.until(`document.querySelector("#rule-condition-threshold") !== null`)
			tab.do(chromedp.SendKeys(chromedp.CSS("#rule-condition-threshold"), "12345"))
		})
		tab.click("#rule-cancel")
		tab.until(`document.querySelector("#rule-form").hidden`)
		tab.click(`#navigation a[href$="/devices"]`)
	}
}

// manyRules passes requests on to the program at an address, but answers itself which rules there are.
func manyRules(addr string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: addr}))
	rule := func(i int) string {
		return fmt.Sprintf(`{"name":"rule-%04d","version":%d,"origin":"decided","device_type":"temperature_sensor","area":"hall %d/line %[1]d","labels":{"line":"%[1]d"},"except":[{"area":"test"}],`+
			`"condition":{"kind":"threshold","threshold":%[1]d.5,"hysteresis":0.5},"for_seconds":90,"severity":"warning","text":"过热 {value}","text_en":"too hot: {value}"`, i, i+1, i%7)
	}
	mux.HandleFunc("GET /api/v1/rules", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		all := make([]string, 1000)
		for i := range all {
			all[i] = rule(i) + "}"
		}
		fmt.Fprintf(w, `{"items":[%s]}`, strings.Join(all, ","))
	})
	mux.HandleFunc("GET /api/v1/rules/{name}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		i := 0
		_, _ = fmt.Sscanf(r.PathValue("name"), "rule-%d", &i)
		fmt.Fprint(w, rule(i)+`,"in_force":true}`)
	})
	return mux
}
