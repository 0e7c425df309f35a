package translation

import (
	"math/big"
	"regexp"
	"strings"
)

// A figure is a number of a text with its unit.
type figure struct {
	value   string // exact, as big.Rat prints it
	unit    string // as units names it; empty if there is none, or none that is known
	written string
}

// equal reports whether two figures are the same. A figure without a known unit is equal to one of any unit.
func (f figure) equal(g figure) bool {
	return f.value == g.value && (f.unit == g.unit || f.unit == "" || g.unit == "")
}

// scales are the words that multiply the number before them, in both languages.
var scales = map[string]int64{"thousand": 1e3, "million": 1e6, "billion": 1e9, "千": 1e3, "万": 1e4, "亿": 1e8}

// units gives one name to the units of both languages. Only units that are written differently in them, or easily confused, are here.
var units = map[string]string{
	"ms": "ms", "millisecond": "ms", "milliseconds": "ms", "毫秒": "ms",
	"s": "s", "second": "s", "seconds": "s", "秒": "s",
	"minute": "min", "minutes": "min", "分钟": "min",
	"hour": "h", "hours": "h", "小时": "h",
	"day": "d", "days": "d", "天": "d",
	"byte": "B", "bytes": "B", "字节": "B",
	"KB": "KB", "MB": "MB", "GB": "GB", "KiB": "KiB", "MiB": "MiB", "GiB": "GiB",
	"%": "%",
}

var number = regexp.MustCompile(`(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)` +
	`(?:[ -]?(thousand\b|million\b|billion\b|千|万|亿))?` +
	`(?:[ -]?(milliseconds?\b|seconds?\b|minutes?\b|hours?\b|days?\b|bytes?\b|ms\b|s\b|[KMG]i?B\b|毫秒|秒|分钟|小时|天|字节|%))?`)

// figures returns the numbers of a text that are written in digits, in their order. Digits within a name, such as p99, are none.
func figures(text string) []figure {
	var found []figure
	for _, at := range number.FindAllStringSubmatchIndex(text, -1) {
		if at[0] > 0 && isNamePart(text[at[0]-1]) {
			continue
		}
		group := func(i int) string {
			if at[2*i] < 0 {
				return ""
			}
			return text[at[2*i]:at[2*i+1]]
		}
		value, ok := new(big.Rat).SetString(strings.ReplaceAll(group(1), ",", ""))
		if !ok {
			continue
		}
		if scale := scales[group(2)]; scale != 0 {
			value.Mul(value, new(big.Rat).SetInt64(scale))
		}
		found = append(found, figure{value.RatString(), units[group(3)], strings.TrimSpace(group(0))})
	}
	return found
}

func isNamePart(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '_' || b == '.'
}

// small are the words from which English numbers are made, but for the multipliers hundred, thousand and million.
var small = map[string]int64{
	"one": 1, "two": 2, "twice": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11,
	"twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19,
	"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}

var englishWord = regexp.MustCompile(`[a-z]+`)

// numbersInWords returns the numbers that an English text writes in words, each without a unit.
func numbersInWords(text string) []figure {
	var found []figure
	sum, written := int64(0), ""
	end := func() {
		if written != "" {
			found = append(found, figure{value: new(big.Rat).SetInt64(sum).RatString(), written: written})
		}
		sum, written = 0, ""
	}
	for _, word := range englishWord.FindAllString(strings.ToLower(number.ReplaceAllString(text, "0")), -1) {
		multiplier := scales[word]
		if word == "hundred" {
			multiplier = 100
		}
		switch {
		case small[word] != 0:
			sum += small[word]
		case multiplier != 0:
			sum = max(sum, 1) * multiplier
		default:
			end()
			continue
		}
		written = strings.TrimSpace(written + " " + word)
	}
	end()
	return found
}

// numerals are the characters from which Chinese numbers are made, but for the multipliers.
var numerals = map[rune]int64{'零': 0, '一': 1, '二': 2, '两': 2, '三': 3, '四': 4, '五': 5, '六': 6, '七': 7, '八': 8, '九': 9}

// numeralScales are the multipliers of Chinese numbers. Those from 万 on multiply all that is before them.
var numeralScales = map[rune]int64{'十': 10, '百': 100, '千': 1e3, '万': 1e4, '亿': 1e8}

var chineseNumber = regexp.MustCompile(`[零一二两三四五六七八九十百千万亿]+`)

// chineseNumbers returns the numbers that a Chinese text writes in characters, each without a unit.
func chineseNumbers(text string) []figure {
	var found []figure
	for _, written := range chineseNumber.FindAllString(text, -1) {
		var sum, digit int64
		for _, r := range written {
			scale := numeralScales[r]
			switch {
			case scale == 0:
				digit = numerals[r]
			case scale < 1e4:
				sum += max(digit, 1) * scale
				digit = 0
			default:
				sum = max(sum+digit, 1) * scale
				digit = 0
			}
		}
		found = append(found, figure{value: new(big.Rat).SetInt64(sum + digit).RatString(), written: written})
	}
	return found
}
