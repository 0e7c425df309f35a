package opcua_test

import (
	"strings"
	"testing"

	"iotmon/internal/source/opcua"
)

func TestListSaysWhatTheVariablesAre(t *testing.T) {
	t.Parallel()
	for _, p := range products {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			s := p.shared(t)
			found, truncated, err := opcua.List(t.Context(), newOptions(t, s.endpoint()), 1000)
			if err != nil || truncated != "" {
				t.Fatalf("got %v, truncated %q", err, truncated)
			}
			got := make(map[string]opcua.Found)
			for _, f := range found {
				got[f.Path] = f
			}
			temp := got["Plant/Line1/Temp"]
			if temp.Node != "nsu="+plant+";s=Line1.Temp" || temp.DataType != "Double" || temp.Value != "20.5" || temp.Status != "" || temp.Unit != "°C" {
				t.Errorf("got %+v", temp)
			}
			if p == nodeOPCUA && (temp.Range == nil || *temp.Range != opcua.Range{Low: 0, High: 100}) {
				t.Errorf("got the range %v, want 0 to 100", temp.Range)
			}
			for path, want := range map[string][2]string{
				"Array": {"Double[]", "[1 2 3]"}, "Bool": {"Boolean", "true"}, "String": {"String", "running"}, "UInt64": {"UInt64", "18446744073709551615"},
				"Date": {"DateTime", "2026-01-02T03:04:05Z"},
			} {
				if f := got["Plant/Line1/"+path]; f.DataType != want[0] || f.Value != want[1] {
					t.Errorf("%s: got %+v, want %v", path, f, want)
				}
			}
			structure := map[product]string{asyncua: "Motor", nodeOPCUA: "Span"}[p]
			kind := map[product]string{asyncua: "Motor", nodeOPCUA: "Range"}[p]
			if f := got["Plant/Line1/"+structure]; f.DataType != kind || f.Value != "a structure" {
				t.Errorf("got %+v, want the type %s", f, kind)
			}
			if f := got["Plant/Line1/Bad"]; f.Status != "BadSensorFailure" {
				t.Errorf("got %+v, want BadSensorFailure", f)
			}

			found, truncated, err = opcua.List(t.Context(), newOptions(t, s.endpoint()), 3)
			if err != nil || len(found) != 3 || !strings.Contains(truncated, "more than 3") {
				t.Errorf("got %d variables, truncated %q, %v", len(found), truncated, err)
			}
		})
	}
}

func TestPatternsChooseVariables(t *testing.T) {
	t.Parallel()
	for _, p := range products {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			o := newOptions(t, p.shared(t).endpoint())
			root, err := opcua.ParseNodeName("i=85")
			if err != nil {
				t.Fatal(err)
			}
			o.Browse = &opcua.Browse{Root: root, Include: []string{"Plant/*/Int*", "**/Temp", "**/Bool"}, Exclude: []string{"**/Bool", "Plant/Line1/*64"}, Depth: 10, Max: 100}
			r := run(t, o)
			for _, chosen := range []string{"Int16", "Int32", "Temp"} {
				r.connected(chosen)
			}
			for _, other := range []string{"Bool", "Int64", "UInt16", "Counter"} {
				if got := r.of(other); len(got) > 0 {
					t.Errorf("got %v of %s", got, other)
				}
			}
		})
	}
}
