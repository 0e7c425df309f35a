package modbus_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"iotmon/internal/iot"
	"iotmon/internal/source"
	"iotmon/internal/source/modbus"
	"iotmon/internal/source/sourcetest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("iotmon/internal/source/sourcetest.answer")) // It answers until the process ends.
}

func connection(address string) modbus.Connection {
	return modbus.Connection{Address: address, Timeout: 300 * time.Millisecond}
}

// manyTypes is a unit with a value of each type, and what they are.
func manyTypes(t *testing.T) (tables, []modbus.Register, map[string]float64) {
	contents := tables{
		"holding": {
			"0": []int{0xffd6}, "10": []int{0x3039}, "20": []int{0x41aa, 0x6666}, "30": []int{0x6666, 0x41aa}, "40": []int{0xaa41, 0x6666},
			"50": []int{0x6666, 0xaa41}, "60": []int{0xffff, 0xfffe}, "70": []int{0x4093, 0x4a45, 0x6d5c, 0xfaad},
			"80": []int{0xfaad, 0x6d5c, 0x4a45, 0x4093}, "90": []int{0x1234}, "100": []int{0x1234, 0x5678}, "110": []int{0x5255, 0x4e00},
			"120": []int{0x0800}, "130": []int{0xffff, 0xffff, 0xffff, 0xfff6},
		},
		"input": {"7": []int{215}},
		"coil":  {"0": []bool{false, false, true}}, "discrete": {"32": []bool{true, false}},
	}
	registers := []modbus.Register{
		register(t, "int16", modbus.Holding, 0, "int16", ""), register(t, "uint16", modbus.Holding, 10, "uint16", ""),
		register(t, "ABCD", modbus.Holding, 20, "float32", "ABCD"), register(t, "CDAB", modbus.Holding, 30, "float32", "CDAB"),
		register(t, "BADC", modbus.Holding, 40, "float32", "BADC"), register(t, "DCBA", modbus.Holding, 50, "float32", "DCBA"),
		register(t, "int32", modbus.Holding, 60, "int32", ""), register(t, "float64", modbus.Holding, 70, "float64", ""),
		register(t, "GHEFCDAB", modbus.Holding, 80, "float64", "GHEFCDAB"), register(t, "bcd", modbus.Holding, 90, "bcd", ""),
		register(t, "bcd32", modbus.Holding, 100, "bcd32", ""), register(t, "text", modbus.Holding, 110, "string(4)", ""),
		register(t, "bit11", modbus.Holding, 120, "bit(11)", ""), register(t, "bit12", modbus.Holding, 120, "bit(12)", ""),
		register(t, "int64", modbus.Holding, 130, "int64", ""), register(t, "scaled", modbus.Input, 7, "int16", ""),
		register(t, "coil", modbus.Coil, 2, "bool", ""), register(t, "discrete", modbus.Discrete, 33, "bool", ""),
	}
	registers[15].Scale, registers[15].Shift = 0.1, -1.5
	const f = 21.3
	return contents, registers, map[string]float64{
		"int16": -42, "uint16": 12345, "ABCD": f, "CDAB": f, "BADC": f, "DCBA": f, "int32": -2, "float64": 1234.567800, "GHEFCDAB": 1234.5678,
		"bcd": 1234, "bcd32": 12345678, "text": 1, "bit11": 1, "bit12": 0, "int64": -10, "scaled": 20, "coil": 1, "discrete": 0,
	}
}

// Every type, order and table, read from an independent server by each way of transport. Registers between the wanted ones do not exist,
// so that the blocks have to be cut.
func TestAllTypesByAllTransports(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sourcetest.WriteCertificates(t, dir, serverNames...)
	for _, transport := range []struct {
		scheme string
		more   map[string]any
	}{
		{"tcp", nil}, {"rtuovertcp", map[string]any{"framer": "rtu"}},
		{"tls", serverFiles(dir)},
	} {
		t.Run(transport.scheme, func(t *testing.T) {
			t.Parallel()
			contents, registers, want := manyTypes(t)
			server := startServer(t, map[int]tables{5: contents}, nil, transport.more)
			way := connection(strings.Replace(server.address(transport.scheme), "127.0.0.1", "localhost", 1))
			way.TLS, way.Timeout = certificates(dir), 2*time.Second
			s := poll(t, modbus.Options{Connection: way, Units: []modbus.Unit{{ID: 5, Every: 100 * time.Millisecond, MaxGap: 16, Registers: registers}}})
			for _, r := range registers {
				until(t, "a reading of "+r.Field+": "+s.status.Snapshot().Error, 20*time.Second, func() bool { return len(s.of(r.Field)) >= 2 })
				for _, reading := range s.of(r.Field) {
					if diff := reading.Value - want[r.Field]; diff > 1e-9 || diff < -1e-9 || reading.Time.UnixMicro()%100_000 != 0 {
						t.Fatalf("%s: got %v at %v, want %v at a tenth of a second", r.Field, reading.Value, reading.Time, want[r.Field])
					}
				}
			}
			s.stop()
			for _, one := range server.served() {
				if one.Written {
					t.Errorf("the source has written: %+v", one)
				}
			}
		})
	}
}

// counting returns a server whose answers are numbered, and the unit that asks for the numbers.
func counting(t *testing.T) (*pymodbus, modbus.Unit) {
	from := 0
	server := startServer(t, map[int]tables{1: {"holding": {"0": []int{0, 7}}}}, map[int]behaviour{1: {Counter: &from}}, nil)
	return server, modbus.Unit{ID: 1, Every: 20 * time.Millisecond, Registers: []modbus.Register{register(t, "number", modbus.Holding, 0, "uint16", "")}}
}

// compare compares the readings with what the server has recorded: each reading is one answer, in the same order, and no more answers are
// missing than interruptions can have lost.
func compare(t *testing.T, readings []iot.Reading, answers []served, lost int) {
	t.Helper()
	var numbers []int
	for _, one := range answers {
		if one.Number != nil {
			numbers = append(numbers, *one.Number)
		}
	}
	next, missing := 0, 0
	last := time.Time{}
	for _, r := range readings {
		if !r.Time.After(last) {
			t.Fatalf("a reading of %v after one of %v", r.Time, last)
		}
		last = r.Time
		for next < len(numbers) && float64(numbers[next]) != r.Value {
			next++
			missing++
		}
		if next++; next > len(numbers) {
			t.Fatalf("the server has not answered %v at its place", r.Value)
		}
	}
	missing += len(numbers) - min(next, len(numbers))
	t.Logf("%d answers, %d readings", len(numbers), len(readings))
	if missing > lost {
		t.Errorf("%d of %d answers are no readings, want at most %d", missing, len(numbers), lost)
	}
}

func TestEachPollIsTheReadingThatTheServerHasGiven(t *testing.T) {
	t.Parallel()
	server, unit := counting(t)
	way := sourcetest.NewProxy(t, strings.TrimPrefix(server.address(""), "://"))
	s := poll(t, modbus.Options{Connection: connection("tcp://" + way.Address()), Units: []modbus.Unit{unit}})
	more := func() {
		t.Helper()
		before := len(s.of("number"))
		until(t, "readings again: "+s.status.Snapshot().Error, 10*time.Second, func() bool { return len(s.of("number")) >= before+10 })
	}
	more()
	server.running.Kill()
	until(t, "failed", 5*time.Second, func() bool { return s.status.Snapshot().State == source.Failed })
	server.config["behaviour"] = map[int]any{1: map[string]any{"counter": 10_000}} // Another state.
	server.start()
	more()
	server.running.Pause()
	until(t, "failed", 5*time.Second, func() bool { return s.status.Snapshot().State == source.Failed })
	server.running.Resume()
	more()
	way.Lose() // Without RST: what is sent reaches nobody.
	until(t, "failed", 5*time.Second, func() bool { return s.status.Snapshot().State == source.Failed })
	way.Pass()
	more()
	for range 100 {
		connections := s.status.Snapshot().Connections
		way.Cut()
		until(t, "connected again", 10*time.Second, func() bool { return s.status.Snapshot().Connections > connections })
	}
	more()
	s.stop()
	// Each connection begins with one answer that is no reading, and each interruption loses the one that was on its way.
	compare(t, s.of("number"), server.served(), 2*int(s.status.Snapshot().Connections)+10)
}

// A register that the device does not have, between others that it has, costs nothing but itself.
func TestTheGoodRegistersOfABlockCome(t *testing.T) {
	t.Parallel()
	server := startServer(t, map[int]tables{1: {"holding": {"0": []int{1, 2, 3}, "4": []int{5, 6, 7}}}}, nil, nil)
	var registers []modbus.Register
	for i := range 7 {
		registers = append(registers, register(t, fmt.Sprint("r", i), modbus.Holding, i, "uint16", ""))
	}
	s := poll(t, modbus.Options{Connection: connection(server.address("tcp")), Units: []modbus.Unit{{ID: 1, Every: 50 * time.Millisecond, MaxGap: 8, Registers: registers}}})
	for i := range 7 {
		if i != 3 {
			until(t, fmt.Sprint("readings of ", i), 10*time.Second, func() bool { return len(s.of(fmt.Sprint("r", i))) >= 20 })
		}
	}
	s.stop()
	if got := s.of("r3"); len(got) > 0 {
		t.Errorf("got %v of a register that is not there", got)
	}
	reports := s.reportsOf("r3")
	if len(reports) != 1 || reports[0].Status != iot.ReportedBad || !strings.Contains(reports[0].Reason, "illegal data address") || len(s.reports) != 1 {
		t.Errorf("got %+v, want one report of an illegal data address", s.reports)
	}
	served := server.served()
	if polls := len(s.of("r0")); len(served) > 3*polls+10 {
		t.Errorf("%d requests for %d polls, want three each once the block is cut", len(served), polls)
	}
}

// An exception makes the registers bad with its name, and their next values make them good.
func TestExceptionsAreBadQuality(t *testing.T) {
	t.Parallel()
	server, unit := counting(t)
	s := poll(t, modbus.Options{Connection: connection(server.address("tcp")), Units: []modbus.Unit{unit}})
	until(t, "readings", 10*time.Second, func() bool { return len(s.of("number")) > 3 })
	server.behave(1, behaviour{Exception: 6})
	until(t, "a report", 5*time.Second, func() bool { return len(s.reportsOf("number")) == 1 })
	if got := s.reportsOf("number")[0]; got.Status != iot.ReportedBad || !strings.Contains(got.Reason, "server device busy") {
		t.Errorf("got %+v", got)
	}
	if got := s.status.Snapshot(); got.State != source.Connected || !strings.Contains(got.Error, "server device busy") {
		t.Errorf("got %+v, want it connected", got)
	}
	server.behave(1, behaviour{})
	before := len(s.of("number"))
	until(t, "readings", 10*time.Second, func() bool { return len(s.of("number")) > before+3 })
}

// A unit that does not answer delays the others by no more than one request's time, and is reported as offline.
func TestADeadUnitDoesNotDelayTheOthers(t *testing.T) {
	t.Parallel()
	server := startServer(t, map[int]tables{1: {"holding": {"0": []int{1}}}, 2: {"holding": {"0": []int{2}}}, 3: {"holding": {"0": []int{2}}}},
		map[int]behaviour{2: {Delay: 60}, 3: {Exception: 11}}, nil)
	var units []modbus.Unit
	for id := 1; id <= 3; id++ {
		units = append(units, modbus.Unit{ID: uint8(id), Every: 50 * time.Millisecond, Registers: []modbus.Register{register(t, fmt.Sprint("unit", id), modbus.Holding, 0, "uint16", "")}})
	}
	s := poll(t, modbus.Options{Connection: connection(server.address("tcp")), Units: units})
	// A report is made again from time to time: on a busy machine unit 3 may be bad twice before it is offline.
	until(t, "reports of units 2 and 3", 40*time.Second, func() bool {
		offline := func(r source.Report) bool { return r.Status == iot.ReportedOffline }
		return len(s.reportsOf("unit2")) > 0 && slices.ContainsFunc(s.reportsOf("unit3"), offline)
	})
	good := s.of("unit1")
	if len(good) < 40 {
		t.Errorf("got %d readings of the unit that answers", len(good))
	}
	for i := range good[1:] {
		if gap := good[i+1].Time.Sub(good[i].Time); gap > 450*time.Millisecond {
			t.Errorf("a gap of %v between %v and the next reading, want at most the time of a request and a poll", gap, good[i].Time)
		}
	}
	if got := s.reportsOf("unit2")[0]; got.Status != iot.ReportedOffline || !strings.Contains(got.Reason, "request timed out") {
		t.Errorf("unit 2: got %+v", got)
	}
	reports := s.reportsOf("unit3")
	if first, last := reports[0], reports[len(reports)-1]; first.Status != iot.ReportedBad || last.Status != iot.ReportedOffline {
		t.Errorf("unit 3: got %+v, want bad, then offline", reports)
	}
	if s.status.Snapshot().Skipped == 0 {
		t.Error("no skipped polls were counted")
	}
	server.behave(2, behaviour{})
	until(t, "unit 2 again", 10*time.Second, func() bool { return len(s.of("unit2")) > 3 })
}
