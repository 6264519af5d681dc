package api

import "strings"

// node is the end of a path's first segments. The tree of nodes contains the patterns of all
// routes. A pattern has at most one wildcard, such as {channel}, which matches any segment, also
// an empty one.
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

// find returns the node where the rest of a percent-encoded path ends, and the segment that the
// wildcard matches. Literals have precedence over the wildcard. It returns nil if there is no such
// path.
func (n *node) find(rest string) (found *node, name string) {
	for i := range n.literals {
		to := n.literals[i].to
		after, ok := strings.CutPrefix(rest, n.literals[i].segment)
		switch {
		case !ok:
		case after == "" && to.methods != nil:
			return to, ""
		case after != "" && after[0] == '/':
			if found, name = to.find(after[1:]); found != nil {
				return found, name
			}
		}
	}
	if n.wildcard == nil {
		return nil, ""
	}
	segment, after, more := strings.Cut(rest, "/")
	found = n.wildcard
	if more {
		found, _ = found.find(after)
	}
	if found == nil || found.methods == nil {
		return nil, ""
	}
	return found, segment
}
