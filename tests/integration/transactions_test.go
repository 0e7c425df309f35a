package integration

import (
	"cmp"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// openTransactions counts the producers that wrote into a transaction and never ended it, by what a killed process left in
// its log. The broker drops such a transaction at the next start without writing a marker.
//
// The files hold record batches as Kafka's protocol has them, one after the other: length in bytes 8 to 12, attributes in
// 21 to 23, producer id in 43 to 51, big-endian.
func openTransactions(t *testing.T, dataDir string) int {
	t.Helper()
	const header, transactional, control = 51, 0x10, 0x20
	open := make(map[int64]bool)
	for _, partition := range partitions(t, dataDir) {
		// A producer has one transaction at a time, and ends it with a marker in every partition that it wrote to.
		here := make(map[int64]bool)
		for batch := readPartition(t, partition); len(batch) >= header; {
			producer := int64(binary.BigEndian.Uint64(batch[43:]))
			switch attributes := binary.BigEndian.Uint16(batch[21:]); {
			case attributes&control != 0:
				delete(here, producer)
			case attributes&transactional != 0:
				here[producer] = true
			}
			batch = batch[min(12+int(binary.BigEndian.Uint32(batch[8:])), len(batch)):]
		}
		for producer := range here {
			open[producer] = true
		}
	}
	// Producers of earlier runs that were killed have left theirs open as well.
	return len(open)
}

func partitions(t *testing.T, dataDir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dataDir, "kafka", "log", "partitions", "*"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no partitions in %s: %v", dataDir, err)
	}
	return found
}

// readPartition returns the batches of a partition, segment after segment.
func readPartition(t *testing.T, dir string) []byte {
	t.Helper()
	segments, err := filepath.Glob(filepath.Join(dir, "*.dat"))
	if err != nil {
		t.Fatal(err)
	}
	base := func(path string) int64 {
		offset, err := strconv.ParseInt(strings.TrimSuffix(filepath.Base(path), ".dat"), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return offset
	}
	slices.SortFunc(segments, func(a, b string) int { return cmp.Compare(base(a), base(b)) })
	var all []byte
	for _, segment := range segments {
		content, err := os.ReadFile(segment)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, content...)
	}
	return all
}
