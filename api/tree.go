package api

import "strings"

// node is the end of a path's first segments. The tree of nodes contains the patterns of all
// routes. A pattern has at most two wildcards, such as {channel}. The first one matches any segment,
// also an empty one, because a client that leaves out a name must learn that. The second one matches
// any other segment, so that a path with a slash too many is unknown.
type node struct {
	literals []edge // in the order of the table, so the most frequent paths should be its first
	wildcard *node
	methods  methods // nil if no path ends here
}

// edge leads to the node after a segment.
type edge struct {
	segment string
	to      *node
}

// at returns the node of a path, and adds it if needed.
func (n *node) at(path string) *node {
	for segment := range strings.SplitSeq(path[1:], "/") {
		n = n.child(segment)
	}
	return n
}

// child returns the node after a segment of a pattern, and adds it if needed.
func (n *node) child(segment string) *node {
	if strings.HasPrefix(segment, "{") {
		if n.wildcard == nil {
			n.wildcard = new(node)
		}
		return n.wildcard
	}
	for _, e := range n.literals {
		if e.segment == segment {
			return e.to
		}
	}
	n.literals = append(n.literals, edge{segment, new(node)})
	return n.literals[len(n.literals)-1].to
}

// names are the segments of a path that the wildcards match, in order. Those of missing wildcards are
// "".
type names [2]string

// find returns the node where the rest of a percent-encoded path ends, and the names in the path.
// Literals have precedence over wildcards. It returns nil if there is no such path.
func (n *node) find(rest string) (found *node, in names) { return n.findBelow(rest, 0) }

// findBelow is find after a number of wildcards.
func (n *node) findBelow(rest string, wildcards int) (found *node, in names) {
	for i := range n.literals {
		to := n.literals[i].to
		after, ok := strings.CutPrefix(rest, n.literals[i].segment)
		switch {
		case !ok:
		case after == "" && to.methods != nil:
			return to, names{}
		case after != "" && after[0] == '/':
			if found, in = to.findBelow(after[1:], wildcards); found != nil {
				return found, in
			}
		}
	}
	segment, after, more := strings.Cut(rest, "/")
	if n.wildcard == nil || segment == "" && wildcards > 0 {
		return nil, names{}
	}
	found = n.wildcard
	if more {
		found, in = found.findBelow(after, wildcards+1)
	}
	if found == nil || found.methods == nil {
		return nil, names{}
	}
	in[wildcards] = segment
	return found, in
}
