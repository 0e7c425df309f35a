package push

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A changelog has every device that changed after any number, once, whatever it has removed.
func TestChangelogHasWhatChangedSince(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var log changelog
		newest := make(map[int32]uint64)
		seq := uint64(0)
		for range rapid.IntRange(0, 3000).Draw(t, "changes") {
			seq++
			device := int32(seq*2654435761%17) % rapid.Int32Range(1, 17).Draw(t, "of")
			log.add(device, seq)
			newest[device] = seq
		}
		since := rapid.Uint64Range(0, seq+1).Draw(t, "since")
		var got, want []int32
		for _, e := range log.between(since+1, seq) {
			if log.current(e) {
				got = append(got, e.device)
			}
		}
		for device, at := range newest {
			if at > since {
				want = append(want, device)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("changed since %d of %d: got %v, want %v", since, seq, got, want)
		}
		if limit := 2*17 + 1024 + 1; len(log.entries) > limit {
			t.Errorf("entries kept: got %d, want at most %d", len(log.entries), limit)
		}
	})
}
