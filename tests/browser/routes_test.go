package browser

import (
	"fmt"
	"testing"
)

// People see on the page that what was decided leaves critical alerts to nobody, and that it is taken back.
func TestCriticalAlertsThatNoRouteTakesAreShown(t *testing.T) {
	_, flags := withReceiver(t)
	plant := startPlant(t, flags...)
	tab := plant.open(options{addr: plant.addr, path: "/notifications"})
	tab.until(`document.querySelectorAll(".routes > li").length === 2 && document.querySelector("#routes-warnings").innerText === ""`)
	decide := func(method, body string) {
		tab.run(fmt.Sprintf(`fetch("/api/v1/notifications/routes", { method: %q, headers: { "Content-Type": "application/json" }, body: %q || undefined }).then(() => location.reload());`, method, body))
	}
	decide("PUT", `{"routes":[{"name":"calm","severities":["warning"],"channels":["shift"],"group_by":[],"wait_seconds":0,"interval_seconds":60,"repeat_seconds":0}]}`)
	tab.until(`document.querySelector("#routes-warnings")?.innerText === "There may be critical alerts that no route takes: nobody would be notified of them."`)
	tab.until(`document.querySelector("#routes-decided").innerText === "decided here, version 1" && document.querySelector(".routes h3").innerText === "calm"`)
	tab.fitsAll(t, "notifications with a warning")
	decide("DELETE", "")
	tab.until(`document.querySelector("#routes-warnings")?.innerText === "" && document.querySelector("#routes-decided")?.innerText === "" && document.querySelectorAll(".routes > li").length === 2`)
}
