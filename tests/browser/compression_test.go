package browser

import (
	"os"
	"path/filepath"
	"testing"
)

// The browser's own decompressor reads what the hub compresses, of snapshot and changes.
func TestBrowserReadsCompressedMessages(t *testing.T) {
	config := filepath.Join(t.TempDir(), "compressed.yaml")
	if err := os.WriteFile(config, []byte("websocket: {compression: true}\naggregation: {window_seconds: 2, allowed_lateness: 1s}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	plant := startPlant(t, "-devices", "100", "-interval", "500ms", "-config", config)
	tab := plant.open(options{})
	tab.until(`Number(document.querySelector(".readings").ariaRowCount) > 30`)
	got := eval[string](tab, `new Promise((done) => {
		const socket = new WebSocket(location.origin.replace("http", "ws") + "/ws")
		let changes = 0
		socket.onmessage = (event) => {
			const message = JSON.parse(event.data)
			if (message.type === "device_data" && !message.snapshot && ++changes === 5) {
				done(socket.extensions)
				socket.close()
			}
		}
		socket.onclose = (event) => done("closed: " + event.code + " " + event.reason)
	})`)
	if want := "permessage-deflate; server_no_context_takeover; client_no_context_takeover"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
