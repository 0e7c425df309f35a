package httpsource_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"
	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	httpsource "iotmon/internal/source/http"
)

// boilers maps what the programs of these tests send.
func boilers(t testing.TB) *mapping.Rules {
	t.Helper()
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := mapping.New([]mapping.Rule{
		{Measurement: "boiler", Field: "temp_f", Device: "{host}-temp", Type: iot.Temperature, Unit: "°F", Building: "{site}"},
		{Measurement: "boiler", Field: "burner", Device: "{host}-burner", Type: iot.Switch},
		{Field: "humidity", Device: "{device}", Type: iot.Humidity},
	}, catalog)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func postTo(h http.Handler, target, contentType, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestTheShapesOfOtherProgramsAreMapped(t *testing.T) {
	const second = "1772366398" // Two seconds before noon.
	metric := `{"fields":{"temp_f":212,"burner":true,"pressure_kpa":3},"name":"boiler","tags":{"host":"b1","site":"north"},"timestamp":` + second + `}`
	tests := map[string]struct {
		contentType, body string
		want              []string
	}{
		"a batch of Telegraf":     {"application/json", `{"metrics":[` + metric + `,` + strings.Replace(metric, "b1", "b2", 1) + `]}`, []string{"b1-temp", "b1-burner", "b2-temp", "b2-burner"}},
		"a metric of Telegraf":    {"application/json", metric, []string{"b1-temp", "b1-burner"}},
		"metrics in lines":        {"application/x-ndjson", metric + "\n" + strings.Replace(metric, "b1", "b2", 1), []string{"b1-temp", "b1-burner", "b2-temp", "b2-burner"}},
		"any JSON with a rule":    {"application/json", `[{"timestamp":` + second + `,"climate":{"humidity":{"value":45}},"humidity":44}]`, []string{"h1"}},
		"ThingsBoard":             {"application/json", `{"ts":` + second + `000,"values":{"humidity":45,"rssi":-60}}`, []string{"h1"}},
		"an array of ThingsBoard": {"application/json", `[{"ts":` + second + `000,"values":{"humidity":"45"}}]`, []string{"h1"}},
		"lines":                   {"application/vnd.influx.line-protocol", "# a comment\nboiler,host=b1,site=north temp_f=212,burner=t,pressure=3i " + second + "000000000\n\n", []string{"b1-temp", "b1-burner"}},
		"lines with escapes":      {"application/vnd.influx.line-protocol; charset=utf-8", `boiler,host=b\ 1,site=n temp_f="212",x="a \"b\"" ` + second + "000000000\r\n", []string{"b 1-temp"}},
	}
	for name, test := range tests {
		var log memoryLog
		h := newHandler(t, &log, func(o *httpsource.Options) { o.Mapping = boilers(t) })
		w := postTo(h, "/api/v1/readings?device=h1", test.contentType, test.body)
		if got := result(t, w); w.Code != http.StatusOK || got.Accepted != len(test.want) {
			t.Errorf("%s: got %d %s, want %q", name, w.Code, w.Body, test.want)
			continue
		}
		for i, r := range log.readings {
			if string(r.ID) != test.want[i] || !r.Time.Equal(noon.Add(-2*time.Second)) {
				t.Errorf("%s: got %s at %v, want %s two seconds before noon", name, r.ID, r.Time, test.want[i])
			}
			if r.Type == iot.Temperature && (r.Value < 99.999 || r.Value > 100.001) || r.Type == iot.Switch && r.Value != 1 {
				t.Errorf("%s: got %s %v", name, r.ID, r.Value)
			}
		}
	}
}

// Strings of the line protocol may hold line breaks, such as a program's message. What looks like a point within one is none.
func TestAStringMayHoldLines(t *testing.T) {
	const lines = "application/vnd.influx.line-protocol"
	const point = "boiler,host=b1,site=n temp_f=212 1772366398"
	for name, test := range map[string]struct {
		body               string
		accepted, rejected int
	}{
		"a string of two lines":                 {`boiler,host=a,site=n note="one` + "\n" + `two",temp_f=1 1772366398`, 1, 0},
		"a point in a string":                   {`boiler,host=a,site=n note="x` + "\n" + point + "\n" + `",temp_f=1 1772366398` + "\n" + point, 2, 0},
		"an escaped quote before the point":     {`boiler,host=a,site=n note="x\"` + "\n" + point + "\n" + `",temp_f=1 1772366398`, 1, 0},
		"an escaped backslash ends it":          {`boiler,host=a,site=n note="x\\",temp_f=1 1772366398` + "\n" + point, 2, 0},
		"quotes in tags":                        {`boiler,host="a,site="n temp_f=1 1772366398` + "\n" + point, 2, 0},
		"an escaped equals sign":                {`boiler,host=a,site=n a\="b=1,temp_f=1 1772366398` + "\n" + point, 2, 0},
		"a quote in a comment":                  {`# a x="` + "\n" + point, 1, 0},
		"a string that does not end":            {`boiler,host=a,site=n note="x,temp_f=1 1772366398` + "\n" + point + "\n" + point, 2, 1},
		"a backslash at the end of a line":      {`boiler,host=a,site=n temp_f=1 1772366398\` + "\n" + point, 1, 1},
		"blanks before points":                  {"  " + point + "\n \t" + point, 2, 0},
		"line breaks of Windows within and out": {"boiler,host=a,site=n note=\"one\r\ntwo\",temp_f=1 1772366398\r\n" + point + "\r\n", 2, 0},
	} {
		var log memoryLog
		h := newHandler(t, &log, func(o *httpsource.Options) { o.Mapping = boilers(t) })
		got := result(t, postTo(h, "/api/v1/readings", lines, test.body))
		if got.Accepted != test.accepted || len(got.Rejected) != test.rejected {
			t.Errorf("%s: got %+v, want %d accepted and %d rejected", name, got, test.accepted, test.rejected)
		}
	}
}

// Whatever a well-kept encoder writes comes in as the points that it was given.
func TestEncodedPointsComeIn(t *testing.T) {
	text := rapid.StringOfN(rapid.SampledFrom([]rune("a\"\\ ,=#\n\t\r'é")), 1, 12, -1)
	name := rapid.StringOfN(rapid.SampledFrom([]rune("a\" ,=#é")), 1, 6, -1)
	rapid.Check(t, func(rt *rapid.T) {
		var encoder lineprotocol.Encoder
		n := rapid.IntRange(1, 5).Draw(rt, "points")
		for i := range n {
			encoder.StartLine("boiler")
			encoder.AddTag("a", name.Draw(rt, "tag"))
			encoder.AddTag("host", fmt.Sprint("h", i))
			encoder.AddTag("site", "n")
			for j := range rapid.IntRange(0, 2).Draw(rt, "strings") {
				encoder.AddField(fmt.Sprint(name.Draw(rt, "field"), j), lineprotocol.MustNewValue(text.Draw(rt, "string")))
			}
			encoder.AddField("temp_f", lineprotocol.MustNewValue(212.0))
			encoder.EndLine(noon.Add(-2 * time.Second))
		}
		if encoder.Err() != nil {
			rt.Skip("a name that cannot be written")
		}
		var log memoryLog
		h := newHandler(t, &log, func(o *httpsource.Options) { o.Mapping = boilers(t) })
		w := postTo(h, "/api/v1/readings", "application/vnd.influx.line-protocol", string(encoder.Bytes()))
		if len(log.readings) != n {
			rt.Fatalf("%q: got %s, want %d readings", encoder.Bytes(), w.Body, n)
		}
		for i, r := range log.readings {
			if string(r.ID) != fmt.Sprintf("h%d-temp", i) {
				rt.Fatalf("%q: got %s, want h%d-temp", encoder.Bytes(), r.ID, i)
			}
		}
	})
}

func TestTheReasonListsTheNamesOfUnmappedValues(t *testing.T) {
	const lines = "application/vnd.influx.line-protocol"
	for name, test := range map[string]struct {
		contentType, body string
		mapped            bool
		reason            string
	}{
		"Telegraf without rules": {"application/json", `{"metrics":[{"fields":{"usage_idle":98,"usage_user":1},"name":"cpu","tags":{"host":"a"},"timestamp":1772366398}]}`, false,
			`Telegraf: measurement "cpu", fields "usage_idle", "usage_user", tags "host"; add rules to ingest.map`},
		"a single metric":           {"application/json", `{"fields":{"usage_idle":98},"name":"cpu","tags":{},"timestamp":1772366398}`, true, "no rule of ingest.map"},
		"Telegraf without the rule": {"application/json", `[{"fields":{"usage_idle":98},"name":"cpu","tags":{},"timestamp":1772366398}]`, true, "no rule of ingest.map"},
		"ThingsBoard":               {"application/json", `[{"ts":1772366398000,"values":{"temperature":1}}]`, false, `ThingsBoard: measurement "", fields "temperature"`},
		"ThingsBoard without time":  {"application/json", `[{"values":{"temperature":1}}]`, false, `missing (keys: "values")`},
		"lines":                     {lines, "cpu,host=a idle=1 1772366398000000000", false, `line protocol of InfluxDB: measurement "cpu"`},
		"lines without time":        {lines, "boiler,host=a,site=b temp_f=1", true, "missing"},
		"no lines":                  {lines, `{"metrics":[]}`, true, "not a line of the line protocol"},
		"a tag that is missing":     {lines, "boiler,site=b temp_f=1 1772366398", true, `no tag "host"`},
		"a switch of 2":             {lines, "boiler,site=b,host=a burner=2 1772366398", true, `range 0 to 1  of switch_sensor (got 2), in its field "burner"`},
		"any JSON":                  {"application/json", `[{"temp":1,"sensor":"x"}]`, false, `missing (keys: "sensor", "temp")`},
		"too many keys":             {"application/json", `[{` + strings.Repeat(`"k":1,`, 900) + strings.Repeat(`"`+strings.Repeat("x", 100)+`":1,`, 1) + `"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1}]`, false, "2 more"},
	} {
		var log memoryLog
		h := newHandler(t, &log, func(o *httpsource.Options) {
			if test.mapped {
				o.Mapping = boilers(t)
			}
		})
		w := postTo(h, "/api/v1/readings", test.contentType, test.body)
		got := result(t, w)
		if w.Code != http.StatusMultiStatus || len(got.Rejected) != 1 || !strings.Contains(got.Rejected[0].Reason, test.reason) {
			t.Errorf("%s: got %d %s, want 207 and a reason with %q", name, w.Code, w.Body, test.reason)
		}
	}
}

// FuzzLines sends any lines. A reading that is accepted must not be rejected later.
func FuzzLines(f *testing.F) {
	for _, seed := range []string{"boiler,host=a,site=b temp_f=1,burner=t 1772366398", "#\n\n", `m,t=\ x f="a\"b",g=1i 1` + "\n" + `,= =`, "humidity humidity=1e400 1772366398"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var log memoryLog
		h := newHandler(t, &log, func(o *httpsource.Options) { o.Mapping = boilers(t) })
		w := postTo(h, "/api/v1/readings?device=h1", "application/vnd.influx.line-protocol", body)
		if w.Code != http.StatusOK && w.Code != http.StatusMultiStatus && w.Code != http.StatusBadRequest {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		for i := range log.readings {
			checkAdmittedAgain(t, log.readings[i])
		}
	})
}
