package replay

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Every flag of the layout has a key of the same name in the mapping file, with underscores or hyphens.
func TestTheMappingFileHasTheKeysOfTheFlags(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mapping.yaml")
	text := "encoding: gbk\nskip: 2\ncomment: '#'\nno-header: true\ncolumns: [a, 'b, c']\ndelimiter: space\ntime_column: [a, 'b, c']\ntime_format: '%H:%M'\n" +
		"date: 2020-01-31\nzone: '+08:00'\ndecimal_comma: true\nthousands: true\nmissing: [-200, '?']\nmap: {a: {device_id: d, type: t}}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	file, flags := newCommandFlags(), newCommandFlags()
	if err := file.parse([]string{"-mapping", path, "FILE"}); err != nil {
		t.Fatal(err)
	}
	if err := flags.parse([]string{"-encoding", "GBK", "-skip", "2", "-comment", "#", "-no-header", "-columns", `a,"b, c"`, "-delimiter", "space",
		"-time-column", `a,"b, c"`, "-time-format", "%H:%M", "-date", "2020-01-31", "-zone", "+08:00", "-decimal-comma", "-thousands", ",",
		"-missing", "-200,?", "-map", "a=d,t", "FILE"}); err != nil {
		t.Fatal(err)
	}
	got, want := file.o.Layout, flags.o.Layout
	if got.TimeFormat.String() != want.TimeFormat.String() || got.Zone.String() != want.Zone.String() {
		t.Errorf("got format %s and zone %s, want %s and %s", got.TimeFormat, got.Zone, want.TimeFormat, want.Zone)
	}
	got.Zone, want.Zone = nil, nil
	got.TimeFormat = want.TimeFormat
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if fmt.Sprint(file.o.Mapping.Columns) != fmt.Sprint(flags.o.Mapping.Columns) {
		t.Errorf("got %v, want %v", file.o.Mapping.Columns, flags.o.Mapping.Columns)
	}
}
