package command

import "testing"

func TestAddressesThatBrowsersCanOpen(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:8080": "127.0.0.1:8080", "[::]:8080": "localhost:8080", "0.0.0.0:80": "localhost:80", "10.0.0.1:1": "10.0.0.1:1",
		":8080": "localhost:8080",
	} {
		if got := reachable(addr); got != want {
			t.Errorf("%s: got %s, want %s", addr, got, want)
		}
	}
}
