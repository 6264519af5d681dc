// Package listing has names in byte order, and pages of values that are given in any order.
package listing

import (
	"slices"
	"strings"
)

// Page selects at most limit of the lowest of many values that are given in any order. It is a
// heap with the highest value first, so a value that is not among the lowest so far costs one
// comparison.
type Page[T any] struct {
	Limit   int
	Compare func(a, b T) int
	heap    []T
}

// Wants reports whether the value is among the lowest so far.
func (p *Page[T]) Wants(v T) bool {
	return len(p.heap) < p.Limit || p.Limit > 0 && p.Compare(v, p.heap[0]) < 0
}

// Add adds a wanted value. It drops the highest one if the page is full.
func (p *Page[T]) Add(v T) {
	if len(p.heap) < p.Limit {
		p.heap = append(p.heap, v)
		for i := len(p.heap) - 1; i > 0; {
			parent := (i - 1) / 2
			if p.Compare(p.heap[i], p.heap[parent]) <= 0 {
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
			if p.Compare(p.heap[child], p.heap[highest]) > 0 {
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

// Full reports whether the page has as many values as it may.
func (p *Page[T]) Full() bool { return len(p.heap) >= p.Limit }

// Sorted returns the selected values, the lowest first, and ends the selection.
func (p *Page[T]) Sorted() []T {
	slices.SortFunc(p.heap, p.Compare)
	return p.heap
}

// NamePage selects the first names in byte order that are after a name and have a prefix.
type NamePage struct {
	Page[string]
	Prefix, After string
}

// NewNamePage returns a page of at most limit names.
func NewNamePage(prefix, after string, limit int) *NamePage {
	return &NamePage{Page[string]{Limit: limit, Compare: strings.Compare}, prefix, after}
}
