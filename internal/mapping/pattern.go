package mapping

import (
	"fmt"
	"regexp"
	"strings"
)

// filter is a parsed filter of topics; nil matches any.
type filter []string

func parseFilter(text string) (filter, error) {
	if text == "" {
		return nil, nil
	}
	levels := strings.Split(text, "/")
	for i, level := range levels {
		if strings.ContainsAny(level, "+#") && len(level) > 1 {
			return nil, fmt.Errorf("%q: + and # stand for whole levels", text)
		}
		if level == "#" && i < len(levels)-1 {
			return nil, fmt.Errorf("%q: # must be the last level", text)
		}
	}
	return levels, nil
}

func (f filter) matches(topic []string) bool {
	if f == nil {
		return true
	}
	for i, level := range f {
		switch {
		case level == "#":
			return true
		case i == len(topic):
			return false
		case level != "+" && level != topic[i]:
			return false
		}
	}
	return len(f) == len(topic)
}

// pattern is a parsed pattern of fields.
type pattern struct {
	// exact is the field if there are no wildcards; else wild finds what they match. Neither matches any field.
	exact string
	wild  *regexp.Regexp
}

func parsePattern(text string) pattern {
	if !strings.Contains(text, "*") {
		return pattern{exact: text}
	}
	var expression strings.Builder
	wild := false
	for rest := text; ; {
		literal, after, more := strings.Cut(rest, "*")
		before, escaped := strings.CutSuffix(literal, `\`)
		if !more || !escaped {
			expression.WriteString(regexp.QuoteMeta(literal))
		}
		switch {
		case !more && !wild:
			return pattern{exact: strings.ReplaceAll(text, `\*`, "*")}
		case !more:
			return pattern{wild: regexp.MustCompile(`(?s)^` + expression.String() + `$`)}
		case escaped:
			expression.WriteString(regexp.QuoteMeta(before + "*"))
		case strings.HasPrefix(after, "*"):
			wild, after = true, strings.TrimLeft(after, "*")
			expression.WriteString("(.*)")
		default:
			wild = true
			expression.WriteString("([^.]*)")
		}
		rest = after
	}
}

// QuoteField returns the pattern that matches a field alone, whatever is in its name.
func QuoteField(name string) string { return strings.ReplaceAll(name, "*", `\*`) }

// match reports whether a field matches, and what the wildcards stand for.
func (p *pattern) match(field string) ([]string, bool) {
	switch {
	case p.wild != nil:
		found := p.wild.FindStringSubmatch(field)
		if found == nil {
			return nil, false
		}
		return found[1:], true
	default:
		return nil, p.exact == "" || p.exact == field
	}
}

// fillPath replaces the wildcards of the path of a value by what those of the rule's field stand for.
func fillPath(path string, wildcards []string) string {
	for _, value := range wildcards {
		before, after, found := strings.Cut(path, "*")
		if !found {
			return path
		}
		path = before + value + strings.TrimPrefix(after, "*")
	}
	return path
}
