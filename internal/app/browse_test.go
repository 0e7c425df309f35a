package app

import (
	"strings"
	"testing"
	"time"

	"iotmon/internal/config"
)

func TestWhatCannotBeBrowsedSaysWhy(t *testing.T) {
	cfg := config.Default(config.Iotmon, Builtin())
	cfg.DataDir = t.TempDir()
	cfg.Sources = []config.Source{{Name: "m", MQTT: new(config.MQTT)}}
	for name, o := range map[string]BrowseOptions{
		`no source "x" in the configuration (sources: m)`: {Source: "x"},
		`source "m" is not one of OPC UA`:                 {Source: "m"},
		"refused":                                         {Source: "opc.tcp://127.0.0.1:1"},
		`"x" is no security`:                              {Source: "opc.tcp://127.0.0.1:1", Security: "x"},
		`root: "x" must end with s=`:                      {Source: "opc.tcp://127.0.0.1:1", Root: "x"},
	} {
		o.For, o.Count, o.Out = time.Second, 10, new(strings.Builder)
		if err := BrowseSource(t.Context(), &cfg, o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want %s", err, name)
		}
	}
}
