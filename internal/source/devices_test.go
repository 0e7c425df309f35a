package source_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/source"
)

// A rule makes the id of a device of a topic, and somebody publishes to one topic after another. Each would be a device for months. Those that were
// there go on, and devices that no longer send make room.
func TestTopicsDoNotMakeDevicesWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &records{}
		o := options(t, log)
		rules, err := mapping.New([]mapping.Rule{{Topic: "plant/+/+", Field: "temp", Device: "{{topic 3}}", Type: iot.Temperature}}, o.Admission.Catalog)
		if err != nil {
			t.Fatal(err)
		}
		o.Mapping, o.MaxDevices = rules, 100
		p := running(t, o)
		send := func(device string) {
			t.Helper()
			if err := p.Send(t.Context(), &source.Message{Topic: "plant/a/" + device, Payload: []byte("temp")}); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 5_000 {
			send(fmt.Sprint("hostile-", i, strings.Repeat("x", 50)))
		}
		send("hostile-7" + strings.Repeat("x", 50))
		synctest.Wait()
		if len(log.readings) != 101 || len(log.rejected) != 4_900 || log.rejected[0].Field != "device_id" || !strings.Contains(log.rejected[0].Reason, "raise max_devices") {
			t.Fatalf("got %d readings and %d rejected, the first %+v", len(log.readings), len(log.rejected), log.rejected[0])
		}
		time.Sleep(8 * 24 * time.Hour)
		send("hostile-7" + strings.Repeat("x", 50)) // It goes on.
		send("new")
		synctest.Wait()
		if len(log.readings) != 102 {
			t.Errorf("after a week: got %d readings, want one more", len(log.readings))
		}
		time.Sleep(8 * 24 * time.Hour)
		send("new")
		send("hostile-7" + strings.Repeat("x", 50))
		synctest.Wait()
		if len(log.readings) != 104 {
			t.Errorf("after two: got %d readings, want two more", len(log.readings))
		}
	})
}

// The map of people cannot be applied: what it may have had a rule for is kept, every message of it.
func TestARefusedMapKeepsEveryMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &records{}
		o := options(t, log)
		rules, err := mapping.New([]mapping.Rule{{Field: "temp", Device: "{site}", Type: iot.Temperature}}, o.Admission.Catalog)
		if err != nil {
			t.Fatal(err)
		}
		o.Follow = new(source.Mapping)
		o.Follow.Set(&source.Mapped{Rules: rules, Admission: o.Admission, Refused: errors.New("the map that was decided cannot be applied")})
		p := running(t, o)
		for range 50 {
			for _, payload := range []string{"temp", "flow"} {
				if err := p.Send(t.Context(), &source.Message{Topic: "a", Payload: []byte(payload), Tags: tags}); err != nil {
					t.Fatal(err)
				}
			}
		}
		synctest.Wait()
		if len(log.readings) != 50 || len(log.rejected) != 50 || string(log.rejected[49].Payload) != "flow" || log.rejected[0].Reason != "the map that was decided cannot be applied" {
			t.Errorf("got %d readings and %d rejected", len(log.readings), len(log.rejected))
		}
	})
}
