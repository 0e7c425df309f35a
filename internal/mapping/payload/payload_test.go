package payload_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/mapping/payload"
)

// show writes a point as measurement/field=value unit quality @time tags. A note has an exclamation mark.
func show(p *mapping.Point) string {
	if p.Reading != nil {
		return fmt.Sprintf("reading %s %v", p.Reading.ID, p.Reading.Value)
	}
	var s strings.Builder
	if p.Note {
		s.WriteString("!")
	}
	if p.Measurement != "" {
		s.WriteString(p.Measurement + "/")
	}
	fmt.Fprintf(&s, "%s=", p.Field)
	if p.ValueText != "" {
		fmt.Fprintf(&s, "%q", p.ValueText)
	} else {
		fmt.Fprint(&s, p.Value)
	}
	if p.Unit != "" {
		s.WriteString(" " + p.Unit)
	}
	if p.Quality != "" {
		s.WriteString(" " + string(p.Quality))
	}
	if !p.Time.IsZero() {
		s.WriteString(" @" + p.Time.Format("15:04:05.999"))
	}
	if p.TimeText != "" {
		fmt.Fprintf(&s, " @%q", p.TimeText)
	}
	for _, key := range slices.Sorted(maps.Keys(p.Tags)) {
		s.WriteString(" " + key + ":" + p.Tags[key])
	}
	return s.String()
}

func shown(points []mapping.Point) string {
	all := make([]string, len(points))
	for i := range points {
		all[i] = show(&points[i])
	}
	return strings.Join(all, "; ")
}

func TestPayloadsOfManyShapesBecomePoints(t *testing.T) {
	for name, test := range map[string]struct{ payload, want string }{
		"a number":              {"21.5", "value=21.5"},
		"a number as a text":    {`"21.5"`, `value="21.5"`},
		"a word":                {" ON\n", `value="ON"`},
		"a word in JSON":        {`"open"`, `value="open"`},
		"a boolean":             {"true", `value="true"`},
		"null":                  {"null", ""},
		"a value":               {`{"value":21.5,"timestamp":1772366398,"unit":"°F","quality":"bad"}`, "value=21.5 °F bad @11:59:58"},
		"a value of its own":    {`{"Value":3}`, "value=3"},
		"quality of Kepware":    {`{"timestamp":1772366398000,"values":[{"id":"Plant.PLC.Temp","v":42,"q":false,"t":1772366397000},{"id":"Plant.PLC.On","v":true,"q":true,"t":1772366397000}]}`, `!timestamp=1.772366398e+12; Plant.PLC.Temp=42 bad @11:59:57; Plant.PLC.On="true" good @11:59:57`},
		"values within":         {`{"oven":{"top":{"value":200,"unit":"K"},"door":{"value":"open","battery":80}},"list":[1,[2]]}`, `oven.top=200 K; oven.door.value="open"; oven.door.battery=80; list.0=1; list.1.0=2`},
		"a list of words":       {`{"modes":["auto","",null,"run"]}`, `modes.0="auto"; modes.3="run"`},
		"nothing":               {`{"a":null,"b":{},"c":[],"d":""}`, ""},
		"Telegraf":              {`{"fields":{"temp_f":212,"on":true,"x":"y","n":null},"name":"boiler","tags":{"host":"b1"},"timestamp":1772366398}`, `boiler/temp_f=212 @11:59:58 host:b1; boiler/on="true" @11:59:58 host:b1; boiler/x="y" @11:59:58 host:b1`},
		"a batch of Telegraf":   {`{"metrics":[{"fields":{"a":1},"name":"m","tags":{},"timestamp":1772366398},{"fields":{"a":2},"name":"m","tags":{},"timestamp":1772366399}]}`, "m/a=1 @11:59:58; m/a=2 @11:59:59"},
		"ThingsBoard":           {`{"ts":1772366398000,"values":{"humidity":45,"deep":{"x":1}}}`, "humidity=45 @11:59:58; deep.x=1 @11:59:58"},
		"ThingsBoard's list":    {`[{"ts":1772366398000,"values":{"a":1}},{"ts":1772366399000,"values":{"a":2}}]`, "a=1 @11:59:58; a=2 @11:59:59"},
		"ThingsBoard's pairs":   {`{"a":1,"b":2}`, "a=1; b=2"},
		"ThingsBoard's gateway": {`{"Device A":[{"ts":1772366398000,"values":{"t":42}}],"Device B":[{"ts":1772366399000,"values":{"t":43}}]}`, "t=42 @11:59:58 device:Device A; t=43 @11:59:59 device:Device B"},
		"Tasmota":               {`{"Time":"2026-03-01T11:59:58","DS18B20":{"Id":"01131B123456","Temperature":69.1},"BMP280":{"Temperature":70,"Pressure":30.1},"TempUnit":"F","PressureUnit":"inHg"}`, `!Time="2026-03-01T11:59:58"; DS18B20.Id="01131B123456" @"2026-03-01T11:59:58"; DS18B20.Temperature=69.1 F @"2026-03-01T11:59:58"; BMP280.Temperature=70 F @"2026-03-01T11:59:58"; BMP280.Pressure=30.1 inHg @"2026-03-01T11:59:58"; !TempUnit="F"; !PressureUnit="inHg"`},
		"Zigbee2MQTT":           {`{"battery":97,"humidity":41.2,"last_seen":"2026-03-01T11:59:58.000Z","linkquality":120,"temperature":21.48,"update":{"state":"idle"}}`, `battery=97 @11:59:58; humidity=41.2 @11:59:58; !last_seen="2026-03-01T11:59:58.000Z"; linkquality=120 @11:59:58; temperature=21.48 @11:59:58; update.state="idle" @11:59:58`},
		"Shelly":                {`{"src":"shellyplus1pm-a","dst":"a/events","method":"NotifyStatus","params":{"ts":1772366398.5,"switch:0":{"id":0,"apower":8.9,"temperature":{"tC":54,"tF":129.2}}}}`, "!ts=1.7723663985e+09 method:NotifyStatus src:shellyplus1pm-a; switch:0.id=0 @11:59:58.5 method:NotifyStatus src:shellyplus1pm-a; switch:0.apower=8.9 @11:59:58.5 method:NotifyStatus src:shellyplus1pm-a; switch:0.temperature.tC=54 °C @11:59:58.5 method:NotifyStatus src:shellyplus1pm-a; switch:0.temperature.tF=129.2 °F @11:59:58.5 method:NotifyStatus src:shellyplus1pm-a"},
		"ESPHome's sensor":      {"54.3", "value=54.3"},
		"ESPHome without value": {"nan", `value="nan"`},
		"ESPHome's switch":      {"OFF", `value="OFF"`},
		"ESPHome's light":       {`{"effect":"None","color_mode":"rgb","state":"ON","brightness":128,"color":{"r":255,"g":0,"b":64}}`, `effect="None"; color_mode="rgb"; state="ON"; brightness=128; color.r=255; color.g=0; color.b=64`},
		"Sparkplug as JSON":     {`{"timestamp":1772366398000,"metrics":[{"name":"Line/Temp","timestamp":1772366397000,"dataType":"Float","value":20.5},{"name":"Line/On","value":null},{"name":"Line/Speed","value":3}],"seq":1}`, `!timestamp=1.772366398e+12; Line/Temp=20.5 @11:59:57; Line/Temp.dataType="Float" @11:59:58; Line/Speed=3 @11:59:58; seq=1 @11:59:58`},
		"names deeper":          {`{"plc":{"tags":[{"name":"a","value":1},2,{"name":"b","value":3}]}}`, "plc.a=1; plc.tags.1=2; plc.b=3"},
		"a list":                {`[{"a":1},{"a":2}]`, "0.a=1; 1.a=2"},
		"lines of JSON":         {"{\"a\":1}\n{\"a\":2}\r\n", "a=1; a=2"},
		"line protocol":         {`boiler,host=b\ 1 temp_f=212,on=t,note="a b" 1772366398000000000`, `boiler/temp_f=212 @11:59:58 host:b 1; boiler/on="true" @11:59:58 host:b 1; boiler/note="a b" @11:59:58 host:b 1`},
		"lines without a time":  {"m a=1\nm a=2i", "m/a=1; m/a=2"},
		"an own reading":        {`{"device_id":"d1","device_type":"temperature_sensor","timestamp":"2026-03-01T11:59:58Z","value":20}`, "reading d1 20"},
		"own readings":          {`[{"device_id":"d1","device_type":"x","value":20},{"device_id":"d2","device_type":"x","value":21}]`, "reading d1 20; reading d2 21"},
		"not finite":            {`{"a":NaN,"b":-Infinity,"c":1e400}`, "a=NaN; b=-Inf; c=+Inf"},
		"escapes":               {`{"\u0074emp\n":"\u00b0\ud83d\ude00\ud83d"}`, "temp\n=\"°😀�\""},
		"byte order mark":       {"\xef\xbb\xbf{\"a\":1}\x00", "a=1"},
	} {
		points, err := payload.NewDecoder(payload.Auto).Decode([]byte(test.payload), nil)
		if got := shown(points); err != nil || got != test.want {
			t.Errorf("%s:\ngot  %s, %v\nwant %s", name, got, err, test.want)
		}
	}
}

func TestCBORIsLikeJSON(t *testing.T) {
	at := time.Date(2026, 3, 1, 11, 59, 58, 0, time.UTC)
	for name, test := range map[string]struct {
		value any
		want  string
	}{
		"a map":          {map[string]any{"temp": 20.5, "n": -3, "on": true, "raw": []byte{1}, "list": []any{1, "x"}}, `list.0=1; list.1="x"; n=-3; on="true"; temp=20.5`},
		"a value":        {map[string]any{"value": float32(1.5), "timestamp": cbor.Tag{Number: 1, Content: at.Unix()}, "unit": "K"}, "value=1.5 K @11:59:58"},
		"keys of SenML":  {[]any{map[any]any{0: "t", 2: 21}}, `0.0="t"; 0.2=21`},
		"ThingsBoard":    {map[string]any{"ts": at.UnixMilli(), "values": map[string]any{"t": 1}}, "t=1 @11:59:58"},
		"a huge integer": {[]any{uint64(1 << 63)}, "0=9.223372036854776e+18"},
	} {
		encoded, err := cbor.Marshal(test.value)
		if err != nil {
			t.Fatal(err)
		}
		for _, format := range []payload.Format{payload.Auto, payload.CBOR} {
			points, err := payload.NewDecoder(format).Decode(encoded, nil)
			if got := shown(points); err != nil || got != test.want {
				t.Errorf("%s by %s: got %s, %v, want %s", name, format, got, err, test.want)
			}
		}
	}
}

// What cannot be decoded says why, in one short sentence, and costs little.
func TestPayloadsThatAreWrongSayWhy(t *testing.T) {
	many := strings.Repeat("1,", payload.MaxPoints) + "1"
	nested, err := cbor.Marshal([]any{1})
	if err != nil {
		t.Fatal(err)
	}
	for range 40 {
		nested = append([]byte{0x81}, nested...)
	}
	for name, test := range map[string]struct {
		format        payload.Format
		payload, want string
	}{
		"empty":                       {"", " ", "empty"},
		"cut off":                     {"", `{"a":1`, "not valid JSON at byte 7"},
		"two values":                  {"", `{"a":1} x`, "something follows"},
		"a name twice":                {"", `{"a":1,"b":{"c":1,"c":2}}`, `"c" occurs twice`},
		"a name twice in a big one":   {"", `{` + strings.Repeat(`"x`, 0) + names(40) + `"n3":1}`, `"n3" occurs twice`},
		"a leading zero":              {"json", `{"a":01}`, "leading zeros"},
		"a comma too many":            {"json", `[1,]`, "not valid JSON at byte 4"},
		"a control character":         {"json", "\"a\nb\"", "control character"},
		"an unknown escape":           {"json", `"\x"`, "unknown escape"},
		"not JSON":                    {"json", "ON", "want a value"},
		"deep":                        {"", strings.Repeat("[", 100_000), "more than 32 objects and arrays"},
		"deep objects":                {"", strings.Repeat(`{"a":`, 100_000), "more than 32 objects and arrays"},
		"many":                        {"", "[" + many + "]", "more than 10000 values"},
		"many, and more":              {"", "[" + many + "," + many + "," + many + "," + many + "]", "more than 40000 values"},
		"many lines":                  {"", strings.Repeat("m a=1\n", payload.MaxPoints+1), "more than 10000 values"},
		"many lines of JSON":          {"", strings.Repeat("{\"a\":1}\n", payload.MaxPoints+1), "more than 10000 values"},
		"long":                        {"", strings.Repeat("1", payload.MaxBytes+1), "longer than 1048576 bytes"},
		"a long path":                 {"", `{"` + strings.Repeat("x", payload.MaxField) + `":{"y":1}}`, "path is longer than 512 bytes"},
		"a long text":                 {"", strings.Repeat("x ", payload.MaxField+1), "longer than 1024 bytes"},
		"not UTF-8":                   {"json", "{\"a\":\"\xff\"}", "not UTF-8 at byte 7"},
		"binary":                      {"", "\x01\x02\x03", "neither text nor a known binary format (begins with 01 02 03)"},
		"UTF-16":                      {"", "\xff\xfe1\x00", "a text in UTF-16: send UTF-8"},
		"UTF-16, big end first":       {"", "\xfe\xff\x001", "a text in UTF-16: send UTF-8"},
		"cut-off CBOR":                {"", "\xa1\x61a", "not valid CBOR"},
		"a lying length of CBOR":      {"cbor", "\x9a\xff\xff\xff\xff", "not valid CBOR"},
		"a key of CBOR twice":         {"cbor", "\xa2\x61a\x01\x61a\x02", "not valid CBOR"},
		"keys of CBOR that look same": {"cbor", "\xa2\x01\x01\x611\x02", "occurs twice"},
		"deep CBOR":                   {"cbor", string(nested), "not valid CBOR"},
		"a line with a wrong time":    {"line", "m a=1 20240130120000", "looks like a date"},
		"no line":                     {"line", "x", "not a line of the line protocol"},
		"a broken own reading":        {"", `{"device_id":1,"device_type":"x","value":1}`, "device_id: "},
	} {
		points, err := payload.NewDecoder(test.format).Decode([]byte(test.payload), nil)
		var invalid *iot.InvalidError
		if !errors.As(err, &invalid) || !strings.Contains(err.Error(), test.want) || len(err.Error()) > 400 || len(points) > 0 {
			t.Errorf("%s: got %d points, %v, want %q", name, len(points), err, test.want)
		}
	}
}

func names(n int) string {
	var s strings.Builder
	for i := range n {
		fmt.Fprintf(&s, `"n%d":1,`, i)
	}
	return s.String()
}
