package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Bytes is a size. In a file it is a number of bytes or a number with a unit, such as 512MiB.
type Bytes int64

// unit is a suffix and its number of bytes.
type unit struct {
	suffix string
	bytes  int64
}

// units returns the units, largest first; B is last because the others end in it.
func units() []unit {
	return []unit{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}
}

// String formats the size with the largest unit that leaves a whole number.
func (b Bytes) String() string {
	for _, u := range units() {
		if b != 0 && int64(b)%u.bytes == 0 && u.bytes > 1 {
			return strconv.FormatInt(int64(b)/u.bytes, 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

func parseBytes(text string) (Bytes, error) {
	factor := int64(1)
	for _, u := range units() {
		if number, ok := strings.CutSuffix(text, u.suffix); ok {
			text, factor = strings.TrimSpace(number), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/factor {
		return 0, errors.New("not a size")
	}
	return Bytes(n * factor), nil
}
