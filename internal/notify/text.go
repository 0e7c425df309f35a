package notify

import (
	"fmt"
	"strings"
	"time"

	"iotmon/internal/iot"
)

// Language is that of a channel's messages.
type Language string

// The languages.
const (
	Chinese Language = "zh"
	English Language = "en"
)

// Writer words messages for people.
type Writer struct {
	Language Language
	// Zone is the time zone of the times in the text.
	Zone *time.Location
	// Page is the address of the page, such as https://iotmon.example, for the link to the alerts; empty for no link.
	Page string
	// Template is what people want it to say instead of the usual words.
	Template Template
	// Most is the maximum length of the text in bytes. What is longer is cut at a line, and says so.
	Most int
}

// words are what the texts are made of in one language.
type words struct {
	severity                                         map[iot.Severity]string
	kind                                             map[Kind]string
	open, fresh, acknowledged, over                  string
	passed, device, since, cleared, more, moreGroups string
	procedure, page, digest, test, escalation        string
	ackMark, offline, value, all, cut                string
}

var languages = map[Language]*words{
	Chinese: {
		severity: map[iot.Severity]string{iot.Info: "提示", iot.Warning: "警告", iot.Critical: "严重"},
		kind: map[Kind]string{
			Raised: "新告警", Changed: "告警变化", Repeated: "仍未确认", Escalated: "升级: 无人确认", Over: "已恢复", Digest: "摘要", Test: "测试",
			FromMemory: "新告警 (数据库不可用)",
		},
		open: "未恢复 %d", fresh: "新 %d", acknowledged: "已确认或已搁置 %d", over: "已恢复 %d", passed: "另有 %d 个出现后已自行恢复",
		device: "设备 %s", since: "自 %s", cleared: "%s 恢复", more: "……另有 %d 个", moreGroups: "……另有 %d 组",
		procedure: "处理步骤: %s", page: "详情: %s", digest: "自 %s 起的 %d 条通知合并为一条, 其中未恢复的告警在前。",
		test: "这是 iotmon 的测试通知, 收到即表示该通道可用。", escalation: "第 %d 级升级", ackMark: "已确认", offline: "设备离线", value: "当前值 %s, 阈值 %s",
		all: "所有规则", cut: "(内容过长, 已截断)",
	},
	English: {
		severity: map[iot.Severity]string{iot.Info: "info", iot.Warning: "warning", iot.Critical: "critical"},
		kind: map[Kind]string{
			Raised: "new alert", Changed: "alerts changed", Repeated: "still not acknowledged", Escalated: "escalated: nobody has acknowledged",
			Over: "over", Digest: "digest", Test: "test", FromMemory: "new alert (the database is away)",
		},
		open: "%d open", fresh: "%d new", acknowledged: "%d acknowledged or shelved", over: "%d over",
		passed: "%d more came and went by themselves",
		device: "device %s", since: "since %s", cleared: "over at %s", more: "… and %d more", moreGroups: "… and %d more groups",
		procedure: "Procedure: %s", page: "Details: %s", digest: "%[2]d notifications since %[1]s in one; alerts that still stand come first.",
		test: "This is a test notification of iotmon. If you can read it, the channel works.", escalation: "escalation step %d", ackMark: "acknowledged",
		offline: "the device is offline", value: "value %s, threshold %s", all: "all rules", cut: "(too long, cut here)",
	},
}

func (w *Writer) words() *words {
	if found := languages[w.Language]; found != nil {
		return found
	}
	return languages[Chinese]
}

// Subject returns the message in one line.
func (w *Writer) Subject(m *Message) string {
	words := w.words()
	switch {
	case w.Template.Title != "":
		return Cut(oneLine(w.fill(w.Template.Title, m)), maxText)
	case len(m.Groups) == 0:
		return "[iotmon] " + words.kind[m.Kind]
	case len(m.Groups) > 1 || m.Kind == Digest:
		open := 0
		for i := range m.Groups {
			open += m.Groups[i].Open
		}
		return fmt.Sprintf("[%s] %s: %s", words.severity[m.Severity()], words.kind[m.Kind], fmt.Sprintf(words.open, open))
	}
	v := &m.Groups[0]
	return oneLine(fmt.Sprintf("[%s] %s: %s, %s", words.severity[v.Severity], words.kind[m.Kind], w.about(v), w.counts(v)))
}

// about says what a group is about.
func (w *Writer) about(v *View) string {
	parts := []string{v.Rule}
	if v.Rule == "" {
		parts[0] = w.words().all
	}
	for _, part := range []string{string(v.Area), string(v.DeviceType), string(v.Device), string(v.Tenant)} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return Cut(strings.Join(parts, " · "), 200)
}

// counts says how many alerts of a group there are, and of which kind.
func (w *Writer) counts(v *View) string {
	words := w.words()
	parts := []string{fmt.Sprintf(words.open, v.Open)}
	for _, part := range []struct {
		format string
		count  int
	}{{words.fresh, v.New}, {words.acknowledged, v.Acknowledged}, {words.over, v.Over}, {words.passed, v.Passed}} {
		if part.count > 0 {
			parts = append(parts, fmt.Sprintf(part.format, part.count))
		}
	}
	return strings.Join(parts, ", ")
}

// Text returns the whole message as plain text, without its subject.
func (w *Writer) Text(m *Message) string {
	if w.Template.Body != "" {
		return w.templatedText(m)
	}
	lines := w.alertLines(m)
	if w.Page != "" {
		lines = append(lines, fmt.Sprintf(w.words().page, w.Page))
	}
	return w.fit(append(lines, m.ID))
}

// alertLines returns what the message says of its alerts.
func (w *Writer) alertLines(m *Message) []string {
	words := w.words()
	var lines []string
	switch m.Kind {
	case Test:
		lines = append(lines, words.test)
	case Digest:
		from := m.Time
		if m.From != nil {
			from = *m.From
		}
		lines = append(lines, fmt.Sprintf(words.digest, w.time(from), m.Merged))
	case Escalated:
		lines = append(lines, fmt.Sprintf(words.escalation, m.Step))
	}
	for i := range m.Groups {
		lines = append(lines, w.group(&m.Groups[i], len(m.Groups) > 1 || m.Kind == Digest)...)
	}
	if m.Omitted > 0 {
		lines = append(lines, fmt.Sprintf(words.moreGroups, m.Omitted))
	}
	return lines
}

// group returns the lines about one group, with a title if there are several.
func (w *Writer) group(v *View, titled bool) []string {
	words := w.words()
	var lines []string
	if titled {
		lines = append(lines, oneLine(fmt.Sprintf("[%s] %s: %s", words.severity[v.Severity], w.about(v), w.counts(v))))
	}
	for i := range v.Alerts {
		lines = append(lines, "- "+w.alert(&v.Alerts[i]))
	}
	if more := v.Open + v.Over - len(v.Alerts); more > 0 {
		lines = append(lines, fmt.Sprintf(words.more, more))
	}
	if procedure := procedureOf(v); procedure != "" {
		lines = append(lines, oneLine(fmt.Sprintf(words.procedure, procedure)))
	}
	return lines
}

// alert returns the line about one alert.
func (w *Writer) alert(a *Alert) string {
	words := w.words()
	parts := []string{fmt.Sprintf(words.device, a.Device)}
	if a.Area != "" {
		parts[0] += " (" + string(a.Area) + ")"
	}
	parts = append(parts, w.what(a), fmt.Sprintf(words.since, w.time(a.Onset)))
	if a.Over != nil {
		parts = append(parts, fmt.Sprintf(words.cleared, w.time(*a.Over)))
	} else if a.Acknowledged {
		parts = append(parts, words.ackMark)
	}
	return oneLine(strings.Join(parts, ", "))
}

// what says what the alert is about, in the language of the writer.
func (w *Writer) what(a *Alert) string {
	switch {
	case w.Language != English:
		return a.Text
	case a.TextEN != "":
		return a.TextEN
	case a.Rule == iot.RuleOffline:
		return w.words().offline
	default:
		return a.Rule + ": " + fmt.Sprintf(w.words().value, iot.QuantityEN(a.Value, a.Unit), iot.QuantityEN(a.Threshold, a.Unit))
	}
}

// time writes a time by the clock on the wall.
func (w *Writer) time(t time.Time) string {
	zone := w.Zone
	if zone == nil {
		zone = time.UTC
	}
	return t.In(zone).Format("2006-01-02 15:04:05 MST")
}

// fit joins lines as far as they are not too long together. The last one, which is the message's id, always stays.
func (w *Writer) fit(lines []string) string {
	text := strings.Join(lines, "\n")
	if w.Most <= 0 || len(text) <= w.Most {
		return text
	}
	tail := "\n" + w.words().cut + "\n" + lines[len(lines)-1]
	room := w.Most - len(tail)
	var kept strings.Builder
	for i, line := range lines[:len(lines)-1] {
		if kept.Len()+len(line)+1 > room {
			if i == 0 {
				kept.WriteString(Cut(line, max(room, len("…"))))
			}
			break
		}
		if i > 0 {
			kept.WriteByte('\n')
		}
		kept.WriteString(line)
	}
	return kept.String() + tail
}

// oneLine replaces what would break a line or reorder it, such as the control characters in a device's id.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < ' ', r == 0x7f, r >= 0x80 && r < 0xa0, r == '\u2028', r == '\u2029':
			return ' '
		case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
			return -1
		}
		return r
	}, text)
}
