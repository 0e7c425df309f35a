// Package translation keeps the Chinese documents in step with the English ones: a document NAME.zh-CN.md beside NAME.md has the
// same headings, paragraphs, commands, links, configuration keys and figures in the same order. It compares what does not depend on
// the language; whether the words mean the same, only a reader can judge.
package translation

import (
	"path"
	"regexp"
	"strings"
	"unicode"
)

// suffix is how the name of a translated document ends, in the place of ".md".
const suffix = ".zh-CN.md"

// A document is a Markdown file as a list of sections. The first section has level 0 and contains the text before the first
// heading.
type document struct {
	path     string // slash-separated, from the top of the project
	head     string // the first lines, where the other language is linked
	sections []section
}

// A section is a heading with the text up to the next heading of any level.
type section struct {
	level  int
	title  string
	line   int // counted from 1
	blocks []block
}

// A block is a paragraph, an item of a list, a row of a table, or a fenced block of code.
type block struct {
	kind string // as messages name it
	line int    // counted from 1
	text string // of code: without fences
	info string // of code: what follows the opening fence, such as bash
}

// The kinds of blocks.
const (
	paragraph = "paragraph"
	item      = "list item"
	row       = "table row"
	code      = "code block"
)

var (
	headingLine = regexp.MustCompile(`^(#{1,6}) +(.+)$`)
	itemLine    = regexp.MustCompile(`^\s*(?:[-*+]|\d+\.)\s+`)
	ruleOfTable = regexp.MustCompile(`^\|[\s|:-]+\|$`)
)

// headLines is within how many lines of its beginning a document links to its other language.
const headLines = 6

// parse reads the part of Markdown that the project's documents use.
func parse(name, text string) *document {
	d := &document{path: name, sections: []section{{line: 1}}}
	lines := strings.Split(text, "\n")
	d.head = strings.Join(lines[:min(headLines, len(lines))], "\n")
	var open *block // what the next line may continue
	for i := 0; i < len(lines); i++ {
		line, current := lines[i], &d.sections[len(d.sections)-1]
		add := func(kind, text string) *block {
			current.blocks = append(current.blocks, block{kind: kind, line: i + 1, text: text})
			return &current.blocks[len(current.blocks)-1]
		}
		trimmed := strings.TrimSpace(line)
		heading := headingLine.FindStringSubmatch(line)
		switch {
		case trimmed == "":
			open = nil
		case strings.HasPrefix(trimmed, "```"):
			open = nil
			fence := add(code, "")
			fence.info = strings.TrimPrefix(trimmed, "```")
			begin := i + 1
			for i++; i < len(lines) && strings.TrimSpace(lines[i]) != "```"; i++ {
			}
			fence.text = strings.Join(lines[begin:min(i, len(lines))], "\n")
		case heading != nil:
			open = nil
			d.sections = append(d.sections, section{level: len(heading[1]), title: heading[2], line: i + 1})
		case ruleOfTable.MatchString(trimmed):
			open = nil
		case strings.HasPrefix(trimmed, "|"):
			open = nil
			add(row, trimmed)
		case itemLine.MatchString(line):
			open = add(item, itemLine.ReplaceAllString(line, ""))
		case open != nil:
			open.text += " " + trimmed
		default:
			open = add(paragraph, trimmed)
		}
	}
	return d
}

// anchor returns the link target of the section's heading.
func (s *section) anchor() string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			return unicode.ToLower(r)
		}
		return -1
	}, s.title)
}

var (
	image      = regexp.MustCompile(`!\[[^\]]*\]\([^)]*\)`)
	inlineCode = regexp.MustCompile("`[^`]+`")
	linkTarget = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	autoLink   = regexp.MustCompile(`<(https?://[^>]+)>`)
	comment    = regexp.MustCompile(`(?m)(?:^|[ \t]+)# .*$`)
)

// content is the part of a block that must be the same in every language.
type content struct {
	code    []string // the code within a text; the lines of a code block, without the comments of a shell
	links   []string
	figures []figure
	words   string // the text without code and links
}

// content splits a block or a heading. Pictures are left out: they show the page in the language of the document.
func (b block) content() content {
	var c content
	text := image.ReplaceAllString(b.text, "")
	if b.kind == code {
		shell := b.info == "bash" || b.info == "sh"
		if shell {
			c.words = strings.Join(comment.FindAllString(text, -1), "\n")
			text = comment.ReplaceAllString(text, "")
		}
		for line := range strings.SplitSeq(text, "\n") {
			if line = strings.TrimRight(line, " \t"); line != "" {
				c.code = append(c.code, line)
			}
		}
		c.figures = figures(c.words)
		return c
	}
	for _, span := range inlineCode.FindAllString(text, -1) {
		c.code = append(c.code, strings.Join(strings.Fields(span), " "))
	}
	text = inlineCode.ReplaceAllString(text, "``")
	for _, found := range linkTarget.FindAllStringSubmatch(text, -1) {
		c.links = append(c.links, found[1])
	}
	for _, found := range autoLink.FindAllStringSubmatch(text, -1) {
		c.links = append(c.links, found[1])
	}
	c.words = autoLink.ReplaceAllString(linkTarget.ReplaceAllString(text, "]"), "")
	c.figures = figures(c.words)
	return c
}

// translated returns the path of the translation of an English document.
func translated(english string) string { return strings.TrimSuffix(english, ".md") + suffix }

// A library is all documents that exist in both languages, by the path of the English one.
type library map[string]translation

type translation struct{ english, chinese *document }

// chineseTarget returns where the Chinese document links to where the English one at a path links to target: to the same, or to
// its translation and the heading that is the counterpart of the one linked. The English document's link to its own translation is
// the translation's to the English document.
func (l library) chineseTarget(english, target string) string {
	file, fragment, _ := strings.Cut(target, "#")
	if strings.Contains(file, "://") {
		return target
	}
	linked := english
	if file != "" {
		linked = path.Join(path.Dir(english), file)
	}
	if linked == translated(english) {
		return path.Base(english)
	}
	pair, ok := l[linked]
	if !ok {
		return target
	}
	if file != "" {
		file = translated(file)
	}
	if fragment == "" {
		return file
	}
	for i, section := range pair.english.sections {
		if section.anchor() == fragment && i < len(pair.chinese.sections) {
			fragment = pair.chinese.sections[i].anchor()
			break
		}
	}
	return file + "#" + fragment
}
