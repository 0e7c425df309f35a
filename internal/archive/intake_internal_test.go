package archive

import "testing"

func TestMemoryOfALargeBatchIsNotKept(t *testing.T) {
	for _, c := range []struct{ rows, most, want int }{
		{10_000, 12_000, 12_000},
		{20, maxBatch, 0},
		{maxBatch / 2, maxBatch, maxBatch},
		{0, 1000, 1000},
	} {
		got := emptied(make([]int, c.rows, c.most))
		if len(got) != 0 || cap(got) != c.want {
			t.Errorf("%d rows with room for %d: got %d with room for %d, want none with room for %d", c.rows, c.most, len(got), cap(got), c.want)
		}
	}
}
