package auth

import (
	"slices"
	"strings"
)

// An index finds tokens by ID, and lists them in the order of their IDs. There is a list for each
// pair of first characters. IDs are random, so all lists stay short.
type index struct {
	byID  map[string]*stored
	lists [64 * 64][]*stored // each in the order of IDs
}

func newIndex() index { return index{byID: make(map[string]*stored)} }

func (x *index) get(id string) *stored { return x.byID[id] }

func (x *index) put(t *stored) {
	list, i, found := x.find(t.grant.TokenID)
	if found {
		(*list)[i] = t
	} else {
		*list = slices.Insert(*list, i, t)
	}
	x.byID[t.grant.TokenID] = t
}

func (x *index) remove(id string) {
	if list, i, found := x.find(id); found {
		*list = slices.Delete(*list, i, i+1)
		delete(x.byID, id)
	}
}

// find returns the position of the token with the ID, or the position where it would be.
func (x *index) find(id string) (list *[]*stored, i int, found bool) {
	list = &x.lists[listOf(id)]
	i, found = slices.BinarySearchFunc(*list, id, compareID)
	return list, i, found
}

func listOf(id string) int {
	return rank(id[len(tokenIDPrefix)])*64 + rank(id[len(tokenIDPrefix)+1])
}

func compareID(t *stored, id string) int { return strings.Compare(t.grant.TokenID, id) }

// after returns the tokens of one list whose IDs are after a text, which need not be an ID.
func (x *index) after(list int, id string) []*stored {
	l := x.lists[list]
	i, found := slices.BinarySearchFunc(l, id, compareID)
	if found {
		i++
	}
	return l[i:]
}
