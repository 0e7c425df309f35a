package recording

import (
	"fmt"
	"strings"
)

// Format reads times that are written by a strftime format, such as %d/%m/%Y %H:%M.
type Format struct {
	text  string
	items []item
	has   parts
}

// parts are the parts of a time that a format has.
type parts struct{ year, month, day, yearDay, hour, half, minute, second, fraction, unix, offset bool }

// item is one step of a format.
type item struct {
	// verb is the letter of a directive, ' ' for white space, 0 for the text itself.
	verb byte
	text string
	// run is the total number of digits of this number and of the numbers that follow it without a separator; 0 for the following
	// ones.
	run int
	// alone is set for a fraction without a point before it, which is a whole number of its unit.
	alone bool
	// optional is set for the point before a fraction. The point and the fraction may both be missing.
	optional bool
	// again is set for the second occurrence of a directive, which is ignored.
	again bool
}

// digits is the greatest number of digits of a numeric directive.
var digits = map[byte]int{
	'Y': 4, 'y': 2, 'm': 2, 'd': 2, 'e': 2, 'H': 2, 'k': 2, 'I': 2, 'l': 2, 'M': 2, 'S': 2, 'j': 3,
}

// shorthands are directives that mean several others.
var shorthands = map[byte]string{
	'T': "%H:%M:%S", 'R': "%H:%M", 'D': "%m/%d/%y", 'F': "%Y-%m-%d", 'r': "%I:%M:%S %p", 'n': " ", 't': " ", 'h': "%b",
	'x': "%m/%d/%y", 'X': "%H:%M:%S",
}

// Directives lists the known directives, for messages.
const Directives = "%Y %y %m %b %B %d %e %j %H %I %p %M %S %f %L %N %z %Z %s %a %A %T %R %D %F %%"

// ParseFormat parses a format in the notation of strftime. It must have a directive, and %p if it has %I.
func ParseFormat(text string) (*Format, error) {
	f := &Format{text: text}
	if err := f.compile(text, 0); err != nil {
		return nil, err
	}
	switch h := f.has; {
	case h == parts{}:
		return nil, fmt.Errorf("%q has no directive such as %%Y (known: %s)", text, Directives)
	case h.unix && (h.year || h.month || h.day || h.yearDay || h.hour || h.minute):
		return nil, fmt.Errorf("%q has %%s beside other parts of a time", text)
	case strings.Contains(text, "%I") && !h.half || strings.Contains(text, "%l") && !h.half:
		return nil, fmt.Errorf("%q has hours up to 12 (%%I) without AM or PM (%%p); hours up to 24 are %%H", text)
	}
	f.link()
	return f, nil
}

// String returns the text that was parsed.
func (f *Format) String() string { return f.text }

// compile appends the items of text.
func (f *Format) compile(text string, depth int) error {
	for text != "" {
		c := text[0]
		if c == ' ' || c == '\t' || c == '\n' {
			f.appendBlank()
			text = text[1:]
			continue
		}
		if c != '%' {
			end := strings.IndexAny(text, "% \t\n")
			if end < 0 {
				end = len(text)
			}
			f.items = append(f.items, item{text: text[:end]})
			text = text[end:]
			continue
		}
		verb, rest, err := directive(text)
		if err != nil {
			return err
		}
		if text = rest; shorthands[verb] != "" && depth == 0 {
			if err := f.compile(shorthands[verb], 1); err != nil {
				return err
			}
			continue
		}
		if err := f.appendVerb(verb); err != nil {
			return err
		}
	}
	return nil
}

// directive cuts the directive at the beginning of text; flags such as those of %-d change nothing when reading.
func directive(text string) (verb byte, rest string, err error) {
	i := 1
	for i < len(text) && strings.IndexByte("-_0^#EO", text[i]) >= 0 {
		i++
	}
	if i == len(text) {
		return 0, "", fmt.Errorf("%q ends in the middle of a directive", text)
	}
	return text[i], text[i+1:], nil
}

func (f *Format) appendBlank() {
	if n := len(f.items); n == 0 || f.items[n-1].verb != ' ' {
		f.items = append(f.items, item{verb: ' '})
	}
}

func (f *Format) appendVerb(verb byte) error {
	if verb == '%' {
		f.items = append(f.items, item{text: "%"})
		return nil
	}
	if strings.IndexByte("aAuw", verb) >= 0 {
		// A weekday is ignored: it follows from the date.
		f.items = append(f.items, item{verb: verb, again: true})
		return nil
	}
	part := f.has.of(verb)
	if part == nil {
		return fmt.Errorf("unknown directive %%%c (known: %s)", verb, Directives)
	}
	f.items = append(f.items, item{verb: verb, again: *part})
	*part = true
	return nil
}

// of returns the part of a time that a directive is; nil for one that is not known.
func (p *parts) of(verb byte) *bool {
	switch verb {
	case 'Y', 'y':
		return &p.year
	case 'm', 'b', 'B':
		return &p.month
	case 'd', 'e':
		return &p.day
	case 'j':
		return &p.yearDay
	case 'H', 'k', 'I', 'l':
		return &p.hour
	case 'p', 'P':
		return &p.half
	case 'M':
		return &p.minute
	case 'S':
		return &p.second
	case 'f', 'L', 'N':
		return &p.fraction
	case 's':
		return &p.unix
	case 'z', 'Z':
		return &p.offset
	}
	return nil
}

// link sets the properties of items that depend on their neighbours.
func (f *Format) link() {
	for i := range f.items {
		it := &f.items[i]
		switch it.verb {
		case 'f', 'L', 'N':
			it.alone = i == 0 || f.items[i-1].verb == ' '
			if i > 0 && f.items[i-1].verb == 0 {
				text := f.items[i-1].text
				f.items[i-1].optional = text == "." || text == ","
			}
		case 0:
		default:
			if digits[it.verb] == 0 || i > 0 && digits[f.items[i-1].verb] > 0 {
				continue
			}
			for j := i; j < len(f.items) && digits[f.items[j].verb] > 0; j++ {
				it.run += digits[f.items[j].verb]
			}
		}
	}
}
