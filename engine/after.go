package engine

import (
	"sort"
)

// after returns those of pubs, which are in the order of their offsets, that come
// after the offset.
func After(pubs []*Publication, offset uint64) []*Publication {
	// Most readers are near the head, and offsets are mostly dense: guess first.
	if n := len(pubs); n > 0 {
		if back := pubs[n-1].Offset - offset; pubs[n-1].Offset > offset && back < uint64(n) && pubs[n-1-int(back)].Offset == offset {
			return pubs[n-int(back):]
		}
	}
	return pubs[sort.Search(len(pubs), func(i int) bool { return pubs[i].Offset > offset }):]
}
