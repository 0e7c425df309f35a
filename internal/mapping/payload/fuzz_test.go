package payload_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"iotmon/internal/iot"
	"iotmon/internal/mapping/payload"
)

// FuzzPayload decodes any bytes in any format. Points are bounded, and errors are short and say that the input is wrong.
func FuzzPayload(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,{"name":"x","value":2}],"ts":1}`, `[{"ts":1,"values":{"a":1}}]`, "m,t=x f=1i,g=\"a\" 1", "ON", "-1.5e3", "{\"a\":1}\n{\"b\":2}", "\xa1\x61a\x01",
		`{"method":"x","params":{"ts":1,"switch:0":{"tC":1}}}`, `{"TempUnit":"C","X":{"Temperature":1}}`, `{"device_id":"d","device_type":"t","value":1}`,
		`{"metrics":[{"name":"m","fields":{"a":1},"tags":{"h":"x"}}]}`, `{"value":1,"quality":true,"unit":"K"}`, `"\ud83d\ude00\u00"`,
	} {
		for i := range payload.Formats() {
			f.Add([]byte(seed), i)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, format int) {
		formats := payload.Formats()
		d := payload.NewDecoder(payload.Format(formats[uint(format)%uint(len(formats))]))
		for range 2 { // A decoder that has decoded something decodes the same again.
			points, err := d.Decode(text, nil)
			var invalid *iot.InvalidError
			if err != nil && (!errors.As(err, &invalid) || len(err.Error()) > 2000 || len(points) > 0) {
				t.Fatalf("got %d points, %v", len(points), err)
			}
			for i := range points {
				if p := &points[i]; len(p.Field) > payload.MaxField && p.Measurement == "" {
					t.Fatalf("a field of %d bytes", len(p.Field))
				}
			}
		}
	})
}

// FuzzJSON compares what is JSON with the standard library.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`{"a":[1,-0.5e+3,true,null,"\u00b0\n"]}`, `[1,]`, `{"a":01}`, `"\x"`, `1`, `{"a" : {}}`, `-`, `1.`, `1e`, `{,}`, `"a`, `nul`, `[1 2]`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		lower := strings.ToLower(text)
		if strings.Contains(lower, "nan") || strings.Contains(lower, "inf") || strings.ContainsAny(text, "\n\x00\ufeff") || strings.TrimSpace(text) != text {
			return // Accepted on purpose.
		}
		_, err := payload.NewDecoder(payload.JSON).Decode([]byte(text), nil)
		valid := json.Valid([]byte(text))
		if valid && err != nil && !strings.Contains(err.Error(), "occurs twice") && !strings.Contains(err.Error(), "more than") &&
			!strings.Contains(err.Error(), "longer than") && !strings.Contains(err.Error(), "UTF-8") && !strings.Contains(text, "device_id") {
			t.Fatalf("%q is JSON, but %v", text, err)
		}
		if !valid && err == nil {
			t.Fatalf("%q is no JSON", text)
		}
	})
}

// FuzzCBOR compares what has the same meaning in JSON.
func FuzzCBOR(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.5,true,"x"],"b":{"value":1,"unit":"K"}}`, `[{"name":"x","value":1}]`, `{"ts":1772366398000,"values":{"t":1}}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var value any
		if json.Unmarshal([]byte(text), &value) != nil {
			return // Nothing that both formats can hold.
		}
		again, err := json.Marshal(value)
		if err != nil {
			return // Nothing that both formats can hold.
		}
		binary, err := cbor.Marshal(value)
		if err != nil || strings.Contains(text, "device_id") {
			return // Nothing that both formats can hold.
		}
		want, wantErr := payload.NewDecoder(payload.JSON).Decode(again, nil)
		got, gotErr := payload.NewDecoder(payload.CBOR).Decode(binary, nil)
		if (wantErr == nil) != (gotErr == nil) && !strings.Contains(text, `\u0000`) {
			t.Fatalf("%s: JSON %v, CBOR %v", again, wantErr, gotErr)
		}
		if wantErr == nil && len(got) != len(want) {
			t.Fatalf("%s: got %s, want %s", again, shown(got), shown(want))
		}
	})
}
