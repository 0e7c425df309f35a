package browser

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// BenchmarkSourcesPage measures the longest task of the main thread, on a processor slowed four times, while the page of 1,000 sources is opened, stays open
// while the server answers again and again, is scrolled from end to end and searched.
func BenchmarkSourcesPage(b *testing.B) {
	tab := openBehind(b, manySources)
	longest := tab.slowed(b)
	for b.Loop() {
		longest("open", func() {
			tab.click(`#navigation a[href$="/sources"]`)
			tab.until(sourceRows + `[0]?.includes("source-")`)
		})
		longest("answers", func() { time.Sleep(5 * time.Second) })
		longest("scroll", func() { tab.scroll("#sources") })
		longest("search", func() {
			tab.do(chromedp.SendKeys(chromedp.CSS(`#source-filters [name="search"]`), "source-00"))
			tab.until(fmt.Sprintf(`document.querySelector("#sources-listed") && %s.every((row) => row.includes("source-00"))`, sourceRows))
		})
		tab.click(`#navigation a[href$="/devices"]`)
	}
}

// manySources passes requests on to the program at an address, but answers itself what sources there are.
func manySources(addr string) http.Handler {
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: addr})
	mux := http.NewServeMux()
	mux.Handle("/", proxy)
	var asked atomic.Int64
	mux.HandleFunc("GET /api/v1/sources", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		now, times := time.Now().UTC().Format(time.RFC3339Nano), asked.Add(1)
		fmt.Fprintf(w, `{"timestamp":%q,"items":[`, now)
		for i := range 1000 {
			state, comma := `"connected"`, ","
			if i%50 == 0 {
				state = `"failed","error":"connection refused"`
			}
			if i == 0 {
				comma = ""
			}
			fmt.Fprintf(w, `%s{"name":"source-%04d","kind":"modbus","state":%s,"since":%q,"address":"tcp://10.0.0.1:%d","connections":1,"messages":%d,"readings":%d,"rejected":%d,`+
				`"rejected_by":{},"untimed":0,"skipped":0,"missed":0,"ignored":0,"unmapped":0,"last_message":%q,"last_value":%q,"counted_at":%q}`,
				comma, i, state, now, i, times*int64(i), times*int64(i), i%7, now, now, now)
		}
		fmt.Fprint(w, "]}")
	})
	return mux
}
