package boreas

import (
	"encoding/json"
	"fmt"

	"github.com/boreas-pubsub/boreas/v2/access"
)

// A PresenceChange is a change of the presence of one hub's own sessions on a channel. The hubs of
// the other nodes of a cluster apply it; see [OtherNode].
type PresenceChange struct {
	Kind    PresenceKind `json:"kind"`
	Channel string       `json:"channel"`
	Session string       `json:"session,omitempty"` // the session's ID; "" for PresenceInfo
	User    string       `json:"user"`

	// Info is the user's info on that hub, and Verified reports whether it is from a token; not set
	// for PresenceLeave. Another hub uses it if it does not know the user, or if it is from a token.
	Info     json.RawMessage `json:"info,omitempty"`
	Verified bool            `json:"verified,omitempty"`
}

// A PresenceKind says what a [PresenceChange] changes.
type PresenceKind string

// Kinds of changes.
const (
	PresenceEnter PresenceKind = "enter" // the session is present as the user
	PresenceLeave PresenceKind = "leave" // the session is not present any more
	PresenceInfo  PresenceKind = "info"  // a token of the user has new info
)

// check returns an error if the change cannot be one of the named node. It removes white space from
// the info.
func (c *PresenceChange) check(node string) error {
	if err := access.ValidChannel(c.Channel); err != nil {
		return err
	}
	if len(c.User) > access.MaxUser {
		return fmt.Errorf("boreas: the user's name has %d bytes, more than %d", len(c.User), access.MaxUser)
	}
	if len(c.Info) > 0 {
		if c.Info = cleanInfo(c.Info); c.Info == nil {
			return fmt.Errorf("boreas: the info of user %.40q is not JSON of at most %d bytes", c.User, MaxInfo)
		}
	}
	switch c.Kind {
	case PresenceEnter, PresenceLeave:
		if of, ok := SessionNode(c.Session); !ok || of != node {
			return fmt.Errorf("boreas: %.80q is not a session of node %q", c.Session, node)
		}
		return nil
	case PresenceInfo:
		return nil
	default:
		return fmt.Errorf("boreas: %.40q is not a kind of change of presence", c.Kind)
	}
}

// A PresenceDigest summarizes which sessions of one hub are present on which channels. Two hubs that
// have the same digest of a node almost certainly have the same sessions of it.
type PresenceDigest struct {
	Places int    `json:"places"`      // how many pairs of a session and a channel there are
	Hash   uint64 `json:"hash,string"` // of the pairs, in any order, and their users
}

// Count changes the digest by a change. Each session must enter before it leaves, and must not enter
// twice.
func (d *PresenceDigest) Count(c PresenceChange) {
	switch c.Kind {
	case PresenceEnter:
		d.Places++
	case PresenceLeave:
		d.Places--
	default:
		return
	}
	d.Hash ^= c.hash()
}

// hash returns a hash of the channel, the session and the user: FNV-1a, with the finalizer of
// MurmurHash3, so that the exclusive or of many hashes does not lose differences in a few bits.
func (c *PresenceChange) hash() uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for _, text := range [...]string{c.Channel, c.Session, c.User} {
		for i := range len(text) {
			h = (h ^ uint64(text[i])) * prime
		}
		h = (h ^ 0xff) * prime // no text in UTF-8 has this byte
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
