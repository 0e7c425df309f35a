package iot_test

import (
	"testing"

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
