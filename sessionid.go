package boreas

import (
	"strconv"
	"strings"
)

// A session's ID is idPrefix, then the name of the hub's node and nodeEnd if it has one, then the
// session's number in base idBase. It needs no escaping in a URL, and no other node makes the same
// ID.
const (
	idPrefix = "s_"
	nodeEnd  = '_'
	idBase   = 32
)

// MaxNode is the maximum length of a node's name in bytes.
const MaxNode = 32

// ValidNode reports whether name is a valid name of a node: 1 to [MaxNode] ASCII letters, digits and
// "-".
func ValidNode(name string) bool {
	const allowed = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	return name != "" && len(name) <= MaxNode && strings.Trim(name, allowed) == ""
}

// SessionNode returns the name of the node that made the session ID: the Options.Node of its hub,
// which may be empty. It returns false if no hub makes such an ID. The session need not exist.
func SessionNode(id string) (node string, ok bool) {
	node, _, ok = parseSessionID(id)
	return node, ok
}

func sessionID(node string, number uint64) string {
	const longest = len(idPrefix) + MaxNode + 1 + 13 // 64 bits have 13 digits
	b := append(make([]byte, 0, longest), idPrefix...)
	if node != "" {
		b = append(append(b, node...), nodeEnd)
	}
	return string(strconv.AppendUint(b, number, idBase))
}

func parseSessionID(id string) (node string, number uint64, ok bool) {
	text, ok := strings.CutPrefix(id, idPrefix)
	if !ok {
		return "", 0, false
	}
	digits := text
	if i := strings.IndexByte(text, nodeEnd); i >= 0 {
		if node, digits = text[:i], text[i+1:]; !ValidNode(node) {
			return "", 0, false
		}
	}
	number, err := strconv.ParseUint(digits, idBase, 64)
	if err != nil || sessionID(node, number) != id { // each session has only one ID
		return "", 0, false
	}
	return node, number, true
}
