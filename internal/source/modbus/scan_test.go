package modbus_test

import (
	"fmt"
	"testing"
	"time"

	"iotmon/internal/source/modbus"
)

// Whatever a device refuses, the addresses beside it are found, and nothing is written.
func TestRegistersThatAnswerAreFound(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs pymodbus")
	}
	s := startServer(t, map[int]tables{1: {"holding": {"0": []int{7, 8, 9}, "70": []int{5}}}}, nil, nil)
	connection := modbus.Connection{Address: s.address("tcp"), Timeout: 2 * time.Second}
	found, truncated, err := modbus.Scan(t.Context(), modbus.ScanOptions{Connection: connection, Unit: 1, Kind: modbus.Holding, From: 0, To: 99})
	if got := fmt.Sprint(found); err != nil || truncated || got != "[{holding 0 7} {holding 1 8} {holding 2 9} {holding 70 5}]" {
		t.Errorf("got %s, %v, %v", got, truncated, err)
	}
	if found, truncated, err := modbus.Scan(t.Context(), modbus.ScanOptions{Connection: connection, Unit: 1, Kind: modbus.Holding, From: 0, To: 65535, MaxRequests: 20}); err != nil || !truncated || len(found) == 0 {
		t.Errorf("with 20 requests: got %v, %v, %v", found, truncated, err)
	}
}
