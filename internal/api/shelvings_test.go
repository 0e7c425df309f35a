package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"iotmon/internal/api"
	"iotmon/internal/iot"
)

const shelvingsPath = "/api/v1/shelvings"

type shelvingShown struct {
	DeviceID string `json:"device_id"`
	Rule     string `json:"alert_type"`
	Kind     string
	By       string
	Reason   string
	Until    string
	Since    string
	OneShot  bool `json:"one_shot"`
}

func (s shelvingShown) String() string {
	return strings.Join([]string{s.DeviceID, s.Rule, s.Kind}, " ")
}

type shelvingPage struct {
	Items []shelvingShown
	Next  string
}

// An alert that is over leaves nothing to see of what is decided about its rule. The answer says it, and so do the list and the device; and it can be ended.
func TestWhatIsShelvedWithoutAnAlertIsListed(t *testing.T) {
	h, p, history, _ := handlingAPI(t, 2)
	over := p.plant[0].OpenAlerts()[0]
	over.ID, over.Transition = "over", iot.Cleared
	over.Suppressed, over.SuppressedBy = iot.ByDesign, "belt"
	history.alerts = append(history.alerts, api.ArchivedAlert{Alert: over, Raised: over.Time})
	p.plant[0].Alerts = nil

	w := send(h, http.MethodPost, "/api/v1/alerts/over/out_of_service", `{"comment":"over?"}`, "Content-Type", asJSON)
	var answer struct {
		Done      bool
		Shelvings []shelvingShown
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK || !answer.Done || len(answer.Shelvings) != 1 ||
		answer.Shelvings[0].Kind != "out_of_service" || answer.Shelvings[0].Rule != over.Rule || answer.Shelvings[0].Reason != "over?" {
		t.Fatalf("got %d %s, want that the rule is out of service", w.Code, w.Body)
	}
	all := get[shelvingPage](t, h, shelvingsPath).Items
	if len(all) != 1 || all[0].String() != "d0000 "+over.Rule+" out_of_service" || all[0].By == "" || all[0].Since == "" {
		t.Errorf("got %+v, want the rule of the device", all)
	}
	if got := get[struct{ Shelvings []shelvingShown }](t, h, "/api/v1/devices/d0000").Shelvings; len(got) != 1 || got[0].Rule != over.Rule {
		t.Errorf("got %+v of the device, want its rule", got)
	}
	if got := get[map[string]any](t, h, "/api/v1/devices/d0001"); got["shelvings"] != nil {
		t.Errorf("got %v of another device, want nothing", got["shelvings"])
	}

	end := fmt.Sprintf(`{"device_id":"d0000","alert_type":%q,"kind":"out_of_service","comment":"repaired"}`, over.Rule)
	for range 2 { // The answer to the first was lost.
		w = send(h, http.MethodPost, shelvingsPath+"/end", end, "Content-Type", asJSON, "Idempotency-Key", "k-1")
		if w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != `{"done":true}` {
			t.Errorf("got %d %s, want that it is ended", w.Code, w.Body)
		}
	}
	if got := get[shelvingPage](t, h, shelvingsPath).Items; len(got) != 0 {
		t.Errorf("got %+v, want nothing", got)
	}
	w = send(h, http.MethodPost, shelvingsPath+"/end", end, "Content-Type", asJSON)
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"nothing_to_end"`) {
		t.Errorf("got %d %s, want that there is nothing to end", w.Code, w.Body)
	}
	checkProblem(t, send(h, http.MethodPost, shelvingsPath+"/end", strings.Replace(end, "repaired", "again", 1), "Content-Type", asJSON, "Idempotency-Key", "k-1"), http.StatusUnprocessableEntity, "Idempotency-Key")
	checkProblem(t, send(h, http.MethodPost, shelvingsPath+"/end", `{"device_id":"d0000","kind":"by_design"}`, "Content-Type", asJSON), http.StatusUnprocessableEntity, "body.kind")
}

// Page after page has everything once, in the order of the devices, whatever the size of the pages.
func TestShelvingsArePaged(t *testing.T) {
	h, p, _, _ := handlingAPI(t, 3)
	var want []string
	for _, d := range []iot.DeviceID{"d0000", "d0001", "d0002"} {
		shelved := &iot.ShelvedInForce{Revision: 7}
		for _, rule := range []string{"rising", "", "hot"} {
			for _, out := range []bool{true, false} {
				shelved.Shelvings = append(shelved.Shelvings, iot.Shelving{Rule: rule, OutOfService: out, Actor: "u-1", Reason: "belt", Since: noon, Until: noon.Add(1)})
			}
		}
		p.inForce.SetShelved(iot.Identity{ID: d}, shelved)
		for _, rule := range []string{"", "hot", "rising"} {
			want = append(want, fmt.Sprintf("%s %s out_of_service", d, rule), fmt.Sprintf("%s %s shelved", d, rule))
		}
	}
	p.inForce.SetShelved(iot.Identity{Tenant: "other", ID: "d0001"}, p.inForceOf("d0001"))
	for limit := range len(want) + 1 {
		var got []string
		target := fmt.Sprintf("%s?limit=%d", shelvingsPath, limit+1)
		for {
			page := get[shelvingPage](t, h, target)
			for _, one := range page.Items {
				got = append(got, one.String())
			}
			if page.Next == "" || len(got) > len(want) {
				break
			}
			target = fmt.Sprintf("%s?limit=%d&cursor=%s", shelvingsPath, limit+1, page.Next)
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: got %q, want %q", limit+1, got, want)
		}
	}
	for query, count := range map[string]int{
		"?device=d0001": 6, "?rule=hot": 6, "?rule=hot&device=d0002": 2, "?device=none": 0, "?area=nowhere": 0, "?rule=none": 0,
	} {
		if got := get[shelvingPage](t, h, shelvingsPath+query).Items; len(got) != count {
			t.Errorf("%s: got %v, want %d", query, got, count)
		}
	}
	p.reading = true // An empty list would say that nothing is shelved.
	checkProblem(t, request(h, http.MethodGet, shelvingsPath), http.StatusServiceUnavailable, "being read")
}

func (p *handlingPlant) inForceOf(id iot.DeviceID) *iot.ShelvedInForce {
	shelved := p.Shelved(iot.Identity{ID: id})
	return &shelved
}
