package browser

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"iotmon/internal/notify"
)

// BenchmarkRoutesPages measures the longest task of the main thread, on a processor slowed four times, with 200 routes and 50 calendars: while the page of
// notifications is opened, and that of the routes; while that stays open and the server answers again; while a route is chosen, typed into and moved; and
// while a calendar of 40 shifts is opened and typed into.
func BenchmarkRoutesPages(b *testing.B) {
	path, err := binary()
	if err != nil {
		b.Fatal(err)
	}
	_, flags := withReceiver(b)
	plant := newPlant(b, path, flags...)
	decideMany(b, plant)
	tab := plant.open(options{addr: plant.addr, path: "/devices", expected: []string{"422"}})
	longest := tab.slowed(b)
	for b.Loop() {
		longest("notifications", func() {
			tab.click(`#navigation a[href$="/notifications"]`)
			tab.until(`document.querySelectorAll(".routes > li").length === 200 && document.querySelectorAll(".calendars > li").length === 51`)
		})
		longest("open", func() {
			tab.click("#routes-edit")
			tab.until(`document.querySelectorAll(".plan-routes > li").length === 200`)
		})
		longest("answers", func() { time.Sleep(12 * time.Second) })
		longest("choose", func() {
			tab.clickFound(`document.querySelectorAll(".route-choose")[150]`)
			tab.until(`document.querySelector("#route-name")?.value === "route-150"`)
		})
		longest("type", func() { tab.do(chromedp.SendKeys(chromedp.CSS("#route-name"), "12345")) })
		longest("move", func() {
			tab.clickFound(`document.querySelectorAll('.plan-routes [data-act="up"]')[100]`)
			tab.until(`document.querySelector("#plan-outcome").innerText.startsWith("route-100 is number 100 now.")`)
		})
		tab.pressNamed("Discard the changes")
		longest("scroll", func() { tab.scroll("#plan-list") })
		tab.click("#plan-back")
		tab.until(`document.querySelectorAll(".calendars > li").length === 51`)
		longest("calendar", func() {
			tab.clickFound(`document.querySelectorAll(".calendar-edit")[20]`)
			tab.until(`document.querySelectorAll("#plan-form .span-row").length === 40 && document.querySelectorAll("#plan-preview .turns li").length > 20`)
		})
		longest("type-calendar", func() { tab.do(chromedp.SendKeys(chromedp.CSS("#calendar-time_zone"), "x")) })
		tab.pressNamed("Discard the changes")
		tab.click(`#navigation a[href$="/devices"]`)
	}
}

// decideMany decides as many routes and calendars as there may be.
func decideMany(b *testing.B, plant *plant) {
	b.Helper()
	put := func(path string, body any) {
		b.Helper()
		text, err := json.Marshal(body)
		if err != nil {
			b.Fatal(err)
		}
		request, err := http.NewRequestWithContext(b.Context(), http.MethodPut, plant.url("/api/v1/notifications/"+path), bytes.NewReader(text))
		if err != nil {
			b.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			b.Fatal(err)
		}
		if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusOK {
			b.Fatalf("%s: got %s, %v", path, answer.Status, err)
		}
	}
	for i := range notify.MaxCalendars {
		c := notify.CalendarSpec{Name: fmt.Sprintf("calendar-%02d", i), Otherwise: []string{"shift"}, Rotation: &notify.RotationSpec{Start: "2026-01-05T06:00", Days: 7, Channels: []string{"shift", "picky"}}}
		for j := range 40 {
			span := notify.SpanSpec{Days: []string{"mon", "wed"}, From: fmt.Sprintf("%02d:00", j%24), To: fmt.Sprintf("%02d:30", j%24)}
			c.Shifts = append(c.Shifts, notify.ShiftSpec{SpanSpec: span, Channels: []string{"picky"}})
		}
		put("calendars/"+c.Name, map[string]any{"calendar": c})
	}
	routes := make([]notify.RouteSpec, notify.MaxRoutes)
	for i := range routes {
		routes[i] = notify.RouteSpec{
			Name: fmt.Sprintf("route-%d", i), Severities: []string{"critical", "warning"}, Areas: []string{fmt.Sprintf("hall %d", i), "hall x/line 7"}, Types: []string{"temperature_sensor"},
			Labels: map[string]string{"line": fmt.Sprint(i)}, Times: []notify.SpanSpec{{Days: []string{"mon", "tue"}, From: "06:00", To: "18:00"}}, Channels: []string{"shift"},
			OnCall: []string{fmt.Sprintf("calendar-%02d", i%notify.MaxCalendars)}, GroupBy: []string{"rule", "area"}, WaitSeconds: 5, IntervalSeconds: 60, RepeatSeconds: 3600,
			Escalate: []notify.StepSpec{{AfterSeconds: 900, Channels: []string{"picky"}}}, Quiet: []notify.SpanSpec{{From: "22:00", To: "06:00"}},
		}
	}
	put("routes", map[string]any{"routes": routes})
}
