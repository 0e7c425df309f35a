package control_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"iotmon/internal/control"
	"iotmon/internal/iot"
)

// What follows the rules knows them once everything has been read, and then within a second of each change, however many changes there are.
func TestRulesAreFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := control.NewInForce()
		set := func(partition int32, name string, version int64, change func(*iot.RuleEntry)) {
			e := iot.RuleEntry{Version: version, Rule: iot.Rule{Name: name, Selector: iot.Selector{Type: iot.Temperature}, Severity: iot.Info, Condition: iot.Condition{Threshold: float64(version)}}}
			if change != nil {
				change(&e)
			}
			f.SetRule(&iot.RuleInForce{RuleEntry: e, Position: iot.Position{Partition: partition, Offset: version}})
		}
		f.Begin(2)
		ctx, stop := context.WithCancel(t.Context())
		var got []string
		done := make(chan error)
		go func() {
			done <- f.FollowRules(ctx, slog.New(slog.DiscardHandler), func(rules []iot.Rule) {
				text := ""
				for _, rule := range rules {
					text += fmt.Sprint(rule.Name, " ", rule.Threshold, ";")
				}
				got = append(got, text)
			})
		}()
		set(0, "b", 1, nil)
		set(0, "a", 1, nil)
		synctest.Wait()
		if len(got) > 0 {
			t.Errorf("before everything was read: got %q", got)
		}
		f.CaughtUp()
		synctest.Wait()
		for version := int64(2); version < 500; version++ { // In one partition first.
			set(1, "b", version, nil)
		}
		f.SetDevice(iot.Identity{ID: "x"}, &iot.EntryInForce{DeviceEntry: iot.DeviceEntry{Version: 1}})
		set(1, "m", 1, func(e *iot.RuleEntry) {
			e.Rule = iot.Rule{Name: "m", Severity: iot.Info, Condition: iot.Condition{Kind: iot.Maintenance}, Schedule: new(iot.Schedule)}
		})
		set(0, "a", 2, func(e *iot.RuleEntry) { e.Deleted, e.Rule = true, iot.Rule{Name: "a"} })
		time.Sleep(time.Second)
		f.SetDevice(iot.Identity{ID: "x"}, &iot.EntryInForce{DeviceEntry: iot.DeviceEntry{Version: 2}})
		time.Sleep(time.Minute)
		synctest.Wait() // Sleep alone orders nothing for the race detector.
		if want := []string{"a 1;b 1;", "b 499;"}; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %q, want %q", got, want)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
