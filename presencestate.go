package boreas

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

const (
	// MaxInfo is the maximum length of presence info in bytes.
	MaxInfo = 1024

	// MaxMemberSessions is the maximum number of a user's sessions that a [Member] names. Otherwise
	// one user with many sessions could make every snapshot large.
	MaxMemberSessions = 100
)

// PresenceState describes the users on a channel at one moment.
type PresenceState struct {
	Users    int `json:"users"`
	Sessions int `json:"sessions"` // including lost sessions that linger

	// Members are the users, sorted by name. Nil means that the server only counts the channel's
	// users. If there are no users, the list is empty, not nil.
	Members []Member `json:"members,omitzero"`
}

// A Member is a user on a channel.
type Member struct {
	User string `json:"user"`

	// Sessions are the IDs of the user's sessions, oldest first, at most [MaxMemberSessions].
	Sessions []string `json:"sessions"`

	// Info is the info of the user's token; see [access.Grant.Info]. If the token has none, it is
	// the info that the user's first session sent, or nil.
	Info json.RawMessage `json:"info,omitempty"`

	// Verified reports whether Info comes from the user's token. Otherwise it is only a claim of
	// the client.
	Verified bool `json:"verified,omitempty"`
}

// A PresenceEvent is a change of a channel's presence. The numbers are those after the change.
type PresenceEvent struct {
	// Event is "join" or "leave" of User, "count" (only the numbers have changed), or "state"
	// (replaces all earlier events).
	Event string `json:"event"`

	User string          `json:"user,omitempty"`
	Info json.RawMessage `json:"info,omitempty"` // only of a join; nil if there is none

	// Verified is set for a join, as in [Member]. A join of a user who is already present replaces
	// the user's info.
	Verified bool `json:"verified,omitempty"`

	PresenceState
}

// emptyPresence returns the state of a channel without users.
func emptyPresence(mode PresenceMode) PresenceState {
	if mode == PresenceFull {
		return PresenceState{Members: []Member{}}
	}
	return PresenceState{}
}

// sort sorts the members. That happens outside the lock under which the state was read.
func (s PresenceState) sort() {
	slices.SortFunc(s.Members, func(a, b Member) int { return strings.Compare(a.User, b.User) })
}

// encode returns the event's JSON text, on one line.
func (e PresenceEvent) encode() []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false) // show info as it was sent
	if err := enc.Encode(e); err != nil {
		panic(err) // cleanInfo has checked info
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// NewInfo returns presence info in the form of [access.Grant.Info]: JSON without white space, or ""
// for null and for an empty text. The error is [ErrInfoTooLarge], or another one if the text is not
// one JSON value.
func NewInfo(text []byte) (string, error) {
	if len(text) == 0 {
		return "", nil
	}
	var buf bytes.Buffer
	if err := json.Compact(&buf, text); err != nil {
		return "", errors.New("the info is not JSON")
	}
	switch {
	case buf.String() == "null":
		return "", nil
	case buf.Len() > MaxInfo:
		return "", ErrInfoTooLarge
	}
	return buf.String(), nil
}

// cleanInfo returns a copy of the info without white space; a copy, because the caller's array may
// be a whole frame. It returns nil if the info is too long or not JSON; callers check that before.
func cleanInfo(info []byte) json.RawMessage {
	if len(info) == 0 || len(info) > MaxInfo {
		return nil
	}
	var buf bytes.Buffer
	if json.Compact(&buf, info) != nil {
		return nil
	}
	return bytes.Clone(buf.Bytes())
}
