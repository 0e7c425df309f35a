package translation

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// compare returns the differences between the documents of a pair, one sentence each, in the order of the document. While
// headings are missing or too many, it returns only those: the text below them would be compared with the wrong section.
func (l library) compare(pair translation) []string {
	c := comparison{library: l, translation: pair}
	c.linksToEachOther()
	c.headingsDiffer()
	english, chinese := pair.english.sections, pair.chinese.sections
	pairs := align(len(english), len(chinese), func(i, j int) int { return c.likenessOfSections(english[i], chinese[j]) })
	if c.compareHeadings(pairs) {
		for _, p := range pairs {
			c.compareSections(english[p.english], chinese[p.chinese])
		}
	}
	return c.problems
}

// A comparison is one pair of documents while it is compared.
type comparison struct {
	library
	translation
	problems []string
}

func (c *comparison) report(line int, format string, arguments ...any) {
	c.problems = append(c.problems, fmt.Sprintf("%s:%d: ", c.chinese.path, line)+fmt.Sprintf(format, arguments...))
}

func (c *comparison) linksToEachOther() {
	for _, d := range [][2]*document{{c.english, c.chinese}, {c.chinese, c.english}} {
		if name := path.Base(d[1].path); !strings.Contains(d[0].head, "]("+name+")") {
			c.problems = append(c.problems, fmt.Sprintf("%s: does not link to %s in its first %d lines", d[0].path, name, headLines))
		}
	}
}

// headingsDiffer reports headings of a document that have the same anchor. Different English words may have one Chinese
// translation.
func (c *comparison) headingsDiffer() {
	for _, d := range []*document{c.english, c.chinese} {
		first := map[string]int{}
		for _, s := range d.sections[1:] {
			if line, ok := first[s.anchor()]; ok {
				c.problems = append(c.problems, fmt.Sprintf("%s:%d: a link to the heading %q leads to that of line %d, which is called the same",
					d.path, s.line, s.heading(), line))
			} else {
				first[s.anchor()] = s.line
			}
		}
	}
}

// compareHeadings reports whether every heading has its counterpart.
func (c *comparison) compareHeadings(pairs []counterparts) bool {
	line, all := 1, true
	for _, p := range pairs {
		switch {
		case p.chinese < 0:
			s := c.english.sections[p.english]
			c.report(line, "lacks the heading %q, line %d of %s", s.heading(), s.line, c.english.path)
			all = false
		case p.english < 0:
			s := c.chinese.sections[p.chinese]
			c.report(s.line, "the heading %q has no counterpart in %s", s.heading(), c.english.path)
			all = false
		}
		if p.chinese >= 0 {
			line = c.chinese.sections[p.chinese].lastLine()
		}
	}
	return all
}

func (c *comparison) compareSections(english, chinese section) {
	c.compareBlocks(english.headingBlock(), chinese.headingBlock())
	line := chinese.line
	for _, p := range align(len(english.blocks), len(chinese.blocks), func(i, j int) int { return c.likeness(english.blocks[i], chinese.blocks[j]) }) {
		switch {
		case p.chinese < 0:
			b := english.blocks[p.english]
			c.report(line, "lacks the %s %q, line %d of %s", b.kind, beginning(b.text), b.line, c.english.path)
		case p.english < 0:
			b := chinese.blocks[p.chinese]
			c.report(b.line, "the %s %q has no counterpart in %s", b.kind, beginning(b.text), c.english.path)
		default:
			c.compareBlocks(english.blocks[p.english], chinese.blocks[p.chinese])
		}
		if p.chinese >= 0 {
			line = chinese.blocks[p.chinese].line
		}
	}
}

func (c *comparison) compareBlocks(english, chinese block) {
	e, z := c.inChinese(english), chinese.content()
	there := fmt.Sprintf("line %d of %s", english.line, c.english.path)
	if english.info != chinese.info {
		c.report(chinese.line, "the code block is of %q where %s is of %q", chinese.info, there, english.info)
	}
	same := func(a, b string) bool { return a == b }
	missing, extra := difference(e.code, z.code, same)
	c.reportDifference(chinese.line, "code", there, missing, extra)
	if english.kind == code && len(missing)+len(extra) == 0 && !slices.Equal(e.code, z.code) {
		c.report(chinese.line, "has the lines of code of %s in another order, or not as often", there)
	}
	missing, extra = difference(e.links, z.links, same)
	c.reportDifference(chinese.line, "link", there, missing, extra)
	missing, extra = differenceOfFigures(e, z)
	c.reportDifference(chinese.line, "figure", there, missing, extra)
}

// differenceOfFigures returns the figures of the English text that the Chinese one lacks, and those that it has instead. A figure
// in digits in English must be in digits in Chinese. A number in words may be in words or digits in Chinese; one and two are not
// checked.
func differenceOfFigures(english, chinese content) (missing, extra []string) {
	lacking, instead := difference(english.figures, chinese.figures, figure.equal)
	inWords := numbersInWords(english.words)
	in := func(list []figure) func(f figure) bool {
		return func(f figure) bool { return slices.ContainsFunc(list, f.equal) }
	}
	instead = slices.DeleteFunc(instead, in(inWords))
	either := slices.Concat(chinese.figures, chineseNumbers(chinese.words))
	for _, f := range inWords {
		if f.value != "1" && f.value != "2" && !in(either)(f) {
			lacking = append(lacking, f)
		}
	}
	written := func(list []figure) []string {
		var texts []string
		for _, f := range list {
			texts = append(texts, f.written)
		}
		return texts
	}
	return written(lacking), written(instead)
}

// reportDifference reports missing figures and those that are there instead, in pairs where possible.
func (c *comparison) reportDifference(line int, kind, there string, missing, extra []string) {
	for i := range max(len(missing), len(extra)) {
		switch {
		case i >= len(extra):
			c.report(line, "lacks the %s %s of %s", kind, missing[i], there)
		case i >= len(missing):
			c.report(line, "has the %s %s, which %s has not", kind, extra[i], there)
		default:
			c.report(line, "says %s where %s says %s", extra[i], there, missing[i])
		}
	}
}

// inChinese returns the content of an English block with its links as the translation has them.
func (c *comparison) inChinese(english block) content {
	content := english.content()
	for i, target := range content.links {
		content.links[i] = c.chineseTarget(c.english.path, target)
	}
	return content
}

func (c *comparison) likenessOfSections(english, chinese section) int {
	if english.level != chinese.level {
		return 0
	}
	likeness := c.likeness(english.headingBlock(), chinese.headingBlock())
	if english.title == chinese.title {
		likeness += 10 // The headings that are names, such as those of alerts, are the same in both.
	}
	for _, b := range english.blocks {
		best := 0
		for _, d := range chinese.blocks {
			best = max(best, c.likeness(b, d))
		}
		likeness += best
	}
	return likeness
}

// likeness returns how much two blocks have in common: 0 if they cannot be counterparts.
func (c *comparison) likeness(english, chinese block) int {
	if english.kind != chinese.kind {
		return 0
	}
	e, z := c.inChinese(english), chinese.content()
	likeness := 1
	for _, of := range [][2][]string{{e.code, z.code}, {e.links, z.links}} {
		for _, text := range of[0] {
			if slices.Contains(of[1], text) {
				likeness++
			}
		}
	}
	for _, f := range e.figures {
		if slices.ContainsFunc(z.figures, f.equal) {
			likeness++
		}
	}
	return likeness
}

func (s section) heading() string { return strings.Repeat("#", s.level) + " " + s.title }

// headingBlock returns the heading as a block, so that its figures and code are compared, too.
func (s section) headingBlock() block { return block{kind: "heading", line: s.line, text: s.title} }

// lastLine returns the line where the last block of a section begins.
func (s section) lastLine() int {
	if len(s.blocks) == 0 {
		return s.line
	}
	return s.blocks[len(s.blocks)-1].line
}

// difference returns the elements of a that are not in b, and those of b that are not in a, each once.
func difference[T any](a, b []T, equal func(x, y T) bool) (missing, extra []T) {
	return without(a, b, equal), without(b, a, equal)
}

func without[T any](a, b []T, equal func(x, y T) bool) []T {
	var rest []T
	for _, x := range a {
		same := func(y T) bool { return equal(x, y) }
		if !slices.ContainsFunc(b, same) && !slices.ContainsFunc(rest, same) {
			rest = append(rest, x)
		}
	}
	return rest
}

// beginning returns enough of a text to find it.
func beginning(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	if runes := []rune(text); len(runes) > 60 {
		return string(runes[:60]) + "…"
	}
	return text
}

// counterparts is a pair of indices; -1 means that there is no counterpart.
type counterparts struct{ english, chinese int }

// align pairs the elements of two lists, in order, so that the sum of their likeness is largest. Elements of likeness 0 are not paired.
func align(n, m int, likeness func(i, j int) int) []counterparts {
	best := make([][]int, n+1) // best[i][j] is the largest sum of the elements from i and j on.
	for i := range best {
		best[i] = make([]int, m+1)
	}
	like := make([][]int, n)
	for i := n - 1; i >= 0; i-- {
		like[i] = make([]int, m)
		for j := m - 1; j >= 0; j-- {
			like[i][j] = likeness(i, j)
			best[i][j] = max(best[i+1][j], best[i][j+1])
			if like[i][j] > 0 {
				best[i][j] = max(best[i][j], best[i+1][j+1]+like[i][j])
			}
		}
	}
	var pairs []counterparts
	i, j := 0, 0
	for i < n && j < m {
		switch {
		case like[i][j] > 0 && best[i][j] == best[i+1][j+1]+like[i][j]:
			pairs = append(pairs, counterparts{i, j})
			i, j = i+1, j+1
		case best[i][j] == best[i+1][j]:
			pairs = append(pairs, counterparts{i, -1})
			i++
		default:
			pairs = append(pairs, counterparts{-1, j})
			j++
		}
	}
	for ; i < n; i++ {
		pairs = append(pairs, counterparts{i, -1})
	}
	for ; j < m; j++ {
		pairs = append(pairs, counterparts{-1, j})
	}
	return pairs
}
