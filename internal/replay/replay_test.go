package replay

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"iotmon/internal/iot"
	"iotmon/internal/retry"
	"iotmon/internal/wire"
)

var start = time.Date(2020, 2, 8, 13, 0, 0, 0, time.UTC)

// delivery is a reading with the moment it came.
type delivery struct {
	iot.Reading
	at time.Time
}

// keeper is a Destination that keeps the accepted readings, and rejects those that a test wants rejected.
type keeper struct {
	got     []delivery
	batches []int
	refuse  func(r iot.Reading) *iot.InvalidError
	delay   time.Duration
	err     error
}

func (k *keeper) Send(ctx context.Context, readings []iot.Reading) (wire.Ingested, error) {
	if err := retry.Wait(ctx, k.delay); err != nil {
		return wire.Ingested{}, err
	}
	var answer wire.Ingested
	k.batches = append(k.batches, len(readings))
	for i, r := range readings {
		if k.refuse != nil {
			if invalid := k.refuse(r); invalid != nil {
				answer.Rejected = append(answer.Rejected, wire.Rejection{Index: i, Field: invalid.Field, Reason: invalid.Reason})
				continue
			}
		}
		answer.Accepted++
		k.got = append(k.got, delivery{r, time.Now()})
	}
	return answer, k.err
}

// write makes a file of the text.
func write(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "recording.csv")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// twoSensors has a row every ten seconds.
func twoSensors(rows int) string {
	text := "time,T,I,label\n"
	for i := range rows {
		text += fmt.Sprintf("%s,%d,%d.5,0\n", start.Add(time.Duration(i)*10*time.Second).Format("2006-01-02 15:04:05"), i, i)
	}
	return text
}

var twoColumns = Mapping{Columns: map[string]iot.Device{
	"T": {ID: "t", Type: iot.Temperature, Unit: "°F"},
	"I": {ID: "i", Type: iot.Current},
}}

func TestOriginalTimesAreKeptAndMarkedAsHistorical(t *testing.T) {
	var k keeper
	summary, err := Run(t.Context(), Options{File: write(t, twoSensors(3)), Mapping: twoColumns}, &k)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range k.got {
		got = append(got, fmt.Sprintf("%s %s %v%s %v", r.ID, r.Time.Format("05"), r.Value, r.Unit, r.Historical))
	}
	if got, want := strings.Join(got, ", "), "t 00 0°F true, i 00 0.5 true, t 10 1°F true, i 10 1.5 true, t 20 2°F true, i 20 2.5 true"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if summary.Rows != 3 || summary.Sent != 6 || summary.Accepted != 6 || !summary.First.Equal(start) || !summary.Last.Equal(start.Add(20*time.Second)) {
		t.Errorf("got %+v, want 3 rows and 6 readings", summary)
	}
	if got, want := fmt.Sprint(summary.Ignored), "[label]"; got != want {
		t.Errorf("got %s ignored, want %s", got, want)
	}
}

func TestSpeedPacesTheRows(t *testing.T) {
	for _, shift := range []bool{false, true} {
		for _, speed := range []float64{1, 60, 0.5} {
			path := write(t, twoSensors(7))
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				var k keeper
				summary, err := Run(t.Context(), Options{File: path, Mapping: twoColumns, Speed: speed, Shift: shift}, &k)
				if err != nil {
					t.Fatal(err)
				}
				for i, r := range k.got {
					recorded := time.Duration(i/2) * 10 * time.Second
					if got, want := r.at.Sub(begin), time.Duration(float64(recorded)/speed); got.Round(time.Microsecond) != want.Round(time.Microsecond) {
						t.Errorf("speed %v: reading %d came after %v, want %v", speed, i, got, want)
					}
				}
				if got, want := summary.Elapsed, time.Duration(float64(time.Minute)/speed); got.Round(time.Millisecond) != want {
					t.Errorf("speed %v: got %v, want %v", speed, got, want)
				}
			})
		}
	}
}

func TestShiftMovesEveryTimeByTheSameSpan(t *testing.T) {
	for _, speed := range []float64{0, 1, 60} {
		path := write(t, twoSensors(7)+start.Add(-time.Hour).Format(time.RFC3339)+",1,1,\n")
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			var k keeper
			if _, err := Run(t.Context(), Options{File: path, Mapping: twoColumns, Speed: speed, Shift: true}, &k); err != nil {
				t.Fatal(err)
			}
			shift := k.got[0].Time.Sub(start)
			for i, r := range k.got[:14] {
				if got, want := r.Time.Sub(start), shift+time.Duration(i/2)*10*time.Second; got != want || r.Historical {
					t.Errorf("speed %v: reading %d was moved to %v, want %v", speed, i, got, want)
				}
				if r.Time.After(r.at) {
					t.Errorf("speed %v: reading %d of %v came at %v, want none from the future", speed, i, r.Time, r.at)
				}
			}
			if newest := k.got[13]; !newest.Time.Equal(newest.at) {
				t.Errorf("speed %v: got the newest at %v with time %v, want it due when sent", speed, newest.at, newest.Time)
			}
			if speed == 0 && !k.got[13].Time.Equal(begin) {
				t.Errorf("got the newest of %v, want %v", k.got[13].Time, begin)
			}
			if got, want := k.got[14].Time.Sub(start), shift-time.Hour; got != want {
				t.Errorf("speed %v: the row out of order was moved to %v, want %v", speed, got, want)
			}
		})
	}
}

func TestGreatestSpeedFillsBatches(t *testing.T) {
	var k keeper
	if _, err := Run(t.Context(), Options{File: write(t, twoSensors(1200)), Mapping: twoColumns}, &k); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(k.batches), "[1000 1000 400]"; got != want {
		t.Errorf("got batches of %s, want %s", got, want)
	}
}

func TestRateIsNeverExceeded(t *testing.T) {
	path := write(t, twoSensors(1000))
	synctest.Test(t, func(t *testing.T) {
		k := keeper{}
		summary, err := Run(t.Context(), Options{File: path, Mapping: twoColumns, Rate: 200}, &k)
		if err != nil {
			t.Fatal(err)
		}
		perSecond := make(map[int64]int)
		for _, r := range k.got {
			perSecond[r.at.Unix()]++
		}
		for second, n := range perSecond {
			if n > 200 {
				t.Errorf("got %d readings in second %d, want at most 200", n, second)
			}
		}
		if got := summary.Elapsed.Round(time.Second); got != 10*time.Second {
			t.Errorf("got %v for 2,000 readings, want 10s", got)
		}
	})
}

func TestASlowSystemDelaysButLosesNothing(t *testing.T) {
	path := write(t, twoSensors(7))
	synctest.Test(t, func(t *testing.T) {
		k := keeper{delay: 25 * time.Second}
		summary, err := Run(t.Context(), Options{File: path, Mapping: twoColumns, Speed: 1, Shift: true}, &k)
		if err != nil {
			t.Fatal(err)
		}
		if len(k.got) != 14 || summary.Accepted != 14 {
			t.Errorf("got %d readings and %d counted, want 14", len(k.got), summary.Accepted)
		}
	})
}

func TestLongFormHasDeviceAndTypeInTheRow(t *testing.T) {
	const text = `when,id,kind,reading,u
2020-01-01 00:00:00,a,temperature_sensor,20.5,°C
2020-01-01 00:00:00,b,switch_sensor,ON,
`
	for long, want := range map[LongColumns]string{
		{Device: "id", Type: "kind", Value: "reading", Unit: "u"}:       "a temperature_sensor 20.5 °C, b switch_sensor ON ",
		{Device: "id", Type: "humidity_sensor", Value: "reading"}:       "a humidity_sensor 20.5 ",
		{Device: "id", Type: "kind", Value: "reading", Unit: "percent"}: "a temperature_sensor 20.5 percent, b switch_sensor ON percent",
	} {
		var k keeper
		if _, err := Run(t.Context(), Options{File: write(t, text), Mapping: Mapping{Long: &long}}, &k); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range k.got {
			got = append(got, fmt.Sprintf("%s %s %s %s", r.ID, r.Type, cmp.Or(r.ValueText, fmt.Sprint(r.Value)), r.Unit))
		}
		if got := strings.Join(got, ", "); got != want {
			t.Errorf("%+v: got %s, want %s", long, got, want)
		}
	}
}

// On their way through JSON, ids in another encoding would all become the same replacement characters: one device.
func TestIDsInAnotherEncodingAreRefused(t *testing.T) {
	const text = "time,id,v\n2020-01-01,\xb1\xc3,1\n2020-01-01,\xb7\xa7,2\n2020-01-01,pump,3\n"
	var k keeper
	long := LongColumns{Device: "id", Type: "temperature_sensor", Value: "v"}
	summary, err := Run(t.Context(), Options{File: write(t, text), Mapping: Mapping{Long: &long}}, &k)
	if err != nil || len(k.got) != 1 || k.got[0].ID != "pump" {
		t.Fatalf("got %+v, %v, want the pump alone", k.got, err)
	}
	if len(summary.Refused) != 1 || summary.Refused[0].Count != 2 || summary.Refused[0].Field != "device_id" {
		t.Errorf("got refusals %+v, want both of device_id", summary.Refused)
	}
}

func TestWhatIsRefusedIsCountedByReasonAndLine(t *testing.T) {
	const text = `time,T,I
2020-01-01 00:00:00,1,NaN
2020-01-01 00:00:01,hot,
2020-01-01 00:00:02,999,null
2020-01-01 00:00:03,3
2020-01-01 00:00:04,998,4
soon,1,1
2020-01-01 00:00:05,1e999,5
`
	k := keeper{refuse: func(r iot.Reading) *iot.InvalidError {
		if r.Value > 900 {
			return iot.Invalid("value", "too much (got %v)", r.Value)
		}
		return nil
	}}
	summary, err := Run(t.Context(), Options{File: write(t, text), Mapping: twoColumns}, &k)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	summary.Elapsed = 2 * time.Second
	if _, err := summary.WriteTo(&got); err != nil {
		t.Fatal(err)
	}
	want := `read      7 rows, 3 cells without a value
sent      5 readings, 2020-01-01T00:00:00Z to 2020-01-01T00:00:05Z
accepted  3
rejected  2 by the system, 4 as not readable
          1 × value: not a number (got "hot"), line 3
          1 × row: must have 3 fields (got 2), line 5
          1 × timestamp: not a time: RFC 3339, 2006-01-02 15:04:05, or Unix time (got "soon"), line 7
          1 × value: not a finite number (got "1e999"), line 8
          2 × value: too much (got 999), lines 4, 6
took      2s, 2 readings/s
`
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}

// Every row of an old recording is refused for the same reason, and each is of another age.
func TestReadingsThatAreTooOldAreRefusedForOneReason(t *testing.T) {
	catalog, err := iot.NewCatalog(iot.BuiltinTypes()...)
	if err != nil {
		t.Fatal(err)
	}
	admission := iot.Admission{Catalog: catalog, Skew: time.Second, Retention: time.Hour}
	var s Summary
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i, at := range []time.Time{now.Add(-2 * time.Hour), now.Add(-3 * time.Hour), now.Add(time.Minute), now.Add(time.Hour)} {
		r := iot.Reading{Device: iot.Device{ID: "a", Type: iot.Temperature}, Time: at, Value: 20}
		var invalid *iot.InvalidError
		if !errors.As(admission.Admit(&r, now), &invalid) {
			t.Fatalf("%v was admitted", at)
		}
		s.refuse(i, invalid.Field, invalid.Reason)
	}
	if len(s.Refused) != 2 {
		t.Errorf("got %d reasons, want 2: %+v", len(s.Refused), s.Refused)
	}
}

func TestReasonsAreBounded(t *testing.T) {
	var s Summary
	for i := range 1000 {
		s.refuse(i, "value", fmt.Sprintf("reason %d", i))
	}
	total := int64(0)
	for _, r := range s.Refused {
		total += r.Count
	}
	if len(s.Refused) != maxRefusals || total != 1000 {
		t.Errorf("got %d groups of %d, want %d of 1000", len(s.Refused), total, maxRefusals)
	}
}

func TestAColumnThatCanOnlyBeRefusedEndsTheReplay(t *testing.T) {
	k := keeper{refuse: func(r iot.Reading) *iot.InvalidError {
		if r.ID == "i" {
			return iot.Invalid("device_type", "unknown type")
		}
		return nil
	}}
	summary, err := Run(t.Context(), Options{File: write(t, twoSensors(1200)), Mapping: twoColumns}, &k)
	if err == nil || !strings.Contains(err.Error(), "refuses everything of i: device_type: unknown type") {
		t.Errorf("got %v, want an error about the type", err)
	}
	if summary.Sent != batchSize || summary.Accepted != batchSize/2 {
		t.Errorf("got %d sent and %d accepted, want the first batch counted", summary.Sent, summary.Accepted)
	}
}

func TestAReplayEndsWithItsContextAndItsDestination(t *testing.T) {
	path := write(t, twoSensors(100))
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 95*time.Second)
		defer cancel()
		var k keeper
		summary, err := Run(ctx, Options{File: path, Mapping: twoColumns, Speed: 1}, &k)
		if !errors.Is(err, context.DeadlineExceeded) || summary.Accepted != 20 {
			t.Errorf("got %v after %d readings, want the context's error after 20", err, summary.Accepted)
		}
	})
	broken := errors.New("broken")
	if _, err := Run(t.Context(), Options{File: path, Mapping: twoColumns}, &keeper{err: broken}); !errors.Is(err, broken) {
		t.Errorf("got %v, want the destination's error", err)
	}
}

// truth sums up a wide recording with plain code, sharing none of the product's.
func truth(t *rapid.T, text string) map[string]*iot.Summary {
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	sums := make(map[string]*iot.Summary)
	for _, row := range rows[1:] {
		for i, column := range rows[0] {
			value, err := strconv.ParseFloat(row[i], 64)
			if column == "time" || err != nil || math.IsNaN(value) {
				continue
			}
			key := column + row[0]
			if sums[key] == nil {
				sums[key] = new(iot.Summary)
			}
			sums[key].Add(value)
		}
	}
	return sums
}

func TestWhatArrivesIsWhatTheRecordingHolds(t *testing.T) {
	path := write(t, "")
	rapid.Check(t, func(t *rapid.T) {
		text := "time,T,I\n"
		cell := rapid.OneOf(rapid.Just(""), rapid.Just("NaN"), rapid.Map(rapid.Float64Range(-1e9, 1e9), func(v float64) string {
			return strconv.FormatFloat(v, 'g', -1, 64)
		}))
		for range rapid.IntRange(0, 50).Draw(t, "rows") {
			at := start.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "second")) * time.Second)
			text += at.Format("2006-01-02 15:04:05") + "," + cell.Draw(t, "T") + "," + cell.Draw(t, "I") + "\n"
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var k keeper
		summary, err := Run(context.Background(), Options{File: path, Mapping: twoColumns}, &k)
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string]*iot.Summary)
		for _, r := range k.got {
			key := strings.ToUpper(string(r.ID)) + r.Time.Format("2006-01-02 15:04:05")
			if got[key] == nil {
				got[key] = new(iot.Summary)
			}
			got[key].Add(r.Value)
		}
		want := truth(t, text)
		for key := range want {
			if got[key] == nil || got[key].Count != want[key].Count || got[key].Sum.Float64() != want[key].Sum.Float64() ||
				got[key].Min != want[key].Min || got[key].Max != want[key].Max {
				t.Fatalf("%s: got %+v, want %+v", key, got[key], want[key])
			}
		}
		if len(got) != len(want) || summary.Sent != int64(len(k.got)) || summary.Sent+summary.Empty != 2*summary.Rows {
			t.Fatalf("got %d sums and %+v, want %d sums and every cell counted", len(got), summary, len(want))
		}
	})
}
