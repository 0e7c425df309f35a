package translation

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// first are the documents that a plant engineer reads first. Each of them has a translation.
var first = []string{"README.md", "QUICK_START.md", "docs/operations.md", "docs/api-reference.md", "docs/step-by-step/*.md"}

// TestChineseDocumentsKeepStep compares every Chinese document with the English one beside it.
func TestChineseDocumentsKeepStep(t *testing.T) {
	documents := readLibrary(t)
	for _, pattern := range first {
		names, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: got %v, %v, want documents", pattern, names, err)
		}
		for _, name := range names {
			name, err := filepath.Rel(root, name)
			if err != nil {
				t.Fatal(err)
			}
			if name = filepath.ToSlash(name); strings.HasSuffix(name, suffix) {
				continue
			}
			if _, ok := documents[name]; !ok {
				t.Errorf("%s: there is no translation %s", name, translated(name))
			}
		}
	}
	for _, pair := range documents {
		for _, problem := range documents.compare(pair) {
			t.Error(problem)
		}
	}
}

// readLibrary reads all documents that exist in both languages.
func readLibrary(t *testing.T) library {
	t.Helper()
	read := func(name string) *document {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatalf("%v: a document NAME%s is the translation of NAME.md", err, suffix)
		}
		return parse(filepath.ToSlash(name), string(text))
	}
	documents := library{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git"):
			return filepath.SkipDir
		case strings.HasSuffix(path, suffix):
			name, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			english := strings.TrimSuffix(name, suffix) + ".md"
			documents[filepath.ToSlash(english)] = translation{read(english), read(name)}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return documents
}

const english = `# Pumps

[中文](pumps.zh-CN.md)

A window is 30 s. Set ` + "`pumps.window`" + ` as in [fans](fans.md#wear).

## Install

` + "```bash" + `
make pumps    # 1,000 pumps
make fans
` + "```" + `

| key | default |
|---|---|
| ` + "`pumps.rate`" + ` | 1.5 million a day, three times |

## Stop

- Stop it after ten seconds.
- Then see [above](#install).
`

const chinese = `# 水泵

[English](pumps.md)

按 [风机](fans.zh-CN.md#磨损) 设置 ` + "`pumps.window`" + `，窗口为 30 秒。

## 安装

` + "```bash" + `
make pumps    # 1000 台水泵
make fans
` + "```" + `

| 配置键 | 默认值 |
|---|---|
| ` + "`pumps.rate`" + ` | 每天 150 万，三次 |

## 停止

- 10 秒后停止。
- 然后见[上文](#安装)。
`

func TestDifferencesAreFound(t *testing.T) {
	for _, test := range []struct {
		name     string
		old, new string // what is replaced in the Chinese document
		want     []string
	}{
		{name: "in step"},
		{"heading missing", "## 安装\n", "", []string{
			`pumps.zh-CN.md:15: lacks the heading "## Install", line 7 of pumps.md`,
		}},
		{"section missing", chinese[strings.Index(chinese, "## 停止"):], "", []string{
			`pumps.zh-CN.md:16: lacks the heading "## Stop", line 18 of pumps.md`,
		}},
		{"section too many", "## 停止", "## 暂停\n\n不要急。\n\n## 停止", []string{
			`pumps.zh-CN.md:18: the heading "## 暂停" has no counterpart in pumps.md`,
		}},
		{"level", "## 停止", "### 停止", []string{
			`pumps.zh-CN.md:16: lacks the heading "## Stop", line 18 of pumps.md`,
			`pumps.zh-CN.md:18: the heading "### 停止" has no counterpart in pumps.md`,
		}},
		{"two headings alike", "## 停止", "## 安装", []string{
			`pumps.zh-CN.md:18: a link to the heading "## 安装" leads to that of line 7, which is called the same`,
		}},
		{"figure", "30 秒", "45 秒", []string{"pumps.zh-CN.md:5: says 45 秒 where line 5 of pumps.md says 30 s"}},
		{"unit", "30 秒", "30 分钟", []string{"pumps.zh-CN.md:5: says 30 分钟 where line 5 of pumps.md says 30 s"}},
		{"figure missing", "窗口为 30 秒", "窗口很短", []string{"pumps.zh-CN.md:5: lacks the figure 30 s of line 5 of pumps.md"}},
		{"figure of a word", "10 秒", "20 秒", []string{"pumps.zh-CN.md:20: says 20 秒 where line 20 of pumps.md says ten"}},
		{"word for a word", "三次", "四次", []string{"pumps.zh-CN.md:16: lacks the figure three of line 16 of pumps.md"}},
		{"order of commands", "make pumps    # 1000 台水泵\nmake fans", "make fans\nmake pumps    # 1000 台水泵", []string{
			"pumps.zh-CN.md:9: has the lines of code of line 9 of pumps.md in another order, or not as often",
		}},
		{"scale", "150 万", "15 万", []string{"pumps.zh-CN.md:16: says 15 万 where line 16 of pumps.md says 1.5 million"}},
		{"comment of a command", "1000 台", "2000 台", []string{"pumps.zh-CN.md:9: says 2000 where line 9 of pumps.md says 1,000"}},
		{"command", "make pumps", "make pump", []string{"pumps.zh-CN.md:9: says make pump where line 9 of pumps.md says make pumps"}},
		{"language of a command", "```bash", "```sh", []string{`pumps.zh-CN.md:9: the code block is of "sh" where line 9 of pumps.md is of "bash"`}},
		{"configuration key", "`pumps.rate`", "`pumps.rates`", []string{"pumps.zh-CN.md:16: says `pumps.rates` where line 16 of pumps.md says `pumps.rate`"}},
		{"configuration key missing", "`pumps.window`", "窗口", []string{"pumps.zh-CN.md:5: lacks the code `pumps.window` of line 5 of pumps.md"}},
		{"link to the English document", "fans.zh-CN.md", "fans.md", []string{
			"pumps.zh-CN.md:5: says fans.md#磨损 where line 5 of pumps.md says fans.zh-CN.md#磨损",
		}},
		{"link to another heading", "#安装", "#停止", []string{"pumps.zh-CN.md:21: says #停止 where line 21 of pumps.md says #安装"}},
		{"link missing", "见[上文](#安装)", "如上", []string{"pumps.zh-CN.md:21: lacks the link #安装 of line 21 of pumps.md"}},
		{"list item missing", "- 10 秒后停止。\n", "", []string{
			`pumps.zh-CN.md:18: lacks the list item "Stop it after ten seconds.", line 20 of pumps.md`,
		}},
		{"other language not linked", "[English](pumps.md)\n", "英文\n", []string{
			"pumps.zh-CN.md: does not link to pumps.md in its first 6 lines",
			"pumps.zh-CN.md:3: lacks the link pumps.md of line 3 of pumps.md",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := chinese
			if test.old != "" {
				if text = strings.Replace(chinese, test.old, test.new, 1); text == chinese {
					t.Fatalf("%q is not in the document", test.old)
				}
			}
			documents := library{
				"pumps.md": {parse("pumps.md", english), parse("pumps.zh-CN.md", text)},
				"fans.md":  {parse("fans.md", "# Fans\n## Wear\n"), parse("fans.zh-CN.md", "# 风机\n## 磨损\n")},
			}
			if got := documents.compare(documents["pumps.md"]); !slices.Equal(got, test.want) {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

func TestFigures(t *testing.T) {
	for _, test := range []struct {
		text string
		want []figure
	}{
		{"p99 of 1,000 devices, 5 s, 1.0.2", []figure{{"1000", "", "1,000"}, {"5", "s", "5 s"}, {"1", "", "1.0"}}},
		{"每秒 110 万条，99.9%，30 秒", []figure{{"1100000", "", "110 万"}, {"999/10", "%", "99.9%"}, {"30", "s", "30 秒"}}},
		{"1.1 million a second, 30-second windows, 5 services", []figure{{"1100000", "", "1.1 million"}, {"30", "s", "30-second"}, {"5", "", "5"}}},
		{"17 亿条、64 字节、200 毫秒", []figure{{"1700000000", "", "17 亿"}, {"64", "B", "64 字节"}, {"200", "ms", "200 毫秒"}}},
	} {
		if got := figures(test.text); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %+v, want %+v", test.text, got, test.want)
		}
	}
}

func TestNumbersInWords(t *testing.T) {
	var got []string
	for _, f := range numbersInWords("Twenty-five pumps, ten thousand readings, a hundred times; someone is tense. Twice, or three hundred and more") {
		got = append(got, f.value)
	}
	if want := []string{"25", "10000", "100", "2", "300"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestChineseNumbers(t *testing.T) {
	var got []string
	for _, f := range chineseNumbers("五十次，一万条，三十秒，十五分钟，两百零三台，三千二百万") {
		got = append(got, f.value)
	}
	if want := []string{"50", "10000", "30", "15", "203", "32000000"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
