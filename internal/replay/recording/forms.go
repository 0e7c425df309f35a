package recording

import (
	"strings"
	"sync"
)

// form is a format that a guess may come to.
type form struct {
	*Format
	hasDate, hasClock bool
}

// dateForms are usual forms of dates; # is a separator between numbers. If the recording does not show which number is the day,
// slashes mean the American order, and other separators mean the day first.
var dateForms = []string{
	"%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%m/%d/%y", "%d/%m/%y", "%y/%m/%d",
	"%d#%m#%Y", "%m#%d#%Y", "%Y#%m#%d", "%d#%m#%y", "%m#%d#%y", "%y#%m#%d",
	"%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d/%b/%Y", "%d.%b.%Y", "%d%b%Y", "%d. %b %Y", "%d %b, %Y", "%d-%b, %Y",
	"%b %d, %Y", "%b %d %Y", "%b-%d-%Y", "%Y-%b-%d", "%Y %b %d", "%a %d %b %Y", "%a, %d %b %Y", "%a %d.%m.%Y", "%a %d/%m/%Y",
	"%Y年%m月%d日", "%Y%m%d", "%Y %j", "%Y-%j", "%Y%j",
}

// clockForms are how people write the time of the day. Seconds may have a fraction.
var clockForms = []string{
	"%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I:%M %p", "%p %I:%M:%S", "%p %I:%M", "%H.%M.%S", "%H.%M", "%H:%M:%S:%f", "%H-%M-%S", "%H %M %S", "%H %M",
	"%H", "%H%M", "%H%M%S", "%Hh%M", "%H时%M分%S秒", "%H时%M分",
}

var (
	joiners = []string{" ", "T", ", ", "_", "-", ":", ""}
	offsets = []string{"", "%z", " %z", " %Z"}
)

// forms returns every form: whole times, dates alone and times of the day alone.
var forms = sync.OnceValue(func() []form {
	var all []form
	add := func(text string, hasDate, hasClock bool) {
		f, err := ParseFormat(text)
		if err != nil {
			panic("recording: form " + text + ": " + err.Error())
		}
		all = append(all, form{f, hasDate, hasClock})
	}
	add("%a %b %d %H:%M:%S %Y", true, true)
	for _, date := range dates() {
		add(date, true, false)
		for _, clock := range clockForms {
			for _, joiner := range joiners {
				// Numbers without anything between them read only in one way.
				if joiner == "" && !strings.HasSuffix(date, "%Y%m%d") && !strings.HasSuffix(date, "日") {
					continue
				}
				// A day of the year and an hour look like a month and a day.
				if strings.Contains(date, "%j") && joiner != " " && joiner != "T" {
					continue
				}
				for _, offset := range offsets {
					if offset == "" || strings.HasPrefix(clock, "%H:%M") {
						add(date+joiner+clock+offset, true, true)
					}
				}
			}
		}
	}
	for _, clock := range clockForms {
		add(clock, false, true)
	}
	return all
})

// yearless are the forms of times that lack only their year.
var yearless = []string{"%m/%d %H:%M:%S", "%d/%m %H:%M:%S", "%m/%d %H:%M", "%d/%m %H:%M", "%d.%m. %H:%M:%S", "%d.%m. %H:%M", "%b %d %H:%M:%S", "%d %b %H:%M:%S"}

func dates() []string {
	var all []string
	for _, date := range dateForms {
		if !strings.Contains(date, "#") {
			all = append(all, date)
			continue
		}
		for _, separator := range []string{"-", ".", " "} {
			all = append(all, strings.ReplaceAll(date, "#", separator))
		}
	}
	return all
}

// fitting returns the forms that read nearly every cell that has something in it.
func fitting(cells []string, hasDate, hasClock bool) []*Format {
	var some []string
	for _, cell := range cells {
		if cell = trim(cell); !missingWords[strings.ToLower(cell)] {
			some = append(some, cell)
		}
	}
	if len(some) == 0 || len(some[0]) > 48 {
		return nil
	}
	var found []*Format
	for _, f := range forms() {
		if f.hasDate != hasDate || f.hasClock != hasClock {
			continue
		}
		wrong := 0
		for i, cell := range some {
			if !f.plausible(cell) {
				if wrong++; wrong*10 > len(some) || i == 0 && len(some) > 1 && !f.plausible(some[1]) {
					wrong = len(some)
					break
				}
			}
		}
		if wrong*10 <= len(some) {
			found = append(found, f.Format)
		}
	}
	return withoutShort(found)
}

// plausible reports whether a format reads a cell as a time that a recording may have.
func (f *Format) plausible(cell string) bool {
	read, err := f.read(cell)
	if err != nil || read.zone != "" && !isUTC(read.zone) && len(read.zone) < 3 {
		return false
	}
	if !read.has.year {
		return true
	}
	if read.year < 1950 || read.year > 2100 {
		return false
	}
	_, err = read.utc()
	return err == nil
}

// withoutShort leaves out %H%M where %H reads the same cells: hours up to 24 are no minutes after midnight.
func withoutShort(found []*Format) []*Format {
	known := make(map[string]bool)
	for _, f := range found {
		known[f.text] = true
	}
	var kept []*Format
	for _, f := range found {
		shorter := strings.TrimSuffix(f.text, "%M")
		if strings.HasSuffix(f.text, "%H%M") && known[shorter] || strings.HasSuffix(f.text, "%H%M%S") && (known[strings.TrimSuffix(f.text, "%S")] || known[strings.TrimSuffix(f.text, "%M%S")]) {
			continue
		}
		kept = append(kept, f)
	}
	return kept
}
