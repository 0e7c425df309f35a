package iot

import "cmp"

// Position is how far a processor had read one partition of the readings' log when it published a record. A reader that
// receives two versions of a record keeps the one with the higher position: a processor that lost its partition may still
// be publishing.
type Position struct {
	Partition int32 `json:"partition"`
	// Epoch counts how often the partition's log was recreated and started at offset 0 again.
	Epoch int32 `json:"epoch"`
	// Offset is the next offset to read: the published record reflects everything below it.
	Offset int64 `json:"position"`
}

// Compare orders two positions of the same partition: by epoch, then by offset.
func (p Position) Compare(q Position) int {
	if c := cmp.Compare(p.Epoch, q.Epoch); c != 0 {
		return c
	}
	return cmp.Compare(p.Offset, q.Offset)
}
