package app

import (
	"fmt"
	"strconv"

	"iotmon/internal/config"
	"iotmon/internal/source/modbus"
)

var modbusKinds = map[string]modbus.Kind{"holding": modbus.Holding, "input": modbus.Input, "coil": modbus.Coil, "discrete": modbus.Discrete}

// newModbus returns the adapter of a configured section.
func newModbus(configured *config.Modbus) (*modbus.Adapter, error) {
	m := configured.Filled()
	o := modbus.Options{Connection: modbus.Connection{Address: m.Address, Timeout: m.Timeout}}
	if t := m.TLS; t != nil {
		o.TLS = modbus.TLS{CAFile: t.CAFile, CertFile: t.CertFile, KeyFile: t.KeyFile}
	}
	for i := range m.Units {
		u := &m.Units[i]
		unit := modbus.Unit{ID: uint8(*u.Unit), Every: u.Every, MaxGap: *u.MaxGap, MaxBlock: u.MaxBlock}
		for k := range u.Registers {
			r, err := newRegister(*u.Unit, &u.Registers[k])
			if err != nil {
				return nil, fmt.Errorf("unit %d: register %s: %w", *u.Unit, u.Registers[k].Address, err)
			}
			unit.Registers = append(unit.Registers, r)
		}
		o.Units = append(o.Units, unit)
	}
	return modbus.New(o)
}

func newRegister(unit int, configured *config.ModbusRegister) (r modbus.Register, err error) {
	kind, offset, _ := configured.Place()
	r = modbus.Register{
		Kind: modbusKinds[kind], Offset: uint16(offset), Scale: configured.Scale, Shift: configured.Offset,
		Field: configured.Field(), Tags: registerTags(unit, configured), Unit: configured.Unit,
	}
	r.Invalid, _ = configured.NoValues()
	if r.Order, err = modbus.ParseOrder(configured.Order); err != nil {
		return r, err
	}
	r.Type, err = modbus.ParseType(configured.Format())
	return r, err
}

func registerTags(unit int, configured *config.ModbusRegister) map[string]string {
	return map[string]string{"unit": strconv.Itoa(unit), "address": string(configured.Address)}
}

// implicitRules returns the rules of values whose device is given where they are configured.
func implicitRules(configured *config.Source) []config.MapRule {
	rules := nodeRules(configured.OPCUA)
	if configured.Modbus == nil {
		return rules
	}
	m := configured.Modbus.Filled()
	for i := range m.Units {
		u := &m.Units[i]
		for k := range u.Registers {
			if r := &u.Registers[k]; r.Device != "" {
				rules = append(rules, config.MapRule{Field: r.Field(), Tags: registerTags(*u.Unit, r), Device: r.Device, Type: r.DeviceType})
			}
		}
	}
	return rules
}
