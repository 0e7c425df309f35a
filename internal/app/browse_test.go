package app

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"iotmon/internal/config"
	"iotmon/tests/testenv"
)

// accepted loads what was written as a configuration, and returns its source, whose map can be in force.
func accepted(t *testing.T, written string) *config.Source {
	t.Helper()
	file := filepath.Join(t.TempDir(), "iotmon.yaml")
	if err := os.WriteFile(file, []byte(written), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.LoadOptions{Service: config.Iotmon, Builtin: Builtin(), Args: []string{"-config", file}, Dir: t.TempDir()})
	if err != nil {
		t.Fatalf("%s\n%v", written, err)
	}
	catalog, err := newCatalog(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newMapping("map", cfg.Sources[0].Map, catalog); err != nil {
		t.Errorf("%s\n%v", written, err)
	}
	if _, err := newAdapter(&cfg.Sources[0], catalog, t.TempDir(), nil); err != nil && cfg.Sources[0].Kafka == nil {
		t.Errorf("%s\n%v", written, err)
	}
	return &cfg.Sources[0]
}

// What comes at a broker is a configuration that is accepted as it is, and maps what has come.
func TestTheTopicsOfABrokerAreBrowsed(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Mosquitto")
	}
	broker := testenv.NewMosquitto(t, t.TempDir(), false, "")
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := config.Default(config.Iotmon, Builtin())
	var out strings.Builder
	ended := make(chan error)
	go func() {
		ended <- BrowseSource(t.Context(), &cfg, BrowseOptions{
			Source: "mqtt://" + broker.Address(), User: "user", PasswordFile: password, For: 3 * time.Second, Count: 100, Out: &out, Logger: slog.New(slog.DiscardHandler),
		})
	}()
	for range 10 { // It is not known when the subscription is there.
		broker.Publish(t, "plant/oven \u2028{x}/state", `{"oven_temp":81.5,"name":"oven: 'A' #1","speed":3}`)
		broker.Publish(t, "plant/press", "\x01\xff broken")
		time.Sleep(200 * time.Millisecond)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	s := accepted(t, out.String())
	if len(s.Map) != 1 || s.Map[0].Field != "oven_temp" || s.Map[0].Type != "temperature_sensor" || s.MQTT.Username != "user" || s.Name != "127.0.0.1" {
		t.Errorf("got %+v of\n%s", s, out.String())
	}
	if text := out.String(); !strings.Contains(text, "# - ") || !strings.Contains(text, "# 3; which type is it?") || strings.Contains(text, "\x01") {
		t.Errorf("got\n%s", text)
	}
	runWritten(t, &cfg, out.String(), func() {
		broker.Publish(t, "plant/oven \u2028{x}/state", `{"oven_temp":81.5,"name":"oven: 'A' #1","speed":3}`)
	},
		"plant/oven-x-/state/oven_temp temperature_sensor ", "plant/oven-x-/state/speed measure ")
}

func TestAnAddressThatCannotBeBrowsedSaysWhy(t *testing.T) {
	cfg := config.Default(config.Iotmon, Builtin())
	for at, want := range map[string]string{
		"mqtt://user:pw@broker":            "without a login",
		"http://broker":                    "http: not known: mqtt, mqtts",
		"mqtt://127.0.0.1:1":               "not connected: ",
		"modbus://127.0.0.1:1":             "refused",
		"kafka://127.0.0.1:1":              "not connected: ",
		"kafkas://127.0.0.1:1,127.0.0.1:2": "not connected: ",
		"sparkplug://127.0.0.1:1":          "not connected: ",
	} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			err := BrowseSource(t.Context(), &cfg, BrowseOptions{
				Source: at, For: 1500 * time.Millisecond, Count: 10, Registers: []string{"40001-40002"}, Out: &out, Logger: slog.New(slog.DiscardHandler),
			})
			if err == nil || !strings.Contains(err.Error(), want) || out.Len() > 0 {
				t.Errorf("got %v, %s, want %s", err, out.String(), want)
			}
		})
	}
}

func TestRangesOfRegisters(t *testing.T) {
	for text, want := range map[string]string{
		"40001-40100": "holding 0 99", "input/3-9": "input 3 9", "10001": "discrete 0 0", "400001-465536": "holding 0 65535",
		"40100-40001": "", "40001-30001": "", "x": "", "": "", "40001-": "", "coil/0-70000": "",
	} {
		from, to, kind, err := registerRange(text)
		got := ""
		if err == nil {
			got = fmt.Sprintf("%s %d %d", kind, from, to)
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

func TestWhatCannotBeBrowsedSaysWhy(t *testing.T) {
	cfg := config.Default(config.Iotmon, Builtin())
	cfg.DataDir = t.TempDir()
	cfg.Sources = []config.Source{{Name: "m", MQTT: new(config.MQTT)}}
	for name, o := range map[string]BrowseOptions{
		`no source "x" in the configuration (sources: m)`: {Source: "x"},
		"-user: the source m has its own":                 {Source: "m", Given: []string{"config", "user"}},
		"-unit: means nothing for mqtt: it is for modbus": {Source: "m", Given: []string{"unit"}},
		"-mechanism: unknown login mechanism":             {Source: "kafkas://127.0.0.1:1", User: "u", PasswordFile: "p", Mechanism: "none"},
		"-user: needs -password-file":                     {Source: "kafkas://127.0.0.1:1", User: "u"},
		"for kafkas://, which encrypts":                   {Source: "kafka://127.0.0.1:1", CAFile: "ca"},
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
