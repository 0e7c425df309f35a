package config

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Word is a text that may also be written as a whole number.
type Word string

// Modbus is a source that polls registers of Modbus devices. A zero value means the default of Filled.
type Modbus struct {
	// Address is tcp://host:port, rtuovertcp://host:port for RTU frames behind a serial gateway, or tls://host:port. The default of the
	// port is 502, that of tls 802.
	Address string     `koanf:"address"`
	TLS     *SourceTLS `koanf:"tls"`
	// Timeout is how long a device may take to answer one request.
	Timeout time.Duration `koanf:"timeout"`
	// Unit, Every, MaxGap, MaxBlock and Registers are those of a unit. Every, MaxGap and MaxBlock are the defaults of Units.
	Unit      *int             `koanf:"unit"`
	Every     time.Duration    `koanf:"every"`
	MaxGap    *int             `koanf:"max_gap"`
	MaxBlock  int              `koanf:"max_block"`
	Registers []ModbusRegister `koanf:"registers"`
	// Units are the devices behind a gateway, instead of the one unit with Registers.
	Units []ModbusUnit `koanf:"units"`
}

// ModbusUnit is one device behind a gateway.
type ModbusUnit struct {
	// Unit is the number of the device, 0 to 255.
	Unit *int `koanf:"unit"`
	// Every is the interval between polls, which take place at whole multiples of it.
	Every time.Duration `koanf:"every"`
	// MaxGap is how many registers that are not wanted may be read between two that are, to save a request.
	MaxGap *int `koanf:"max_gap"`
	// MaxBlock is how many registers one request may read, at most 125.
	MaxBlock  int              `koanf:"max_block"`
	Registers []ModbusRegister `koanf:"registers"`
}

// ModbusRegister is one value of a device.
type ModbusRegister struct {
	// Name is the field of the value for the rules of the map. The default is the kind and the address, such as holding/40001.
	Name string `koanf:"name"`
	// Address is a reference number of five or six digits, such as 40001, whose first digit is the kind and which counts from 1; or a kind
	// and the address on the wire, such as holding/0, which counts from 0.
	Address Word `koanf:"address"`
	// Kind is holding, input, coil or discrete; the address says it as well.
	Kind string `koanf:"kind"`
	// Type is bool, int16, uint16, int32, uint32, int64, uint64, float32, float64, bcd, bcd32, bcd64, string(bytes) or bit(number). The
	// default is uint16, and bool for coils and discrete inputs.
	Type string `koanf:"type"`
	// Order is the order of the bytes, such as ABCD, the default, or CDAB.
	Order string `koanf:"order"`
	// The value is the number in the registers times Scale, plus Offset.
	Scale  float64 `koanf:"scale"`
	Offset float64 `koanf:"offset"`
	// Invalid is a content, or several separated by commas, that means that there is no value, such as 0x8000.
	Invalid Word `koanf:"invalid"`
	// Device, DeviceType and Unit are those of the readings. Without a device the map of the source has to say what the value becomes.
	Device     string `koanf:"device"`
	DeviceType string `koanf:"device_type"`
	Unit       string `koanf:"unit"`
}

// Filled returns the section with its defaults, and its unit among the Units.
func (m *Modbus) Filled() Modbus {
	f := *m
	one, gap := 1, 8
	f.Timeout = cmp.Or(f.Timeout, time.Second)
	f.Every = cmp.Or(f.Every, time.Second)
	f.MaxBlock = cmp.Or(f.MaxBlock, 125)
	if f.MaxGap == nil {
		f.MaxGap = &gap
	}
	if len(m.Registers) > 0 {
		f.Units = append([]ModbusUnit{{Unit: m.Unit, Registers: m.Registers}}, m.Units...)
	} else {
		f.Units = slices.Clone(m.Units)
	}
	for i := range f.Units {
		u := &f.Units[i]
		u.Every, u.MaxBlock = cmp.Or(u.Every, f.Every), cmp.Or(u.MaxBlock, f.MaxBlock)
		if u.MaxGap == nil {
			u.MaxGap = f.MaxGap
		}
		if u.Unit == nil {
			u.Unit = &one
		}
	}
	if address, err := url.Parse(f.Address); err == nil && address.Port() == "" && address.Hostname() != "" {
		port := "502"
		if address.Scheme == "tls" {
			port = "802"
		}
		f.Address = address.Scheme + "://" + net.JoinHostPort(address.Hostname(), port)
	}
	return f
}

// modbusKinds are the kinds of registers, by the first digit of a reference number.
var modbusKinds = map[byte]string{'0': "coil", '1': "discrete", '3': "input", '4': "holding"}

// Place returns the kind and the address on the wire; ok is whether the register has such.
func (r *ModbusRegister) Place() (kind string, offset int, ok bool) {
	address := string(r.Address)
	if kind, number, found := strings.Cut(address, "/"); found {
		n, err := strconv.ParseUint(number, 0, 16)
		known := slices.Contains([]string{"coil", "discrete", "input", "holding"}, kind)
		return kind, int(n), err == nil && known && (r.Kind == "" || r.Kind == kind)
	}
	if len(address) != 5 && len(address) != 6 {
		return "", 0, false
	}
	kind = modbusKinds[address[0]]
	n, err := strconv.Atoi(address[1:])
	return kind, n - 1, err == nil && kind != "" && n >= 1 && n <= 1<<16 && (r.Kind == "" || r.Kind == kind)
}

// Field returns the name of the value, which the rules of a map see.
func (r *ModbusRegister) Field() string {
	kind, _, _ := r.Place()
	if strings.Contains(string(r.Address), "/") {
		return cmp.Or(r.Name, string(r.Address))
	}
	return cmp.Or(r.Name, kind+"/"+string(r.Address))
}

// Format returns the type of the value.
func (r *ModbusRegister) Format() string {
	if kind, _, _ := r.Place(); kind == "coil" || kind == "discrete" {
		return cmp.Or(r.Type, "bool")
	}
	return cmp.Or(r.Type, "uint16")
}

// NoValues returns the contents that mean that there is no value, as unsigned numbers of the type's width.
func (r *ModbusRegister) NoValues() (contents []uint64, ok bool) {
	if r.Invalid == "" {
		return nil, true
	}
	width := 16
	if digits := strings.TrimLeft(r.Format(), "abcdefghijklmnopqrstuvwxyz"); digits != "" {
		width, _ = strconv.Atoi(digits) // That of a text or a bit stays 0: they have no such contents.
	}
	for text := range strings.SplitSeq(string(r.Invalid), ",") {
		text = strings.TrimSpace(text)
		n, err := strconv.ParseUint(text, 0, max(width, 1))
		if strings.HasPrefix(text, "-") {
			var signed int64
			signed, err = strconv.ParseInt(text, 0, max(width, 1))
			n = uint64(signed) << (64 - width) >> (64 - width)
		}
		if err != nil || width == 0 {
			return nil, false
		}
		contents = append(contents, n)
	}
	return contents, true
}

// modbusType matches the types of registers.
var modbusType = regexp.MustCompile(`^(bool|u?int(16|32|64)|float(32|64)|bcd(16|32|64)?|bit\(([0-9]|1[0-5])\)|string\(([1-9][0-9]?|1[0-9][0-9]|2[0-4][0-9]|250)\))$`)

// modbusOrders are the orders of bytes.
var modbusOrders = []string{"", "AB", "BA", "ABCD", "CDAB", "BADC", "DCBA", "ABCDEFGH", "GHEFCDAB", "BADCFEHG", "HGFEDCBA"}

// check checks the section under the given key.
func (m *Modbus) check(c *checker, key string, known []string) {
	address, err := url.Parse(m.Address)
	ok := err == nil && slices.Contains([]string{"tcp", "rtuovertcp", "tls"}, address.Scheme) && address.Hostname() != "" && strings.Trim(address.Path, "/") == ""
	c.mustText(ok, key+".address", withoutLogin(m.Address), "an address such as tcp://10.0.0.7:502, rtuovertcp://gateway:4001 or tls://10.0.0.7:802")
	encrypted := ok && address.Scheme == "tls"
	c.must(!ok || encrypted == (m.TLS != nil), key+".tls", "left out or given", "given for tls://, and left out otherwise")
	if m.TLS != nil {
		m.TLS.check(c, key+".tls")
		c.mustText(m.TLS.CAFile != "" && m.TLS.CertFile != "", key+".tls.ca_file", m.TLS.CAFile, "given together with cert_file: Modbus requires certificates of both sides")
		c.mustText(m.TLS.ServerName == "", key+".tls.server_name", m.TLS.ServerName, "left out: the name must be that of the address")
	}
	c.must(len(m.Registers) > 0 || len(m.Units) > 0, key+".registers", "nothing", "a list of registers, or units with such lists")
	c.must(m.Unit == nil || len(m.Registers) > 0, key+".unit", "given", "left out where each of units has its own")
	f := m.Filled()
	within(c, key+".timeout", f.Timeout, 10*time.Millisecond, time.Minute)
	within(c, key+".units", len(f.Units), 0, 256)
	taken := make(map[int]bool)
	for i := range f.Units {
		u, at := &f.Units[i], key
		if len(m.Registers) == 0 || i > 0 {
			at = fmt.Sprintf("%s.units[%d]", key, i-min(len(m.Registers), 1))
		}
		c.must(!taken[*u.Unit], at+".unit", *u.Unit, "a number that no other unit has")
		taken[*u.Unit] = true
		u.check(c, at, known)
	}
}

func (u *ModbusUnit) check(c *checker, key string, known []string) {
	within(c, key+".unit", *u.Unit, 0, 255)
	within(c, key+".every", u.Every, 10*time.Millisecond, 24*time.Hour)
	within(c, key+".max_gap", *u.MaxGap, 0, 100)
	within(c, key+".max_block", u.MaxBlock, 1, 125)
	within(c, key+".registers", len(u.Registers), 1, 10_000)
	for i := range u.Registers {
		u.Registers[i].check(c, fmt.Sprintf("%s.registers[%d]", key, i), known)
	}
}

func (r *ModbusRegister) check(c *checker, key string, known []string) {
	_, _, ok := r.Place()
	c.mustText(ok, key+".address", strings.TrimSpace(string(r.Address)+" "+r.Kind),
		"a number such as 40001 or 400001 (holding), 30001 (input), 10001 (discrete) or \"00001\" (coil), or a kind and a number that counts from 0, such as holding/0")
	if r.Kind != "" {
		c.oneOf(key+".kind", r.Kind, "holding", "input", "coil", "discrete")
	}
	c.mustText(modbusType.MatchString(r.Format()), key+".type", r.Type,
		"bool, int16, uint16, int32, uint32, int64, uint64, float32, float64, bcd, bcd32, bcd64, string(1) to string(250), or bit(0) to bit(15)")
	c.mustText(slices.Contains(modbusOrders, r.Order), key+".order", r.Order, "AB, BA, ABCD, CDAB, BADC, DCBA, ABCDEFGH, GHEFCDAB, BADCFEHG or HGFEDCBA")
	_, ok = r.NoValues()
	c.mustText(ok, key+".invalid", string(r.Invalid), "whole numbers that the type can have, separated by commas, such as 0x8000")
	c.mustText(template.MatchString(r.Device), key+".device", r.Device, "the id of a device, or a template of it")
	if r.Device != "" {
		c.knownType(key+".device_type", r.DeviceType, known)
	}
	c.mustText(r.Device != "" || r.DeviceType == "", key+".device", "", "given together with device_type")
}
