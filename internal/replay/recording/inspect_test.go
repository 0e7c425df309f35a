package recording

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// reopen returns a function that opens the text, any number of times.
func reopen(text string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
}

// kinds are recordings as loggers, services and programs write them, cut to a few rows, and the flags that read them.
var kinds = map[string]struct{ text, want string }{
	"USGS": {"# Data provided for site\n# retrieved 2020\n#\nagency_cd\tdatetime\ttz_cd\tflow\n5s\t20d\t6s\t14n\nUSGS\t2020-01-01 00:00\tEST\t8450\n" +
		"USGS\t2020-01-01 00:15\tEST\tIce\n", "-comment '#' -time-column datetime"},
	"a buoy": {"#YY  MM DD hh mm WDIR WSPD\n#yr  mo dy hr mn degT m/s\n2018 01 01 00 00 318  5.1\n2018 01 01 00 10 320  5.0\n",
		"-delimiter space -time-column '#YY,MM,DD,hh,mm' -time-format '%Y %m %d %H %M'"},
	"a USB logger": {"Logger,Time,Celsius(°C),High,Low,Serial\n1,08/03/2016 12:30:00,21.5,30,10,0100\n2,08/03/2016 12:35:00,21.0\n3,13/03/2016 12:40:00,20.5\n",
		"-time-column Time -time-format '%d/%m/%Y %H:%M:%S'"},
	"annotated": {"#group,false,true,false\n#datatype,string,dateTime:RFC3339,double\n#default,_result,,\n,result,_time,_value\n" +
		",,2020-01-01T00:10:00Z,20.5\n,,2020-01-01T00:20:00Z,20.7\n", "-comment '#' -time-column _time"},
	"blanks and quotes": {"-1 \"19/07/2008 11:55:00\" 3030.93\n1 \"19/07/2008 12:32:00\" NaN\n",
		"-no-header -delimiter space -time-column 2 -time-format '%d/%m/%Y %H:%M:%S'"},
	"blanks without a header": {"2004-03-31 03:38:15.757551 2 122.153\n2004-03-31 03:39:16.02785 3 19.9884\n", "-no-header -delimiter space -time-column 1,2"},
	"padded cells": {"STATION;MESS_DATUM;TT\n  44;2018010100;  11.5\n  44;2018010101;-999\n  44;2018010102;-999\n",
		"-missing=-999 -time-column MESS_DATUM -time-format '%Y%m%d%H'"},
	"Excel's first line": {"sep=;\n\"Time\";\"Value\"\n\"2020-01-01T00:00:00+01:00\";20.5\n\"2020-01-01T00:01:00+01:00\";null\n", "-time-column Time"},
	"a weather file": {"LOCATION,CHICAGO\nDESIGN,1\nPERIODS,1,1\n1986,1,1,1,60,?9,-6.1\n1986,1,1,2,60,?9,-6.5\n1986,1,1,24,60,?9,-6.7\n",
		"-skip 3 -no-header -delimiter , -time-column 1,2,3,4 -time-format '%Y %m %d %H'"},
	"day of the year beside month and day": {" Station\n 40.05 88.37 230 m\n 2018 32 2 1 0 0 89.66\n 2018 32 2 1 0 1 89.76\n",
		"-skip 2 -no-header -delimiter space -time-column 1,3,4,5,6 -time-format '%Y %m %d %H %M'"},
	"AM and PM by a letter": {"Date\tTime\tTemp\n1/02/18\t9:05p\t45.2\n1/13/18\t12:05a\t45.1\n", "-time-column Date,Time -time-format '%m/%d/%y %I:%M %p'"},
	"titles of two lines": {"Station;Lon;Lat\nIndoor;2.35;48.85\nTimestamp;Zone;Temp;Hum\n1388533800;2014/01/01 00:50:00;21.5;45\n1388534100;2014/01/01 00:55:00;21.4;45\n",
		"-skip 2 -time-column Timestamp"},
	"seconds and watts": {"1363547562 599\n1363547569 582\n", "-no-header -delimiter space -time-column 1"},
	"no year":           {"Date/Time,Temp\n 01/01  01:00:00,1.5\n 01/01  24:00:00,2.5\n 01/02  01:00:00,3.5\n", "-time-column Date/Time -time-format '%m/%d %H:%M:%S' -date YYYY"},
	"units below the header": {"Datum;Zeit;T1\nDD.MM.YYYY;hh:mm:ss;°C\n13.01.2020;00:00:10;1,5\n13.01.2020;00:00:20;1,6\n",
		"-decimal-comma -time-column Datum,Zeit -time-format '%d.%m.%Y %H:%M:%S'"},
	"Chinese":                     {"\xca\xb1\xbc\xe4,\xce\xc2\xb6\xc8\n2020/1/2 3:04,20.5\n2020/1/2 3:14,20.6\n", "-encoding gbk -time-column '时间'"},
	"UTF-16":                      {"\xff\xfet\x00;\x00v\x00\n\x002\x000\x002\x000\x00-\x000\x001\x00-\x000\x001\x00;\x001\x00\n\x00", "-time-column t"},
	"Latin-1":                     {"Zeit;T \xb0C\n13.02.2020 00:00;1,5\n13.02.2020 00:10;1,6\n", "-encoding windows-1252 -decimal-comma -time-column Zeit -time-format '%d.%m.%Y %H:%M'"},
	"an old Macintosh":            {"time,v\r2020-01-01 00:00,1\r2020-01-01 00:01,2\r", "-time-column time"},
	"four digits of clock":        {"1 20180101 0005 14.2\n1 20180101 0010 14.1\n", "-no-header -delimiter space -time-column 2,3 -time-format '%Y%m%d %H%M'"},
	"a date beside whole numbers": {"t,v\n2020-01-01,1\n2020-01-02,2\n", "-time-column t"},
	"names of months":             {"Date,Value\n01-Jan-2018 10:00,1\n02-Jan-2018 10:00,2\n", "-time-column Date -time-format '%d-%b-%Y %H:%M'"},
}

func TestEveryKindOfRecordingIsDetected(t *testing.T) {
	for name, kind := range kinds {
		report, err := Inspect(reopen(kind.text), Layout{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := report.Flags(); got != kind.want {
			t.Errorf("%s: got flags %s, want %s", name, got, kind.want)
		}
		if report.Refused > 0 || report.Rows == 0 {
			t.Errorf("%s: got %d of %d rows refused, the first %v", name, report.Refused, report.Rows, report.Refusal)
		}
	}
}

// Open reads every row with the layout that Inspect has returned.
func TestTheLayoutThatInspectFindsReadsEveryRow(t *testing.T) {
	for name, kind := range kinds {
		report, err := Inspect(reopen(kind.text), Layout{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		layout := report.Layout
		if report.Times[0].NeedsYear {
			layout.Date = Date{Year: 2020}
		}
		table, err := Open(strings.NewReader(kind.text), layout)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		rows := int64(0)
		for {
			row, err := table.Next()
			if err == io.EOF {
				break
			}
			if err != nil || len(row.Cells) != len(table.Columns) {
				t.Errorf("%s: got %v, %v", name, row, err)
				break
			}
			rows++
		}
		if rows != report.Rows {
			t.Errorf("%s: got %d rows, want %d", name, rows, report.Rows)
		}
	}
}

func FuzzInspect(f *testing.F) {
	for _, kind := range kinds {
		f.Add(kind.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		report, err := Inspect(reopen(text), Layout{})
		if err != nil {
			if _, mistake := errors.AsType[*LayoutError](err); !mistake {
				t.Fatalf("got %v, want a mistake that names its cure", err)
			}
			return
		}
		if len(report.Times) == 0 || report.Flags() == "" {
			t.Fatalf("got %+v, want times", report)
		}
	})
}
