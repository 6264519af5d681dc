package refusal

import (
	"container/heap"
	"net/netip"
	"slices"
	"strings"

	"github.com/boreas-pubsub/boreas/v2/internal/peer"
)

// An owner is a client with a share of the log. When the log is full, the owner with the most
// entries loses one, so a client that is refused thousands of times only pushes out its own
// entries.
type owner struct {
	name  string
	nodes []*node // oldest first; never empty
	index int     // in owners.heap
}

// owner returns the name of the owner with which the refusal counts: the user, otherwise the
// address (an IPv6 /64 counts as one address), otherwise the token or the session.
func (e *Entry) owner() string {
	if e.User != "" {
		return "user " + strings.Clone(e.User)
	}
	address, err := netip.ParseAddr(e.Address)
	if err != nil {
		return "other " + e.Address + " " + e.TokenID + " " + e.Session
	}
	return "address " + peer.Network(address).String()
}

// owners holds the owners of all entries.
type owners struct {
	byName map[string]*owner
	heap   ownerHeap
}

func (o *owners) add(name string, n *node) {
	if n.owner = o.byName[name]; n.owner == nil {
		n.owner = &owner{name: name, nodes: []*node{n}}
		o.byName[name] = n.owner
		heap.Push(&o.heap, n.owner)
		return
	}
	n.owner.nodes = append(n.owner.nodes, n)
	heap.Fix(&o.heap, n.owner.index)
}

// most returns the owner with the most entries, and among several the owner of the oldest entry.
func (o *owners) most() *owner { return o.heap[0] }

// remove removes an entry, usually its owner's oldest.
func (o *owners) remove(n *node) {
	w := n.owner
	if w.nodes[0] == n {
		w.nodes[0] = nil
		w.nodes = w.nodes[1:]
	} else {
		w.nodes = slices.DeleteFunc(w.nodes, func(other *node) bool { return other == n })
	}
	if len(w.nodes) == 0 {
		delete(o.byName, w.name)
		heap.Remove(&o.heap, w.index)
		return
	}
	heap.Fix(&o.heap, w.index)
}

// ownerHeap has the owner with the most entries first.
type ownerHeap []*owner

func (h ownerHeap) Len() int { return len(h) }

func (h ownerHeap) Less(i, j int) bool {
	a, b := h[i], h[j]
	if len(a.nodes) != len(b.nodes) {
		return len(a.nodes) > len(b.nodes)
	}
	return a.nodes[0].number < b.nodes[0].number
}

func (h ownerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *ownerHeap) Push(x any) {
	w := x.(*owner)
	w.index = len(*h)
	*h = append(*h, w)
}

func (h *ownerHeap) Pop() any {
	last := len(*h) - 1
	w := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return w
}

// node is an entry in the log.
type node struct {
	Entry
	owner        *owner
	number       uint64 // in order of arrival
	older, newer *node
}

// list holds all entries in order of arrival.
type list struct {
	first, newest *node
	len           int
	numbers       uint64
}

func (l *list) push(n *node) {
	l.numbers++
	l.len++
	n.number, n.older = l.numbers, l.newest
	if n.older == nil {
		l.first = n
	} else {
		n.older.newer = n
	}
	l.newest = n
}

func (l *list) remove(n *node) {
	l.len--
	if n.older == nil {
		l.first = n.newer
	} else {
		n.older.newer = n.newer
	}
	if n.newer == nil {
		l.newest = n.older
	} else {
		n.newer.older = n.older
	}
	n.older, n.newer = nil, nil
}
