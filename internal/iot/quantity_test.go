package iot_test

import (
	"math"
	"testing"
	"time"

	"iotmon/internal/iot"
)

func TestNumbersForPeople(t *testing.T) {
	for value, want := range map[float64]string{
		0: "0", -0.5: "-0.5", 28.1: "28.1", 999: "999", -999.25: "-999.25", 1000: "1,000", -1050.25: "-1,050.25", 123456: "123,456", 1234567.5: "1,234,567.5", 1e21: "1,000,000,000,000,000,000,000",
	} {
		if got := iot.Number(value); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got := iot.Quantity(1050, "hPa") + iot.QuantityEN(1050, "hPa") + iot.QuantityEN(55, "%") + iot.QuantityEN(3, ""); got != "1,050hPa1,050 hPa55%3" {
		t.Errorf("got %s", got)
	}
}

func TestTimesForPeople(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 seconds", time.Second: "1 second", 10 * time.Second: "10 seconds", time.Microsecond: "0.000001 seconds", 90 * time.Minute: "1 hour 30 minutes", iot.MaxWithin: "31 days",
		25*time.Hour + time.Minute + 1500*time.Millisecond: "1 day 1 hour 1 minute 1.5 seconds", -time.Minute: "-1 minute", math.MaxInt64: "106,751 days 23 hours 47 minutes 16.854775807 seconds",
		math.MinInt64: "-106,751 days 23 hours 47 minutes 16.854775807 seconds",
	} {
		if got := iot.Lasting(d).String(); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}
