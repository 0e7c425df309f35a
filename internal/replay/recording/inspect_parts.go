package recording

import (
	"math"
	"slices"
	"strings"
	"time"
)

// TimeReport describes the times of a recording as one TimeGuess reads them.
type TimeReport struct {
	TimeGuess
	// Unread counts the rows whose time cannot be read in this way.
	Unread int64
	// Oldest and Newest are the limits of the times.
	Oldest, Newest time.Time
	// Turns counts how often the times change between rising and falling. Backwards is set if the newest comes first.
	Turns     int64
	Backwards bool
	// Repeated counts the rows with the time of the row before.
	Repeated int64
	// Step is the most frequent difference between two rows.
	Step time.Duration

	refusal   *RowError
	clock     clock
	last      time.Time
	direction int
	balance   int64
	steps     map[time.Duration]int64
}

func newTimeReport(g TimeGuess, layout Layout) TimeReport {
	t := TimeReport{TimeGuess: g, steps: make(map[time.Duration]int64)}
	t.clock = clock{format: g.Format, zone: layout.Zone, date: layout.Date}
	if layout.Date != (Date{}) {
		t.NeedsDate, t.NeedsYear = false, false
	} else {
		t.clock.date = g.anyDate()
	}
	return t
}

// Ambiguous reports whether a and b read every row, so that only the user knows which is right.
func (t *TimeReport) Ambiguous(other *TimeReport) bool {
	return t.Unread == other.Unread && t.Turns == other.Turns && t.reach() == other.reach()
}

func (t *TimeReport) reach() time.Duration { return t.Newest.Sub(t.Oldest) }

// maxSteps bounds the distances that are counted apart.
const maxSteps = 1000

func (t *TimeReport) add(line int, cells []string) {
	at, err := t.clock.read(joinTime(cells, t.indexes))
	if err != nil {
		if t.Unread++; t.refusal == nil {
			t.refusal = &RowError{line, "timestamp", err.Error()}
		}
		return
	}
	if t.Oldest.IsZero() {
		t.Oldest, t.Newest, t.last = at, at, at
		return
	}
	if at.Before(t.Oldest) {
		t.Oldest = at
	}
	if at.After(t.Newest) {
		t.Newest = at
	}
	step := at.Sub(t.last)
	direction := at.Compare(t.last)
	switch {
	case direction == 0:
		t.Repeated++
	case t.direction != 0 && direction != t.direction:
		t.Turns++
	}
	if direction != 0 {
		t.direction = direction
		if _, ok := t.steps[step.Abs()]; ok || len(t.steps) < maxSteps {
			t.steps[step.Abs()]++
		}
	}
	t.balance += int64(direction)
	t.Backwards = t.balance < 0
	if t.steps[step.Abs()] > t.steps[t.Step] || t.Step == 0 {
		t.Step = step.Abs()
	}
	t.last = at
}

// ColumnReport describes the cells of one column.
type ColumnReport struct {
	// Name is the name of the column, Ref its name in a flag.
	Name, Ref string
	// Heading is the cell of a line below the header that describes the column, such as its unit.
	Heading string
	IsTime  bool
	// Numbers and Missing count the cells with a number and without a value, Words all others.
	Numbers, Missing, Words int64
	Min, Max                float64
	// Unit is the unit after the numbers; empty for none, or for several.
	Unit string
	// Counter is set if the numbers rise by one from row to row, as row numbers do.
	Counter bool
	// Examples are the most frequent words.
	Examples []string

	index   int
	words   map[string]int64
	units   []string
	last    float64
	counted int64
}

// maxWords bounds the words that are counted apart.
const maxWords = 200

func (c *ColumnReport) add(cell string, numbers *Numbers) {
	value, err := numbers.Read(cell)
	switch {
	case err == ErrMissing:
		c.Missing++
	case err != nil || value.Word != "":
		c.Words++
		word := abbreviate(trim(cell))
		if _, ok := c.words[word]; ok || len(c.words) < maxWords {
			c.words[word]++
		}
	default:
		if c.Numbers == 0 {
			c.Min, c.Max = math.Inf(1), math.Inf(-1)
		}
		c.Min, c.Max = min(c.Min, value.Number), max(c.Max, value.Number)
		if !slices.Contains(c.units, value.Unit) && len(c.units) < 3 {
			c.units = append(c.units, value.Unit)
		}
		if c.Numbers > 0 && value.Number == c.last+1 {
			c.counted++
		}
		c.last = value.Number
		c.Numbers++
	}
}

func (c *ColumnReport) finish() {
	if len(c.units) == 1 {
		c.Unit = c.units[0]
	}
	c.Counter = c.Numbers > 2 && c.counted == c.Numbers-1
	for word := range c.words {
		c.Examples = append(c.Examples, word)
	}
	slices.SortFunc(c.Examples, func(a, b string) int {
		if c.words[a] != c.words[b] {
			return int(c.words[b] - c.words[a])
		}
		return strings.Compare(a, b)
	})
}

// Distinct returns how many different words there are, up to a bound.
func (c *ColumnReport) Distinct() int { return len(c.words) }
