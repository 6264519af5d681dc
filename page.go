package boreas

import (
	"slices"
	"strings"
)

// page selects at most limit of the lowest of many values that are given in any order. It is a
// heap with the highest value first, so a value that is not among the lowest so far costs one
// comparison.
type page[T any] struct {
	limit   int
	compare func(a, b T) int
	heap    []T
}

// wants reports whether the value is among the lowest so far.
func (p *page[T]) wants(v T) bool {
	return len(p.heap) < p.limit || p.limit > 0 && p.compare(v, p.heap[0]) < 0
}

// add adds a wanted value. It drops the highest one if the page is full.
func (p *page[T]) add(v T) {
	if len(p.heap) < p.limit {
		p.heap = append(p.heap, v)
		for i := len(p.heap) - 1; i > 0; {
			parent := (i - 1) / 2
			if p.compare(p.heap[i], p.heap[parent]) <= 0 {
				return
			}
			p.heap[i], p.heap[parent] = p.heap[parent], p.heap[i]
			i = parent
		}
		return
	}
	p.heap[0] = v
	for i := 0; ; {
		highest := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(p.heap); child++ {
			if p.compare(p.heap[child], p.heap[highest]) > 0 {
				highest = child
			}
		}
		if highest == i {
			return
		}
		p.heap[i], p.heap[highest] = p.heap[highest], p.heap[i]
		i = highest
	}
}

// sorted returns the selected values, the lowest first, and ends the selection.
func (p *page[T]) sorted() []T {
	slices.SortFunc(p.heap, p.compare)
	return p.heap
}

// namePage selects the first names in byte order that are after a name and have a prefix.
type namePage struct {
	page[string]
	prefix, after string
}

func newNamePage(prefix, after string, limit int) *namePage {
	return &namePage{page[string]{limit: limit, compare: strings.Compare}, prefix, after}
}
