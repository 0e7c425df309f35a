package tests

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"
)

// From the first moment at which a new system is ready its rules are answered. One whose rules people have all deleted is ready, too, after a restart.
func TestANewSystemIsReadyWithItsRules(t *testing.T) {
	p := startPlant(t)
	rules := func() (names []string) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; {
			if status, _ := p.do(http.MethodGet, "/ready", "", ""); status == http.StatusOK {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("not ready after a minute")
			}
		}
		response, err := http.Get("http://" + p.addr + "/api/v1/rules")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		var list struct{ Items []struct{ Name string } }
		if err := json.NewDecoder(response.Body).Decode(&list); err != nil {
			t.Fatal(err)
		}
		for _, rule := range list.Items {
			names = append(names, rule.Name)
		}
		return names
	}
	names := rules()
	if len(names) == 0 {
		t.Fatal("got no rules of a system that is ready")
	}
	for _, name := range names {
		p.decide(http.MethodDelete, "/api/v1/rules/"+name, "", "")
	}
	p.stop()
	p.start()
	if names := rules(); len(names) > 0 {
		t.Errorf("got the rules %q, which are deleted", names)
	}
}
