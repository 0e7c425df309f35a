package replay

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
)

// named makes a file of the text with a name.
func named(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// described writes readings in short.
func described(readings []iot.Reading) string {
	var text []string
	for _, r := range readings {
		text = append(text, strings.TrimSpace(fmt.Sprintf("%s %s %s %.4g %s %s %s", r.Time.Format("15:04:05"), r.ID, r.Type, r.Value, r.Location.Building, r.Location.Room, r.Quality)))
	}
	return strings.Join(text, "\n")
}

// The rules of a source make of a recording what they make of what the source receives: from a table, lines of JSON, or the line protocol.
func TestTheRulesOfASourceReadEveryKindOfRecording(t *testing.T) {
	const rules = `map:
  - {field: spare, ignore: true}
  - {field: temp_f, device: "{{station}}/temp", type: temperature_sensor, unit: °F, building: "{{site}}", floor: "2", room: "r{{station}}",
     quality: {field: state, words: {ok: good, check: uncertain}}}
  - {field: pump, device: "{{station}}/pump", type: switch_sensor, words: {run: 1, rest: 0}}
  - {field: "amps*", device: "{{station}}/{{field}}", type: current_sensor, unit: mA, scale: 1000}
`
	const want = `12:00:00 007/temp temperature_sensor 100 north r007 good
12:00:00 007/pump switch_sensor 1
12:00:00 007/amps1 current_sensor 0.5
12:00:10 008/temp temperature_sensor 0 south r008 uncertain
12:00:10 008/pump switch_sensor 0
12:00:10 008/amps1 current_sensor 0.25`
	for name, text := range map[string]string{
		"hall.csv": "at;station;site;state;temp_f;pump;amps1;spare\n2026-01-01 12:00:00;007;north;ok;212;run;0,5;9\n2026-01-01 12:00:10;008;south;check;32;rest;0,25;8\n",
		"hall.jsonl": `{"time":"2026-01-01T12:00:00Z","station":"007","site":"north","state":"ok","temp_f":212,"pump":"run","amps1":0.5,"spare":9}
{"time":"2026-01-01T12:00:10Z","station":"008","site":"south","state":"check","temp_f":32,"pump":"rest","amps1":0.25,"spare":8}
`,
		"hall.lp": `# exported
hall,station=007,site=north state="ok",temp_f=212,pump="run",amps1=0.5,spare=9i 1767268800000000000
hall,station=008,site=south state="check",temp_f=32,pump="rest",amps1=0.25,spare=8i 1767268810000000000
`,
	} {
		t.Run(name, func(t *testing.T) {
			server, log := realSystem(t)
			args := []string{"-to", server.URL, "-mapping", named(t, "map.yaml", rules), named(t, name, text)}
			if strings.HasSuffix(name, ".csv") {
				args = append(args, "-decimal-comma", "-time-column", "at")
			}
			status, stdout, stderr := command(t, args...)
			if status != 0 || stderr != "" {
				t.Fatalf("got status %d and %s%s", status, stdout, stderr)
			}
			if got := strings.ReplaceAll(described(log.got), "  \n", "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if name == "hall.csv" && strings.Contains(stdout, `"station"`) {
				t.Errorf("got\n%s\nwant the columns that name devices not called unmapped", stdout)
			}
		})
	}
}

// Flags come before the rules of the file, and the times of rules are those of their values.
func TestFlagsComeBeforeRules(t *testing.T) {
	server, log := realSystem(t)
	rules := named(t, "map.yaml", `map: [{field: "*", device: "r/{{field}}", type: temperature_sensor, time: {field: when, format: "%d.%m.%Y %H:%M", zone: Europe/Berlin}}]`)
	path := named(t, "a.csv", "when,T,U,*\n31.12.2025 13:00,1,2,3\n")
	status, stdout, stderr := command(t, "-to", server.URL, "-mapping", rules, "-map", "T=flag,temperature_sensor", "-map", "*=star,temperature_sensor", path)
	if status != 0 {
		t.Fatalf("got status %d and %s%s", status, stdout, stderr)
	}
	want := "12:00:00 flag temperature_sensor 1\n12:00:00 r/U temperature_sensor 2\n12:00:00 star temperature_sensor 3"
	if got := described(log.got); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A column may have any name, also that of a placeholder, and two may have the same.
func TestColumnsMayHaveAnyName(t *testing.T) {
	server, log := realSystem(t)
	path := named(t, "a.csv", "time,name,field,T,T\n2026-01-01 12:00:00,a,temperature_sensor,1,2\n2026-01-01 12:00:01,b,temperature_sensor,3,4\n")
	if status, stdout, stderr := command(t, "-to", server.URL, "-long", "device=name,type=field,value=5", path); status != 0 {
		t.Fatalf("got status %d and %s%s", status, stdout, stderr)
	}
	if status, stdout, stderr := command(t, "-to", server.URL, "-map", "4=x,temperature_sensor", path); status != 0 {
		t.Fatalf("got status %d and %s%s", status, stdout, stderr)
	}
	want := "12:00:00 a temperature_sensor 2\n12:00:01 b temperature_sensor 4\n12:00:00 x temperature_sensor 1\n12:00:01 x temperature_sensor 3"
	if got := described(log.got); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// What the API has written needs no rule.
func TestReadingsAreReplayedWithoutRules(t *testing.T) {
	server, log := realSystem(t)
	path := named(t, "export.ndjson", `{"device_id":"a","device_type":"temperature_sensor","timestamp":"2026-01-01T12:00:00Z","value":20.5,"unit":"°C"}`+"\n")
	if status, stdout, stderr := command(t, "-to", server.URL, path); status != 0 {
		t.Fatalf("got status %d and %s%s", status, stdout, stderr)
	}
	if got, want := described(log.got), "12:00:00 a temperature_sensor 20.5"; !strings.HasPrefix(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Rules with topics are those of a source of MQTT: the flag says which topic the recording is of.
func TestRulesWithTopicsReadRecordingsOfATopic(t *testing.T) {
	server, log := realSystem(t)
	rules := named(t, "map.yaml", `map: [{topic: "plant/+/state", field: t, device: "{{topic 2}}", type: temperature_sensor}, {topic: "plant/+/lwt", status: {below: "{{topic 2}}"}}]`)
	path := named(t, "a.jsonl", `{"ts":1767268800,"t":21.5}`+"\n")
	status, stdout, stderr := command(t, "-to", server.URL, "-mapping", rules, "-topic", "plant/oven/state", path)
	if status != 0 || !strings.Contains(stderr, "rules with a status make nothing") {
		t.Fatalf("got status %d and %s%s", status, stdout, stderr)
	}
	if got, want := described(log.got), "12:00:00 oven temperature_sensor 21.5"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPayloadsThatCannotBeReplayedAreCountedByLine(t *testing.T) {
	server, _ := realSystem(t)
	rules := named(t, "map.yaml", `map: [{field: t, device: a, type: temperature_sensor}]`)
	path := named(t, "a.jsonl", "{\"ts\":1767268800,\"t\":1,\"other\":2}\n\n{broken\n{\"t\":3}\n"+strings.Repeat("x", 2<<20)+"\n{\"ts\":1767268801,\"t\":\"hot\"}\n")
	_, stdout, _ := command(t, "-to", server.URL, "-mapping", rules, path)
	for _, want := range []string{
		"read      5 rows", "accepted  1", ", line 3\n", "1 × timestamp: missing: a recording needs the time of each reading; the time of a rule says where it is, line 4",
		"1 × line: longer than 1048576 bytes", ", line 5\n", `1 × value: not a number (got "hot"), line 6`, `not sent  fields "other": not mapped`,
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("got\n%s\nwant %q in it", stdout, want)
		}
	}
}

// What is suggested for payloads is a mapping file that reads them, once what nobody can know is filled in.
func TestTheRulesThatAreSuggestedReadTheRecording(t *testing.T) {
	const text = `{"time":"2026-01-01T12:00:00Z","device":"oven","bake":{"temp":81.5,"speed*":3},"label":"x"}
{"time":"2026-01-01T12:00:01Z","device":"press","bake":{"temp":82.5,"speed*":4},"label":"y"}
`
	path := named(t, "hall.jsonl", text)
	status, stdout, stderr := command(t, "-inspect", path)
	if status != 0 || !strings.Contains(stdout, "range      2026-01-01T12:00:00Z to 2026-01-01T12:00:01Z") || !strings.Contains(stdout, `2 numbers, 81.5 to 82.5`) {
		t.Fatalf("got status %d and %s%s", status, stdout, stderr)
	}
	_, inspected, _ := strings.Cut(stdout, "\n\n")
	_, inspected, _ = strings.Cut(inspected, "\n\n")
	status, _, stderr = command(t, path)
	_, suggested, _ := strings.Cut(stderr, "file:\n")
	suggested, _, _ = strings.Cut(suggested, "iotmon replay -inspect")
	if status != 2 || suggested != inspected {
		t.Errorf("got status %d and\n%s\nwant the same as of -inspect\n%s", status, suggested, inspected)
	}
	server, log := realSystem(t)
	rules := named(t, "map.yaml", strings.NewReplacer("TYPE", "measure", "unit: UNIT", "unit: x").Replace(suggested))
	if status, stdout, stderr := command(t, "-to", server.URL, "-mapping", rules, path); status != 0 {
		t.Fatalf("got status %d and %s%s\n%s", status, stdout, stderr, suggested)
	}
	want := "12:00:00 oven/bake.temp temperature_sensor 81.5\n12:00:00 oven/bake.speed measure 3\n12:00:01 press/bake.temp temperature_sensor 82.5\n12:00:01 press/bake.speed measure 4"
	if got := described(log.got); got != want {
		t.Errorf("got\n%s\nwant\n%s\nof\n%s", got, want, suggested)
	}
}

func TestMistakesInRulesAreReportedBeforeAnythingIsSent(t *testing.T) {
	table, lines := "T,time\n1,2026-01-01\n", `{"ts":1767268800,"T":1}`+"\n"
	for _, test := range []struct{ rules, name, text, want string }{
		{"map: [{field: T, devise: a}]", "a.csv", table, `line 1: unknown key "devise" (known: battery, building`},
		{"map:\n- field: T\n  device: a\n  type: temperature_sensor\n  time: {felt: x}", "a.csv", table, `line 5: unknown key "felt" (known: arrival, field, format, zone)`},
		{"map: [{field: T, device: a, type: thermometer}]", "a.csv", table, "the system would refuse everything of a: device_type: unknown"},
		{"map: [{field: T, device: a}]", "a.csv", table, "map: rule 0: type: missing"},
		{"map: [{field: X, device: a, type: temperature_sensor}]", "a.csv", table, "no rule is for any column: "},
		{"map: [{field: T, device: a, type: temperature_sensor, time: {zone: UTC}}]", "a.csv", table, "map: rule 0: time: needs a field"},
		{"zone: UTC\nmap: [{field: T, device: a, type: temperature_sensor}]", "a.jsonl", lines, "are for tables, and this is lines of JSON"},
		{"long: {device: a, type: b, value: c}", "a.jsonl", lines, "the long form is for tables"},
	} {
		server := strictSystem(t, 0, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a reading was sent") }))
		status, stdout, stderr := command(t, "-to", server.URL, "-mapping", named(t, "map.yaml", test.rules), named(t, test.name, test.text))
		if status != 2 || !strings.Contains(stderr, test.want) {
			t.Errorf("%s: got status %d and %s%s, want %s", test.rules, status, stdout, stderr, test.want)
		}
	}
	if status, _, stderr := command(t, "-format", "xml", "x"); status != 2 || !strings.Contains(stderr, "must be csv, json or line") {
		t.Errorf("got status %d and %s", status, stderr)
	}
}

// FuzzPayloads reads any text as a recording of payloads.
func FuzzPayloads(f *testing.F) {
	f.Add("{\"ts\":1767268800,\"T\":1}\n{\"T\":\"x\"}\n", true)
	f.Add("m,host=a T=1,U=\"x\" 1767268800000000000\n# x\n", false)
	f.Add("{", true)
	f.Fuzz(func(t *testing.T, text string, json bool) {
		format := LineProtocol
		if json {
			format = JSONLines
		}
		compiled, err := mapping.New([]mapping.Rule{{Field: "**", Device: "{{value id}}{{field}}", Type: "{{T}}", Unit: "{{u}}"}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		r := &openFile{records: newPayloads(strings.NewReader(text), format, "")}
		c := r.converter(compiled, nil, func(string) {})
		for {
			record, err := c.next()
			if err != nil && !strings.HasPrefix(err.Error(), "line ") {
				return
			}
			for _, reading := range c.convert(record, nil, func(valueError) {}) {
				if reading.Time.IsZero() {
					t.Fatalf("got %+v without a time", reading)
				}
			}
		}
	})
}

// The example in the documentation is what it says.
func TestTheDocumentedRulesReadTheDocumentedTable(t *testing.T) {
	text, err := os.ReadFile("../../docs/examples/replay/README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string) string {
		_, rest, _ := strings.Cut(string(text), "\n```"+kind+"\n")
		content, _, _ := strings.Cut(rest, "```")
		return content
	}
	server, log := realSystem(t)
	status, stdout, stderr := command(t, "-to", server.URL, "-mapping", named(t, "hall.yaml", block("yaml")), named(t, "hall.csv", block("csv")))
	want := "12:00:00 007/temp temperature_sensor 100 north  good\n12:00:00 007/pump switch_sensor 1\n12:00:00 007/amps1 current_sensor 0.5"
	if got := described(log.got); status != 0 || got != want {
		t.Errorf("got status %d, %s%s\n%s\nwant\n%s", status, stdout, stderr, got, want)
	}
}
