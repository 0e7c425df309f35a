package opcua_test

import (
	"fmt"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/source/opcua"
)

// node-opcua lets 500 items be made at once, 300 nodes be read and 50 browsed. asyncua sets no limits.
func TestTenThousandItems(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a server of OPC UA")
	}
	t.Parallel()
	for _, p := range products {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			const items = 10_000
			s := p.start(t, "--items", fmt.Sprint(items))
			o := newOptions(t, s.endpoint())
			root, err := opcua.ParseNodeName("nsu=" + plant + ";s=Plant")
			if err != nil {
				t.Fatal(err)
			}
			o.Browse = &opcua.Browse{Root: root, Include: []string{"Many/**"}, Depth: 4, Max: items}
			r := run(t, o, "Item*")
			r.within(2*time.Minute, "a value of every item", func() bool {
				r.mu.Lock()
				defer r.mu.Unlock()
				if len(r.readings) < items {
					return false
				}
				devices := make(map[iot.DeviceID]bool)
				for i := range r.readings {
					devices[r.readings[i].ID] = true
				}
				return len(devices) == items
			})
			if text := r.status.Snapshot().Error; text != "" {
				t.Errorf("got the status %q", text)
			}
			s.do(t, "all 1")
			r.within(2*time.Minute, "a change of each but the first, which has that value already", func() bool {
				r.mu.Lock()
				defer r.mu.Unlock()
				return len(r.readings) >= 2*items-1
			})
		})
	}
}
