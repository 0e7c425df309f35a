package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// repair finishes what a kill interrupted in kfake's files, in two places where kfake itself goes on as if nothing were
// missing. logDir need not exist.
func repair(logDir string) error {
	for _, name := range []string{"groups.log", "pids.log"} {
		if err := cutTorn(filepath.Join(logDir, name)); err != nil {
			return fmt.Errorf("repair %s: %w", name, err)
		}
	}
	partitions, err := filepath.Glob(filepath.Join(logDir, "partitions", "*"))
	if err != nil {
		return err
	}
	for _, partition := range partitions {
		if err := completeIndex(partition); err != nil {
			return fmt.Errorf("repair index of %s: %w", filepath.Base(partition), err)
		}
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// cutTorn removes an entry that was not written whole from the end of a log of commits or producers. kfake only skips it,
// and appends: at the next start it would stop reading there and forget everything that came later.
//
// An entry is its length, the checksum of the rest, and the rest; the numbers are 32 bits, little-endian.
func cutTorn(path string) error {
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

// indexEntry is the length of the entry that kfake keeps beside a segment for every batch in it.
const indexEntry = 15

// completeIndex adds the entry of a last batch that was killed between the batch and its entry. kfake pairs batches and
// entries by their order: with one missing, it would take all later batches of the segment for their neighbours, and the
// records of an open transaction for committed ones.
func completeIndex(partition string) error {
	base, found, err := lastSegment(partition)
	if err != nil || !found {
		return err
	}
	headers, err := batchHeaders(filepath.Join(partition, base+".dat"))
	if err != nil {
		return err
	}
	index, err := os.OpenFile(filepath.Join(partition, base+".idx"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer index.Close()
	info, err := index.Stat()
	if err != nil {
		return err
	}
	have := info.Size() / indexEntry
	var missing []byte
	for i := have; i < int64(len(headers)); i++ {
		missing = append(missing, headers[i].indexEntry()...)
	}
	if missing == nil {
		return nil
	}
	_, err = index.WriteAt(missing, have*indexEntry)
	return errors.Join(err, index.Close())
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

// batchHeader is the part of a record batch, in Kafka's format, up to its largest timestamp.
type batchHeader [43]byte

// batchHeaders reads the headers of all batches that were written whole.
func batchHeaders(segment string) ([]batchHeader, error) {
	f, err := os.Open(segment)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	var headers []batchHeader
	for at := int64(0); ; {
		var h batchHeader
		if _, err := f.ReadAt(h[:], at); errors.Is(err, io.EOF) {
			return headers, nil
		} else if err != nil {
			return nil, err
		}
		at += 12 + int64(binary.BigEndian.Uint32(h[8:]))
		if at > info.Size() {
			return headers, nil
		}
		headers = append(headers, h)
	}
}

// indexEntry returns the entry that kfake would have written: version, checksum, epoch, newest timestamp, and whether the
// batch belongs to a transaction, little-endian.
func (h *batchHeader) indexEntry() []byte {
	const transactional, control = 0x10, 0x20
	entry := make([]byte, indexEntry)
	entry[0] = 1
	binary.LittleEndian.PutUint32(entry[2:], binary.BigEndian.Uint32(h[12:]))
	binary.LittleEndian.PutUint64(entry[6:], binary.BigEndian.Uint64(h[35:]))
	if attributes := binary.BigEndian.Uint16(h[21:]); attributes&transactional != 0 && attributes&control == 0 {
		entry[14] = 1
	}
	entry[1] = byte(crc32.Checksum(entry[2:], castagnoli))
	return entry
}
