package payload

import (
	"bytes"
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
)

// isCBOR reports whether a payload may be in CBOR: it begins as most of its values do, and is no text.
func isCBOR(payload []byte) bool { return payload[0] >= 0x80 && !utf8.Valid(payload) }

// cborMode returns the mode of decoding, which does not change.
var cborMode = sync.OnceValue(func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, MaxNestedLevels: MaxDepth, MaxArrayElements: maxNodes, MaxMapPairs: MaxPoints,
	}.DecMode()
	if err != nil {
		panic("payload: the options of CBOR: " + err.Error())
	}
	return mode
})

// cbor decodes a payload in CBOR as if it were JSON.
func (d *Decoder) cbor(payload []byte, points []mapping.Point) ([]mapping.Point, error) {
	var value any
	if err := cborMode().Unmarshal(payload, &value); err != nil {
		return points, iot.Invalid("", "not valid CBOR: %s", strings.TrimPrefix(err.Error(), "cbor: "))
	}
	d.tree.nodes = d.tree.nodes[:0]
	if err := d.tree.convert(nil, value); err != nil {
		return points, err
	}
	return d.points(points)
}

// convert adds the nodes of a value. Byte strings are no values.
func (t *tree) convert(name []byte, value any) error {
	n := node{name: name}
	switch v := value.(type) {
	case map[any]any:
		return t.convertMap(name, v)
	case []any:
		n.kind = array
		index, err := t.add(n)
		for i := 0; err == nil && i < len(v); i++ {
			err = t.convert(nil, v[i])
		}
		t.end(index, err)
		return err
	case cbor.Tag:
		return t.convert(name, v.Content)
	case bool:
		n.kind, n.text = boolean, strconv.AppendBool(nil, v)
	case string:
		n.kind, n.text = text, []byte(v)
	case time.Time:
		n.kind, n.text = text, v.UTC().AppendFormat(nil, time.RFC3339Nano)
	case uint64:
		n.kind, n.text, n.number = number, strconv.AppendUint(nil, v, 10), float64(v)
	case int64:
		n.kind, n.text, n.number = number, strconv.AppendInt(nil, v, 10), float64(v)
	case float64:
		n.kind, n.text, n.number = number, strconv.AppendFloat(nil, v, 'g', -1, 64), v
	case big.Int:
		n.kind = number
		n.number, _ = new(big.Float).SetInt(&v).Float64()
		n.text = strconv.AppendFloat(nil, n.number, 'g', -1, 64)
	}
	_, err := t.add(n)
	return err
}

func (t *tree) end(index int, err error) {
	if err == nil {
		t.nodes[index].end = int32(len(t.nodes))
	}
}

// convertMap adds the nodes of a map in the order of its keys. Keys that are no texts are written as texts; if two become the same, nobody
// could say which value is meant.
func (t *tree) convertMap(name []byte, m map[any]any) error {
	type member struct {
		name  []byte
		value any
	}
	members := make([]member, 0, len(m))
	for key, value := range m {
		switch key.(type) {
		case string, uint64, int64, bool, float64:
		default:
			return iot.Invalid("", "a key of CBOR that is neither a text nor a number (got %T)", key)
		}
		members = append(members, member{fmt.Append(nil, key), value})
	}
	slices.SortFunc(members, func(a, b member) int { return cmp.Compare(string(a.name), string(b.name)) })
	index, err := t.add(node{kind: object, name: name})
	for i := 0; err == nil && i < len(members); i++ {
		if i > 0 && bytes.Equal(members[i-1].name, members[i].name) {
			return duplicate(members[i].name)
		}
		err = t.convert(members[i].name, members[i].value)
	}
	t.end(index, err)
	return err
}
