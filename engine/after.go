package engine

import (
	"sort"
)

// After returns those publications that come after the offset. Pubs must be in the order of their
// offsets.
func After(pubs []*Publication, offset uint64) []*Publication {
	// Most readers are near the head, and most offsets are dense, so a guess is usually right.
	if n := len(pubs); n > 0 {
		if back := pubs[n-1].Offset - offset; pubs[n-1].Offset > offset && back < uint64(n) && pubs[n-1-int(back)].Offset == offset {
			return pubs[n-int(back):]
		}
	}
	return pubs[sort.Search(len(pubs), func(i int) bool { return pubs[i].Offset > offset }):]
}
