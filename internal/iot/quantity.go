package iot

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Number writes a value for people, with no more digits than it has and a comma after each three of them: 1,050.25.
func Number(value float64) string {
	text := strconv.FormatFloat(value, 'f', -1, 64)
	digits, fraction := text, ""
	if point := strings.IndexByte(text, '.'); point >= 0 {
		digits, fraction = text[:point], text[point:]
	}
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	grouped := make([]byte, 0, len(text)+len(digits)/3)
	for i := range len(digits) {
		if i > 0 && (len(digits)-i)%3 == 0 {
			grouped = append(grouped, ',')
		}
		grouped = append(grouped, digits[i])
	}
	return sign + string(grouped) + fraction
}

// Quantity writes a value with its unit as in Chinese texts, 28.1°C, and QuantityEN as in English ones: 28.1 °C.
func Quantity(value float64, unit string) string { return Number(value) + unit }

// QuantityEN is Quantity in English.
func QuantityEN(value float64, unit string) string {
	if unit == "" || unit == "%" {
		return Number(value) + unit
	}
	return Number(value) + " " + unit
}

// Lasting is how long something takes, as people say it in English: 31 days, 1 hour 30 minutes, 0.5 seconds.
type Lasting time.Duration

// String returns the time in words, without parts that are 0.
func (l Lasting) String() string {
	d := time.Duration(l)
	if d < 0 {
		return "-" + Lasting(-max(d, -math.MaxInt64)).String()
	}
	var parts []string
	part := func(count float64, name string) {
		if count != 1 {
			name += "s"
		}
		parts = append(parts, Number(count)+" "+name)
	}
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if count := d / unit.length; count > 0 {
			part(float64(count), unit.name)
			d %= unit.length
		}
	}
	if d > 0 || parts == nil {
		part(d.Seconds(), "second")
	}
	return strings.Join(parts, " ")
}
