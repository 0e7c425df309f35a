package modbus_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"iotmon/internal/source/modbus"
)

// BenchmarkSource polls 1,000 float32 of one device, in 17 requests, as often as it can, and reports how many readings a second that is and
// how much of the processor's time one reading takes: requests, decoding, mapping and admission, but not the log.
func BenchmarkSource(b *testing.B) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer listener.Close()
	go serveZeros(listener)
	unit := modbus.Unit{ID: 1, Every: 10 * time.Millisecond}
	for i := range 1000 {
		unit.Registers = append(unit.Registers, register(b, fmt.Sprint("r", i), modbus.Holding, 2*i, "float32", "CDAB"))
	}
	s := poll(b, modbus.Options{Connection: connection("tcp://" + listener.Addr().String()), Units: []modbus.Unit{unit}})
	until(b, "readings", 10*time.Second, func() bool { return s.status.Snapshot().Readings > 0 })
	began, before, cpu := time.Now(), s.status.Snapshot().Readings, processorTime(b)
	for b.Loop() {
		at := s.status.Snapshot().Readings
		until(b, "a poll", 10*time.Second, func() bool { return s.status.Snapshot().Readings >= at+1000 })
	}
	readings := float64(s.status.Snapshot().Readings - before)
	b.ReportMetric(readings/time.Since(began).Seconds(), "readings/s")
	b.ReportMetric(float64((processorTime(b)-cpu).Nanoseconds())/readings, "cpu-ns/reading")
}

// serveZeros answers one connection with registers that are 0.
func serveZeros(listener net.Listener) {
	conn, err := listener.Accept()
	if err != nil {
		return
	}
	defer conn.Close()
	request := make([]byte, 12)
	for {
		if _, err := conn.Read(request); err != nil {
			return
		}
		count := int(binary.BigEndian.Uint16(request[10:]))
		answer := append(make([]byte, 0, 260), request[:4]...)
		answer = append(answer, 0, byte(3+2*count), request[6], request[7], byte(2*count))
		if _, err := conn.Write(append(answer, make([]byte, 2*count)...)); err != nil {
			return
		}
	}
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
