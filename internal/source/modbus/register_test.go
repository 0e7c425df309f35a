package modbus

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// letters are the orders of each width in bytes, as manuals write them.
var letters = map[int][]string{
	2: {"AB", "BA"},
	4: {"ABCD", "CDAB", "BADC", "DCBA"},
	8: {"ABCDEFGH", "GHEFCDAB", "BADCFEHG", "HGFEDCBA"},
}

// send returns the bytes of a number as a device sends them: each letter of the order is the byte that comes at its place.
func send(bits uint64, order string) []byte {
	var big [8]byte
	binary.BigEndian.PutUint64(big[:], bits)
	value := big[8-len(order):]
	var sent []byte
	for _, letter := range order {
		sent = append(sent, value[letter-'A'])
	}
	return sent
}

func register(t testing.TB, name, order string) *Register {
	kind, err := ParseType(name)
	if err != nil {
		t.Fatal(err)
	}
	o, err := ParseOrder(order)
	if err != nil {
		t.Fatal(err)
	}
	return &Register{Type: kind, Order: o}
}

// toBCD returns the number's decimal digits as groups of four bits.
func toBCD(number uint64) (bits uint64) {
	for shift := 0; number > 0; shift += 4 {
		bits |= number % 10 << shift
		number /= 10
	}
	return bits
}

func TestWhatIsEncodedIsDecoded(t *testing.T) {
	for name, encode := range map[string]func(t *rapid.T) (bits uint64, bytes int, want float64){
		"int16": func(t *rapid.T) (uint64, int, float64) {
			v := rapid.Int16().Draw(t, "v")
			return uint64(uint16(v)), 2, float64(v)
		},
		"uint16": func(t *rapid.T) (uint64, int, float64) {
			v := rapid.Uint16().Draw(t, "v")
			return uint64(v), 2, float64(v)
		},
		"int32": func(t *rapid.T) (uint64, int, float64) {
			v := rapid.Int32().Draw(t, "v")
			return uint64(uint32(v)), 4, float64(v)
		},
		"uint32": func(t *rapid.T) (uint64, int, float64) {
			v := rapid.Uint32().Draw(t, "v")
			return uint64(v), 4, float64(v)
		},
		"int64": func(t *rapid.T) (uint64, int, float64) {
			v := rapid.Int64().Draw(t, "v")
			return uint64(v), 8, float64(v)
		},
		"uint64": func(t *rapid.T) (uint64, int, float64) { v := rapid.Uint64().Draw(t, "v"); return v, 8, float64(v) },
		"float64": func(t *rapid.T) (uint64, int, float64) {
			v := rapid.Float64().Draw(t, "v")
			return math.Float64bits(v), 8, v
		},
		"bcd": func(t *rapid.T) (uint64, int, float64) {
			v := rapid.Uint64Range(0, 9999).Draw(t, "v")
			return toBCD(v), 2, float64(v)
		},
		"bcd32": func(t *rapid.T) (uint64, int, float64) {
			v := rapid.Uint64Range(0, 99999999).Draw(t, "v")
			return toBCD(v), 4, float64(v)
		},
		"bcd64": func(t *rapid.T) (uint64, int, float64) {
			v := rapid.Uint64Range(0, 9999999999999999).Draw(t, "v")
			return toBCD(v), 8, float64(v)
		},
		"bool": func(t *rapid.T) (uint64, int, float64) {
			v := rapid.Uint16().Draw(t, "v")
			return uint64(v), 2, float64(min(v, 1))
		},
		"bit(11)": func(t *rapid.T) (uint64, int, float64) {
			v := rapid.Uint16().Draw(t, "v")
			return uint64(v), 2, float64(v >> 11 & 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				bits, bytes, want := encode(t)
				for _, order := range letters[bytes] {
					got, text, err := register(&testing.T{}, name, order).value(send(bits, order))
					if got != want || text != "" || err != nil {
						t.Fatalf("%s, %s of %x: got %v, %q, %v, want %v", name, order, bits, got, text, err, want)
					}
				}
			})
		})
	}
}

// A float32 becomes the decimal number that a person would write, and still is the same float32.
func TestFloat32(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.Float32().Draw(t, "v")
		for _, order := range letters[4] {
			got, _, err := register(&testing.T{}, "float32", order).value(send(uint64(math.Float32bits(want)), order))
			if float32(got) != want || err != nil {
				t.Fatalf("%s: got %v, %v, want %v", order, got, err, want)
			}
		}
	})
	if got, _, err := register(t, "float32", "ABCD").value(send(uint64(math.Float32bits(21.3)), "ABCD")); got != 21.3 || err != nil {
		t.Errorf("got %v, %v, want 21.3", got, err)
	}
}

func TestTexts(t *testing.T) {
	for _, test := range []struct {
		kind, order, sent, want string
		err                     error
	}{
		{"string(5)", "AB", "RUN  \x00", "RUN", nil},
		{"string(5)", "BA", "UR N\x00\x00", "RUN", nil},
		{"string(4)", "BA", "URN\x00", "RU", nil},
		{"string(4)", "CDAB", "N\x00RU", "RUN", nil},
		{"string(4)", "AB", "°C\x00", "°C", nil},
		{"string(4)", "AB", "\xb0C\x00\x00", "", errNoText},
		{"string(4)", "AB", "\x00\x00\x00\x00", "", errNoValue},
	} {
		_, got, err := register(t, test.kind, test.order).value([]byte(test.sent))
		if got != test.want || !errors.Is(err, test.err) {
			t.Errorf("%s, %s of %q: got %q, %v, want %q, %v", test.kind, test.order, test.sent, got, err, test.want, test.err)
		}
	}
}

func TestScaleShiftAndNoValue(t *testing.T) {
	r := register(t, "int16", "")
	r.Scale, r.Shift, r.Invalid = 0.1, -40, []uint64{0x8000, 0x7fff}
	for _, test := range []struct {
		bits uint64
		want float64
		err  error
	}{{650, 25, nil}, {0xffff, -40.1, nil}, {0x8000, 0, errNoValue}, {0x7fff, 0, errNoValue}} {
		if got, _, err := r.value(send(test.bits, "AB")); math.Abs(got-test.want) > 1e-9 || !errors.Is(err, test.err) {
			t.Errorf("%x: got %v, %v, want %v, %v", test.bits, got, err, test.want, test.err)
		}
	}
	for bits, kind := range map[uint64]string{0x7fc00000: "float32", 0x7f800000: "float32", 0x12a4: "bcd"} {
		if _, _, err := register(t, kind, "").value(send(bits, map[string]string{"float32": "ABCD", "bcd": "AB"}[kind])); err == nil {
			t.Errorf("%s %x: is a number, want an error", kind, bits)
		}
	}
}

func TestTypesAndOrdersOfNoDevice(t *testing.T) {
	for _, name := range []string{"", "int8", "string", "string(0)", "string(251)", "string(4", "bit(16)", "bit(-1)", "bit", "float"} {
		if got, err := ParseType(name); err == nil {
			t.Errorf("%q: got %v, want an error", name, got)
		}
	}
	for _, name := range []string{"ABC", "abcd", "ACBD"} {
		if got, err := ParseOrder(name); err == nil {
			t.Errorf("%q: got %v, want an error", name, got)
		}
	}
	for _, r := range []Register{{Kind: Coil, Type: plainTypes["int16"]}, {Offset: 65535, Type: plainTypes["int32"]}} {
		if r.check() == nil {
			t.Errorf("%+v: no error", r)
		}
	}
	for name, kind := range plainTypes {
		if back, err := ParseType(kind.String()); err != nil || back != kind {
			t.Errorf("%s: its name is %s", name, kind)
		}
	}
}

func FuzzRegister(f *testing.F) {
	f.Add("float32", "CDAB", []byte("abcdefgh"), 0.1, 0.0)
	f.Add("string(7)", "BA", []byte("abcdefgh"), 1.0, 0.0)
	f.Fuzz(func(t *testing.T, name, order string, raw []byte, scale, shift float64) {
		kind, err := ParseType(name)
		if err != nil {
			return
		}
		o, err := ParseOrder(order)
		r := Register{Type: kind, Order: o, Scale: scale, Shift: shift}
		if err != nil || len(raw) < 2*r.length() {
			return
		}
		number, text, err := r.value(raw[:2*r.length()])
		if math.IsNaN(number) || math.IsInf(number, 0) || len(text) > maxString || err == nil && kind.format == formatString && text == "" {
			t.Errorf("%s of %x: got %v, %q, %v", name, raw, number, text, err)
		}
	})
}
