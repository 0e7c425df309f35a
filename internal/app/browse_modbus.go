package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"iotmon/internal/config"
	"iotmon/internal/mapping"
	"iotmon/internal/source/modbus"
)

// modbus asks which registers answer.
func (b *browser) modbus(ctx context.Context, configured *config.Source) error {
	unit := cmp.Or(b.Unit, 1)
	m, s := configured.Modbus, sectionOf(configured)
	connection := modbus.Connection{Address: m.Address, Timeout: 2 * time.Second}
	if t := m.TLS; t != nil {
		connection.TLS = modbus.TLS{CAFile: t.CAFile, CertFile: t.CertFile, KeyFile: t.KeyFile}
	}
	s.Unit = unit
	w := &written{browser: b}
	count, cut := 0, false
	for _, text := range b.Registers {
		from, to, kind, err := registerRange(text)
		if err != nil {
			return err
		}
		found, truncated, err := modbus.Scan(ctx, modbus.ScanOptions{
			Connection: connection, Unit: uint8(unit), Kind: modbusKinds[kind], From: from, To: to,
		})
		if err != nil && len(found) == 0 {
			return err
		}
		cut = cut || truncated || err != nil
		for _, r := range found {
			if count++; count > w.Count {
				w.more++
				continue
			}
			one := register{Address: fmt.Sprintf("%s/%d", kind, r.Offset)}
			if kind == "holding" || kind == "input" {
				one.Type = "uint16"
			}
			s.Registers = append(s.Registers, one)
			value, number := fmt.Sprint(r.Value), one.Type != ""
			if !number {
				value = strconv.FormatBool(r.Value != 0)
			}
			w.rule(&mapping.Rule{Field: one.Address, Device: deviceOf(b.Name, one.Address)}, value, number)
		}
	}
	if count == 0 {
		return errors.New("no register answers in " + strings.Join(b.Registers, ", "))
	}
	head := fmt.Sprintf("%d registers of unit %d answer. Modbus does not say what they are: types of 32 bits are two registers", count, unit)
	if cut {
		head += "; not all were asked in the time"
	}
	return w.write(head, "modbus", s)
}

// registerRange reads a range such as 40001-40100 or input/0-99.
func registerRange(text string) (from, to uint16, kind string, err error) {
	first, last, found := strings.Cut(text, "-")
	if !found {
		last = first
	} else if at, _, of := strings.Cut(first, "/"); of {
		last = at + "/" + last
	}
	begin, end := config.ModbusRegister{Address: config.Word(first)}, config.ModbusRegister{Address: config.Word(last)}
	kind, low, ok := begin.Place()
	other, high, also := end.Place()
	if !ok || !also || kind != other || low > high {
		return 0, 0, "", &BrowseError{fmt.Sprintf("-registers: want ranges such as 40001-40100 or input/0-99 (got %q)", text)}
	}
	return uint16(low), uint16(high), kind, nil
}
