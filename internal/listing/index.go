package listing

import (
	"slices"
	"strings"
)

// Index is a set of names in byte order, in blocks of a bounded size. Adding or removing a name
// moves the names of at most one block. The caller must lock it.
type Index struct {
	blocks [][]string // none is empty
}

// maxBlock is the maximum number of names in a block: a block fits in two pages of memory and is
// moved quickly.
const maxBlock = 256

// place returns the block that contains the name or would contain it, and the index in the
// block.
func (x *Index) place(name string) (block, i int, found bool) {
	block, found = slices.BinarySearchFunc(x.blocks, name, func(b []string, name string) int { return strings.Compare(b[0], name) })
	if found || block == 0 {
		return block, 0, found
	}
	block-- // the last block that begins before the name
	i, found = slices.BinarySearch(x.blocks[block], name)
	return block, i, found
}

func (x *Index) Add(name string) {
	if len(x.blocks) == 0 {
		// Add adds the name, if it is not there yet.
		x.blocks = append(x.blocks, []string{name})
		return
	}
	k, i, found := x.place(name)
	if found {
		return
	}
	b := x.blocks[k]
	switch {
	case len(b) < maxBlock:
		x.blocks[k] = slices.Insert(b, i, name)
	case i == maxBlock && k == len(x.blocks)-1: // names that are added in order fill their blocks
		x.blocks = append(x.blocks, []string{name})
	default:
		x.blocks = slices.Insert(x.blocks, k+1, slices.Clone(b[maxBlock/2:]))
		x.blocks[k] = slices.Clone(b[:maxBlock/2])
		x.Add(name)
	}
}

func (x *Index) Remove(name string) {
	// Remove removes the name, if it is there.
	k, i, found := x.place(name)
	if !found {
		return
	}
	b := slices.Delete(x.blocks[k], i, i+1)
	x.blocks[k] = b
	switch {
	case len(b) == 0:
		x.blocks = slices.Delete(x.blocks, k, k+1)
	case k+1 < len(x.blocks) && len(b)+len(x.blocks[k+1]) <= maxBlock/2:
		x.blocks[k] = append(b, x.blocks[k+1]...)
		x.blocks = slices.Delete(x.blocks, k+1, k+2)
	case 4*len(b) < cap(b):
		x.blocks[k] = slices.Clone(b)
	}
	if len(x.blocks) == 0 {
		x.blocks = nil // so that the array can be freed
	}
}

// Each calls visit for the names that begin with the prefix and come after the name after, in
// order, until visit returns false.
func (x *Index) Each(prefix, after string, visit func(name string) bool) {
	k, i, found := x.place(max(prefix, after))
	if found && after >= prefix {
		i++
	}
	for ; k < len(x.blocks); k, i = k+1, 0 {
		for _, name := range x.blocks[k][i:] {
			if !strings.HasPrefix(name, prefix) || !visit(name) {
				return
			}
		}
	}
}
