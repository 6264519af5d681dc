package engine

import "testing"

// TestAfter compares the guess for dense offsets with a plain search, on logs with and without
// gaps.
func TestAfter(t *testing.T) {
	for _, offsets := range [][]uint64{{}, {1}, {1, 2, 3, 4}, {7, 8, 9}, {1, 3, 4, 6, 7, 9, 10, 12}, {5, 6, 7, 20}, {1, 10, 11, 12}} {
		var pubs []*Publication
		for _, o := range offsets {
			pubs = append(pubs, &Publication{Offset: o})
		}
		for offset := range uint64(22) {
			want := 0
			for _, o := range offsets {
				if o > offset {
					want++
				}
			}
			got := After(pubs, offset)
			if len(got) != want || want > 0 && got[0].Offset <= offset {
				t.Errorf("%v after %d: %d publications, want %d", offsets, offset, len(got), want)
			}
		}
	}
}
