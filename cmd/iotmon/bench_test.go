package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// TestMain lets this test's program be the viewers that a benchmark starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "bench-viewers" {
		main()
	}
	os.Exit(m.Run())
}

func TestBenchMeasuresAndVerifies(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds; make test runs it")
	}
	var stdout, stderr bytes.Buffer
	args := []string{"bench", "-devices", "500", "-rate", "5000", "-duration", "2s", "-clients", "3", "-archive", "-json"}
	if status := run(t.Context(), args, &stdout, &stderr); status != 0 {
		t.Fatalf("got status %d and %s%s", status, &stdout, &stderr)
	}
	var report struct {
		Readings int64    `json:"readings"`
		Rate     float64  `json:"readings_per_second"`
		CPU      float64  `json:"cpu_us_per_reading"`
		RSS      int64    `json:"peak_rss_bytes"`
		Disk     float64  `json:"disk_bytes_per_reading"`
		Wrong    []string `json:"wrong"`
		View     struct {
			Count int64   `json:"count"`
			P99   float64 `json:"p99_ms"`
		} `json:"created_to_view"`
		Viewers struct {
			Clients  int   `json:"clients"`
			Messages int64 `json:"messages"`
			Gaps     int64 `json:"gaps"`
			Lost     int64 `json:"connections_lost"`
		} `json:"viewers"`
	}
	if err := json.Unmarshal(stdout.Bytes(), &report); err != nil {
		t.Fatalf("%s: %v", &stdout, err)
	}
	if report.Readings == 0 || report.Rate <= 0 || report.CPU <= 0 || report.RSS <= 0 || report.Disk <= 0 ||
		report.View.Count == 0 || report.View.P99 <= 0 || report.Wrong == nil || len(report.Wrong) > 0 {
		t.Errorf("got %s", &stdout)
	}
	// On a busy machine the hub may skip messages to a viewer, which then has a gap.
	if v := report.Viewers; v.Clients != 3 || v.Messages == 0 || v.Gaps > v.Messages/10 || v.Lost != 0 {
		t.Errorf("the viewers saw %+v", v)
	}
}

func TestBenchRefusesMistakes(t *testing.T) {
	for args, want := range map[string]string{
		"-devices 0":     "-devices: must be from 1 to 1000000 (got 0)",
		"-duration 1ms":  "-duration: must be from 1s to 1h0m0s (got 1ms)",
		"-clients -1":    "-clients: must be from 0 to 50000 (got -1)",
		"-speed 3":       "-speed",
		"fast":           `unexpected argument "fast": iotmon bench has only flags`,
		"-rate a":        "-rate",
		"-partitions 0":  "-partitions: must be from 1 to 1000 (got 0)",
		"-json -clients": "-clients",
	} {
		var stdout, stderr bytes.Buffer
		status := run(t.Context(), append([]string{"bench"}, strings.Fields(args)...), &stdout, &stderr)
		if status != 2 || !strings.Contains(stderr.String(), want) || strings.Count(stderr.String(), "\n") != 1 {
			t.Errorf("%s: got status %d and %q, want 2 and one line with %q", args, status, &stderr, want)
		}
	}
}

func TestBenchHelpIsTheSameBothWays(t *testing.T) {
	var one, other, stderr bytes.Buffer
	if run(t.Context(), []string{"help", "bench"}, &one, &stderr) != 0 || run(t.Context(), []string{"bench", "-h"}, &other, &stderr) != 0 {
		t.Errorf("got %s", &stderr)
	}
	if one.String() != other.String() || !strings.HasPrefix(one.String(), "iotmon bench ") {
		t.Errorf("got %q and %q", &one, &other)
	}
}
