package notify

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Template is what people want the messages of a channel to say, with placeholders. An empty Title or Body means the usual one.
type Template struct{ Title, Body string }

const (
	// maxTitle and maxBody are the maximum lengths of a template in bytes, maxWritten that of what is made of it.
	maxTitle, maxBody = 256, 4096
	maxWritten        = 64 << 10
)

// placeholders are what a template may contain, in braces. In a message about several groups, those of one group are empty.
var placeholders = []string{
	"severity", "kind", "about", "counts", "alert_type", "area", "device_type", "device", "tenant", "route", "open", "alerts", "procedure", "page", "time", "id",
}

// mark matches what looks like a placeholder. Other braces stay as they are.
var mark = regexp.MustCompile(`\{[a-z_]+\}`)

// Check returns what is wrong with a template, and in which of its parts, title or body; an empty reason means nothing.
func (t *Template) Check() (part, reason string) {
	for _, one := range []struct {
		part, text string
		most       int
	}{{"title", t.Title, maxTitle}, {"body", t.Body, maxBody}} {
		if len(one.text) > one.most {
			return one.part, fmt.Sprintf("at most %d bytes", one.most)
		}
		if one.part == "title" && strings.ContainsAny(one.text, "\r\n") {
			return one.part, "one line"
		}
		if one.part == "title" && strings.Contains(one.text, "{alerts}") {
			return one.part, "a title without {alerts}, which has many lines"
		}
		for _, found := range mark.FindAllString(one.text, -1) {
			if !slices.Contains(placeholders, found[1:len(found)-1]) {
				return one.part, fmt.Sprintf("without %s: the placeholders are {%s}", found, strings.Join(placeholders, "}, {"))
			}
		}
	}
	return "", ""
}

// fill replaces the placeholders of a template. What they stand for is not looked at again, so nothing in a device's name is a placeholder.
func (w *Writer) fill(template string, m *Message) string {
	words := w.words()
	open := 0
	for i := range m.Groups {
		open += m.Groups[i].Open
	}
	values := map[string]string{
		"severity": words.severity[m.Severity()], "kind": words.kind[m.Kind], "about": words.kind[m.Kind], "open": fmt.Sprint(open), "counts": fmt.Sprintf(words.open, open),
		"page": w.Page, "time": w.time(m.Time), "id": m.ID,
	}
	if len(m.Groups) == 1 && m.Kind != Digest {
		v := &m.Groups[0]
		for name, value := range map[string]string{
			"about": w.about(v), "counts": w.counts(v), "alert_type": v.Rule, "area": string(v.Area), "device_type": string(v.DeviceType), "device": string(v.Device),
			"tenant": string(v.Tenant), "route": v.Route, "procedure": procedureOf(v),
		} {
			values[name] = oneLine(value)
		}
	}
	if strings.Contains(template, "{alerts}") {
		values["alerts"] = strings.Join(w.alertLines(m), "\n")
	}
	var pairs []string
	for _, name := range placeholders {
		pairs = append(pairs, "{"+name+"}", values[name])
	}
	return strings.NewReplacer(pairs...).Replace(template)
}

// procedureOf returns the first procedure of a group's alerts; empty if none has one.
func procedureOf(v *View) string {
	for i := range v.Alerts {
		if v.Alerts[i].Procedure != "" {
			return v.Alerts[i].Procedure
		}
	}
	return ""
}

// templatedText returns the message by the template. Its last line is the message's id, by which a receiver recognizes it, unless the template has that
// elsewhere.
func (w *Writer) templatedText(m *Message) string {
	lines := strings.Split(strings.TrimRight(w.fill(w.Template.Body, m), "\n"), "\n")
	if !strings.Contains(w.Template.Body, "{id}") || w.Most > 0 {
		lines = append(slices.DeleteFunc(lines, func(line string) bool { return line == m.ID }), m.ID)
	}
	bounded := *w
	if bounded.Most <= 0 || bounded.Most > maxWritten {
		bounded.Most = maxWritten
	}
	return bounded.fit(lines)
}
