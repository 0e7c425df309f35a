package api_test

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
)

// importTable sends a table.
func importTable(h http.Handler, query, table string) *httptest.ResponseRecorder {
	return send(h, http.MethodPost, "/api/v1/registry"+query, table, "Content-Type", "text/csv")
}

func TestImportingATable(t *testing.T) {
	r := newRegistry()
	h := newAPI(t, plant{device("d1", iot.Temperature, 1, nil)}, &archive{}, r.use)
	r.enter(t, map[iot.DeviceID]iot.DeviceEntry{"d1": {Name: "old", Area: "hall", Labels: map[string]string{"line": "1", "kept": "x"}}})
	table := "\ufeffdevice_id;name;unit;label.line;limit.temperature_high;retired\r\nd1;new; K ;;30.5;是\r\n'=d2;;;2;;\r\nd3;;;;;\r\n"
	const want = `"rows":3,"changed":2,"in_force":%t,"items":[{"device_id":"d1","before":{"version":1,"name":"old","area":"hall","labels":{"kept":"x","line":"1"}},` +
		`"after":{"version":2,"name":"new","area":"hall","labels":{"kept":"x"},"limits":{"temperature_high":30.5},"unit":"K","retired":true}},` +
		`{"device_id":"=d2","after":{"version":1,"labels":{"line":"2"}}}]`
	w := importTable(h, "?dry_run=true", table)
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"dry_run":true,`+fmt.Sprintf(want, false)) {
		t.Errorf("dry run: got %d %s", w.Code, w.Body)
	}
	if entry := r.Device(iot.Identity{ID: "d1"}); entry.Version != 1 {
		t.Errorf("a dry run has changed an entry: %+v", entry)
	}
	w = importTable(h, "", table)
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"dry_run":false,`+fmt.Sprintf(want, true)) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if w = importTable(h, "", table); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"changed":0`) {
		t.Errorf("again: got %d %s", w.Code, w.Body)
	}
}

func TestATableWithMistakesChangesNothing(t *testing.T) {
	r := newRegistry()
	h := newAPI(t, plant{device("d9", iot.Temperature, 1, nil)}, &archive{}, r.use)
	r.enter(t, map[iot.DeviceID]iot.DeviceEntry{"d1": {Name: "x"}})
	for _, test := range []struct {
		table    string
		status   int
		contains []string
	}{
		{"", 400, []string{"required"}},
		{"\n", 422, []string{"no table"}},
		{"name\nx\n", 422, []string{"column device_id is missing"}},
		{"device_id,name,name\n", 422, []string{"twice"}},
		{"device_id,colour\n", 422, []string{`unknown column \"colour\"`, "label.NAME"}},
		{"device_id,label.\n", 422, []string{"unknown column"}},
		{"device_id,interval_seconds,retired,limit.x,area\nd2,fast,,,\n ,1,maybe,1e999,\nd3,1e9,,NaN,/\n", 422, []string{
			"line 2, column interval_seconds", "line 3, column device_id", "line 3, column retired", "line 3, column limit.x", "line 4, column interval_seconds",
			"6 mistakes",
		}},
		{"device_id,name\nd2\n", 422, []string{"wrong number of fields"}},
		{"device_id,name\nd2,\"x\n", 422, []string{"has 1 mistake\""}},
		{"device_id,name\nd\"2,x\n", 422, []string{"parse error on line 2"}},
		{"device_id,name\n\"d2,x\n", 422, []string{"parse error on line 2"}},
		{"device_id,label.é,label.e\u0301\n", 422, []string{"twice"}},
		{"device_id,name\nd2,x\nd2,y\n", 422, []string{"the same device twice"}},
		{"device_id,version,name\nd2,,x\nd1,3,y\n", 412, []string{`device \"d1\" has version 1`}},
		{"device_id,unit\nd2,x\nd9,bar\n", 422, []string{"body.unit", `device \"d9\"`}},
		{"device_id,version\nd2,first\n", 422, []string{"must be a version"}},
	} {
		w := importTable(h, "", test.table)
		for _, contains := range test.contains {
			checkProblem(t, w, test.status, contains)
		}
	}
	if all := r.store.All(); len(all) != 1 {
		t.Errorf("got %d entries, want only the first", len(all))
	}
}

// A row of 32 MB of commas took 3 GB of memory, and any number of tables could be imported at the same time.
func TestAnImportIsBounded(t *testing.T) {
	r := newRegistry()
	h := newAPI(t, plant{}, &archive{}, r.use)
	for _, table := range []string{strings.Repeat(",", 1<<20), "device_id\n" + strings.Repeat(",", 1<<20), "device_id\n" + strings.Repeat("\"\n\",", 1<<18)} {
		checkProblem(t, importTable(h, "", table), http.StatusUnprocessableEntity, "a row is longer than 262144 bytes")
	}
	var rows strings.Builder
	for i := range 20_000 { // Together they are longer than one may be.
		fmt.Fprintf(&rows, "pump %d,%s\n", i, strings.Repeat("x", 100))
	}
	if w := importTable(h, "?dry_run=true", "device_id,name\n"+rows.String()); w.Code != http.StatusOK {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	// Each mistake takes 300 bytes of memory: all of this table's took gigabytes.
	names := "device_id"
	for i := range 10_000 {
		names += fmt.Sprint(",limit.", i)
	}
	checkProblem(t, importTable(h, "", names+"\n"+strings.Repeat("d"+strings.Repeat(",x", 10_000)+"\n", 50)), http.StatusUnprocessableEntity, "500000 mistakes")
	checkProblem(t, importTable(h, "", names+"\n"+strings.Repeat("d"+strings.Repeat(",", 10_000)+"\n", 801)), http.StatusUnprocessableEntity, "8000000 cells")
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		r.after = -1
		h := newAPI(t, plant{}, &archive{}, r.use)
		done := make(chan *httptest.ResponseRecorder)
		go func() { done <- importTable(h, "", "device_id,name\nd1,x\n") }()
		synctest.Wait() // Until it is in force.
		w := importTable(h, "", "device_id,name\nd2,x\n")
		checkProblem(t, w, http.StatusTooManyRequests, "another table")
		if first := <-done; first.Code != http.StatusAccepted || w.Header().Get("Retry-After") == "" {
			t.Errorf("got %d and %v", first.Code, w.Header())
		}
	})
}

// entries generates valid entries with texts that could be taken for something else: by a spreadsheet, by the table, or by a list in a cell.
func entries() *rapid.Generator[iot.DeviceEntry] {
	runes := []rune("abxyz=+-@'\"\\;,. \t\r\n\u00a0\ufeff\u0301\u200d\x00中文日本語한국어ไทยनमस्तेعربעבריתЖЯΩéß️😀＝＋－＠")
	text := rapid.OneOf(
		rapid.StringOfN(rapid.SampledFrom(runes), 0, 8, -1),
		rapid.SampledFrom([]string{"", "=1+1", "'=1", "''", "'", "-5", "@SUM(A1)", "a,b;c", `"quoted"`, `a\`, `\;`, "a=b;c=d", "两 个", "＝1", "'＝1", "label.a", "e\u0301"}),
	)
	name := text.Filter(func(name string) bool {
		return (&iot.DeviceEntry{Version: 1, Labels: map[string]string{name: ""}}).Normalize() == nil
	})
	number := rapid.OneOf(rapid.Float64Range(-1e9, 1e9), rapid.SampledFrom([]float64{0, -1, 1e-300, math.MaxFloat64}))
	return rapid.Custom(func(t *rapid.T) iot.DeviceEntry {
		return iot.DeviceEntry{
			Name: text.Draw(t, "name"), Unit: rapid.SampledFrom([]string{"", "K", "=x"}).Draw(t, "unit"), Retired: rapid.Bool().Draw(t, "retired"),
			Parent:   iot.DeviceID(rapid.SampledFrom([]string{"", "a gateway", "=gateway", "'=gateway"}).Draw(t, "parent")),
			Area:     iot.Area(rapid.SampledFrom([]string{"", "hall/=1", "'=a/b;c,d"}).Draw(t, "area")),
			Interval: time.Duration(rapid.Int64Range(0, 1e12).Draw(t, "interval")) * time.Microsecond,
			Labels:   rapid.MapOfN(name, text, 0, iot.MaxLabels).Draw(t, "labels"),
			Limits:   rapid.MapOfN(name, number, 0, iot.MaxLabels).Draw(t, "limits"),
		}
	}).Filter(func(e iot.DeviceEntry) bool { e.Version = 1; return e.Normalize() == nil })
}

// What is exported says what is there: its import changes nothing, and makes the same entries in an empty registry. So does a table with
// one column for each name, as exports were before there were lists.
func TestATableIsReadAsItWasWritten(t *testing.T) {
	r, copied := newRegistry(), newRegistry()
	from, to := newAPI(t, plant{}, &archive{}, r.use), newAPI(t, plant{}, &archive{}, copied.use)
	rapid.Check(t, func(rt *rapid.T) {
		r.reset()
		for i := range rapid.IntRange(1, 5).Draw(rt, "devices") {
			id := iot.DeviceID(fmt.Sprint(rapid.SampledFrom([]string{"d", "=", "'-", "设备;", `"`, `\`}).Draw(rt, "id"), i))
			r.enter(t, map[iot.DeviceID]iot.DeviceEntry{id: entries().Draw(rt, "entry")})
		}
		table := request(from, http.MethodGet, "/api/v1/registry").Body.String()
		if w := importTable(from, "?dry_run=true", table); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"changed":0,`) {
			rt.Fatalf("got %d %s for\n%s", w.Code, w.Body, table)
		}
		for _, table := range []string{withoutVersions(rt, table), oneColumnEach(r)} {
			copied.reset()
			if w := importTable(to, "", table); w.Code != http.StatusOK {
				rt.Fatalf("got %d %s for\n%s", w.Code, w.Body, table)
			}
			r.Devices(func(device iot.Identity, want *iot.DeviceEntry) bool {
				got, expected := *cmp.Or(copied.Device(device), new(iot.DeviceEntry)), *want
				got.Version, expected.Version = 0, 0
				if !reflect.DeepEqual(got, expected) {
					rt.Errorf("%s: got %+v, want %+v, for\n%s", device.ID, got, expected, table)
				}
				return true
			})
		}
	})
}

// withoutVersions removes the column of versions, which another registry does not have.
func withoutVersions(t rapid.TB, table string) string {
	rows, err := csv.NewReader(strings.NewReader(table)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	at := slices.Index(rows[0], "version")
	for i := range rows {
		rows[i] = slices.Delete(rows[i], at, at+1)
	}
	return written(rows)
}

func written(rows [][]string) string {
	var table strings.Builder
	if err := csv.NewWriter(&table).WriteAll(rows); err != nil {
		panic(err)
	}
	return table.String()
}

// guarded returns a text as exports have written it.
func guarded(text string) string {
	if rest := strings.TrimLeft(text, "'"); rest == "" && text != "" || rest != "" && strings.ContainsRune("=+-@＝＋－＠", []rune(rest)[0]) {
		return "'" + text
	}
	return text
}

// oneColumnEach writes a registry with a column for each label and limit.
func oneColumnEach(r *registry) string {
	rows := [][]string{{"device_id", "name", "area", "unit", "interval_seconds", "retired", "parent"}}
	labels, limits := make(map[string]int), make(map[string]int)
	r.Devices(func(device iot.Identity, e *iot.DeviceEntry) bool {
		for name := range e.Labels {
			labels[name] = 0
		}
		for name := range e.Limits {
			limits[name] = 0
		}
		return true
	})
	for prefix, names := range map[string]map[string]int{"label.": labels, "limit.": limits} {
		for name := range names {
			names[name] = len(rows[0])
			rows[0] = append(rows[0], prefix+name)
		}
	}
	r.Devices(func(device iot.Identity, e *iot.DeviceEntry) bool {
		row := make([]string, len(rows[0]))
		copy(row, []string{guarded(string(device.ID)), guarded(e.Name), guarded(string(e.Area)), guarded(e.Unit), fmt.Sprint(e.Interval.Seconds()), fmt.Sprint(e.Retired), guarded(string(e.Parent))})
		for name, label := range e.Labels {
			row[labels[name]] = cmp.Or(guarded(label), "'")
		}
		for name, limit := range e.Limits {
			row[limits[name]] = fmt.Sprint(limit)
		}
		rows = append(rows, row)
		return true
	})
	return written(rows)
}

// With a column for each name, a table of devices with labels of their own grew with the product of the two.
func TestAnExportGrowsWithTheEntries(t *testing.T) {
	measure := func(devices int) (size int, allocated uint64) {
		r := newRegistry()
		h := newAPI(t, plant{}, &archive{}, r.use)
		for i := range devices {
			e := &iot.EntryInForce{DeviceEntry: iot.DeviceEntry{Version: 1, Labels: make(map[string]string), Limits: make(map[string]float64)}}
			for j := range 16 {
				name := fmt.Sprintf("%06d-%02d", i, j)
				e.Labels[name], e.Limits[name] = "v", 1
			}
			r.SetDevice(iot.Identity{ID: iot.DeviceID(fmt.Sprintf("d%06d", i))}, e)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		w := request(h, http.MethodGet, "/api/v1/registry")
		runtime.ReadMemStats(&after)
		if w := importTable(h, "?dry_run=true", w.Body.String()); w.Code != http.StatusPreconditionFailed && w.Code != http.StatusOK {
			t.Errorf("got %d %.300s", w.Code, w.Body)
		}
		return w.Body.Len(), after.TotalAlloc - before.TotalAlloc
	}
	small, smallMemory := measure(500)
	large, largeMemory := measure(2000)
	if large > 5*small || largeMemory > 6*smallMemory {
		t.Errorf("of 500 devices %d bytes with %d of memory, of 2,000 %d with %d: want at most a little more than four times that", small, smallMemory, large, largeMemory)
	}
}

func TestOneCellHoldsManyLabels(t *testing.T) {
	r := newRegistry()
	h := newAPI(t, plant{}, &archive{}, r.use)
	for _, step := range []struct{ table, want string }{
		{"device_id,labels\nd1,a=1; b = 2 ;;c=;\n", `"labels":{"a":"1","b":"2","c":""}`},
		{"device_id,labels\nd1,url=http://x?y=1;p=C:\\\\x\\;y;\\==1\n", `"labels":{"=":"1","p":"C:\\x;y","url":"http://x?y=1"}`},
		{"device_id,labels,label.a\nd1,b=2,1\n", `"after":{"version":3,"labels":{"a":"1","b":"2"}}`},
		{"device_id,label.a,labels\nd1,,\n", `"after":{"version":4}`},
		{"device_id,limits,limit.a\nd1,b=2.5;c=-1,\n", `"limits":{"b":2.5,"c":-1}`},
		{"device_id,limits\nd1,\n", `"after":{"version":6}`},
		{"device_id,labels\nd1,'=b=1\n", "422"},
		{"device_id,labels\nd1,'+b=1\n", `"labels":{"+b":"1"}`},
		{"device_id;\"label.a,b,c\";name\nd1;1;x\n", `"labels":{"+b":"1","a,b,c":"1"}`},
	} {
		w := importTable(h, "", step.table)
		if got := fmt.Sprint(w.Code, w.Body); !strings.Contains(got, step.want) {
			t.Errorf("%q: got %s, want %s", step.table, got, step.want)
		}
	}
	for table, want := range map[string]string{
		"device_id,labels\nd1,a\n":                 "name=value",
		"device_id,labels\nd1,=a\n":                "name=value",
		"device_id,labels\nd1,a=1;a=2\n":           "twice",
		"device_id,labels\nd1,e\u0301=1;é=2\n":     "twice",
		"device_id,labels,label.a\nd1,a=1,\n":      `column \"label.a\"`,
		"device_id,labels\nd1,a=C:\\temp\n":        "backslash",
		"device_id,labels\nd1,a=1\\\n":             "backslash",
		"device_id,limits\nd1,a=\n":                `\"a\": must be a number`,
		"device_id,limits\nd1,a=hot\n":             `\"a\": must be a number`,
		"device_id,labels,labels\nd1,,\n":          "twice",
		"device_id,labels\nd1,a=1;b=2;x\u0000=1\n": "line 2, column labels",
	} {
		checkProblem(t, importTable(h, "?dry_run=true", table), http.StatusUnprocessableEntity, want)
	}
}

func FuzzImport(f *testing.F) {
	f.Add("device_id,name,area,unit,interval_seconds,retired,version,label.a,limit.b\nd1,x,a/b,K,1.5,true,1,v,2\n")
	f.Add("device_id;name\r\n\"a\"\"b\";'=x\r\n")
	f.Add("device_id,name\nd\"2,x\n")
	f.Add("device_id,labels,limits,label.a\nd1,'=b=1;c=\\;\\=,x=1;y=-2,z\n")
	r := newRegistry()
	h := newAPI(f, plant{}, &archive{}, r.use)
	f.Fuzz(func(t *testing.T, table string) {
		if table == "" {
			return // Without a body it is another mistake.
		}
		if w := importTable(h, "?dry_run=true", table); w.Code != http.StatusOK && w.Code != http.StatusUnprocessableEntity && w.Code != http.StatusPreconditionFailed {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	})
}
