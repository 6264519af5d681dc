// Package listing has an ordered set of names, and pages: the lowest of many values given in any
// order.
package listing

import (
	"slices"
	"strings"
)

// Page selects the lowest values, at most Limit, of many values given in any order. It is a heap
// with the highest value first, so that a value that does not get into the page costs one
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

// Full reports whether the page has Limit values.
func (p *Page[T]) Full() bool { return len(p.heap) >= p.Limit }

// Sorted returns the selected values in order. The page must not be used after that.
func (p *Page[T]) Sorted() []T {
	slices.SortFunc(p.heap, p.Compare)
	return p.heap
}

// NamePage selects the first names in byte order that come after a name and have a prefix.
type NamePage struct {
	Page[string]
	Prefix, After string
}

// NewNamePage returns a page of at most limit names.
func NewNamePage(prefix, after string, limit int) *NamePage {
	return &NamePage{Page[string]{Limit: limit, Compare: strings.Compare}, prefix, after}
}
