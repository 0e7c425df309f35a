package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// repair mends files that a kill has left incomplete, in the two cases that kfake does not notice itself: an entry of a log of commits
// or producers, and the index of a segment. logDir need not exist.
func repair(logDir string) error {
	for _, name := range []string{"groups.log", "pids.log"} {
		if err := truncateTorn(filepath.Join(logDir, name)); err != nil {
			return fmt.Errorf("repair %s: %w", name, err)
		}
	}
	partitions, err := filepath.Glob(filepath.Join(logDir, "partitions", "*"))
	if err != nil {
		return err
	}
	for _, partition := range partitions {
		if err := rebuildIndex(partition); err != nil {
			return fmt.Errorf("repair index of %s: %w", filepath.Base(partition), err)
		}
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// truncateTorn removes an incomplete entry from the end of a log of commits or producers. kfake skips such an entry at its start and
// appends after it. At the start after that, it would stop reading at the entry and lose everything that follows.
//
// An entry is its length, the checksum of the rest, and the rest; the numbers are 32 bits, little-endian.
func truncateTorn(path string) error {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	whole := 0
	for rest := raw; len(rest) >= 8; rest = raw[whole:] {
		length := int(binary.LittleEndian.Uint32(rest))
		if length < 2 || length > len(rest)-8 {
			break
		}
		if crc32.Checksum(rest[8:8+length], castagnoli) != binary.LittleEndian.Uint32(rest[4:]) {
			break
		}
		whole += 8 + length
	}
	if whole == len(raw) {
		return nil
	}
	return os.Truncate(path, int64(whole))
}

// indexEntry is the length, in bytes, of the index entry of a batch.
const indexEntry = 15

// rebuildIndex writes the index of a partition's last segment again if it does not match the batches: after a kill the entry of the
// last batch may be missing, after a full disk it may be incomplete. kfake pairs batches and entries by their order, so every later
// batch of the segment would get the entry of another batch, and records of an open transaction could look committed.
func rebuildIndex(partition string) error {
	base, found, err := lastSegment(partition)
	if err != nil || !found {
		return err
	}
	segment, err := os.ReadFile(filepath.Join(partition, base+".dat"))
	if err != nil {
		return err
	}
	path := filepath.Join(partition, base+".idx")
	index, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	want := indexOf(segment)
	if sameIndex(index, want) {
		return nil
	}
	if err := os.WriteFile(path+".tmp", want, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

// lastSegment returns the name, without extension, of the segment with the highest offset.
func lastSegment(partition string) (base string, found bool, err error) {
	files, err := filepath.Glob(filepath.Join(partition, "*.dat"))
	if err != nil {
		return "", false, err
	}
	var bases []int64
	for _, file := range files {
		if n, err := strconv.ParseInt(strings.TrimSuffix(filepath.Base(file), ".dat"), 10, 64); err == nil {
			bases = append(bases, n)
		}
	}
	if len(bases) == 0 {
		return "", false, nil
	}
	return strconv.FormatInt(slices.Max(bases), 10), true, nil
}

// indexOf returns the index of a segment, with an entry for each complete batch.
func indexOf(segment []byte) []byte {
	const header = 43 // The bytes of a record batch, in Kafka's format, up to its newest timestamp.
	var index []byte
	for len(segment) >= header {
		length := 12 + int(binary.BigEndian.Uint32(segment[8:]))
		if length < header || length > len(segment) {
			break
		}
		index = appendEntry(index, segment[:header])
		segment = segment[length:]
	}
	return index
}

// appendEntry appends the entry that kfake writes for a batch: version, checksum, epoch, newest timestamp, and whether the batch
// belongs to a transaction. Numbers are little-endian.
func appendEntry(index, header []byte) []byte {
	const transactional, control = 0x10, 0x20
	entry := make([]byte, indexEntry)
	entry[0] = 1
	binary.LittleEndian.PutUint32(entry[2:], binary.BigEndian.Uint32(header[12:]))
	binary.LittleEndian.PutUint64(entry[6:], binary.BigEndian.Uint64(header[35:]))
	if attributes := binary.BigEndian.Uint16(header[21:]); attributes&transactional != 0 && attributes&control == 0 {
		entry[14] = 1
	}
	entry[1] = byte(crc32.Checksum(entry[2:], castagnoli))
	return append(index, entry...)
}

// sameIndex reports whether two indexes are equal. It ignores timestamps, which kfake does not read.
func sameIndex(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for ; len(a) > 0; a, b = a[indexEntry:], b[indexEntry:] {
		if a[1] != byte(crc32.Checksum(a[2:indexEntry], castagnoli)) || !bytes.Equal(a[2:6], b[2:6]) || a[14] != b[14] {
			return false
		}
	}
	return true
}
