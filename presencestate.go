package boreas

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

const (
	// MaxInfo is the greatest length of a session's presence info, in bytes.
	MaxInfo = 1024

	// MaxMemberSessions is how many of a user's sessions a [Member] names. Without a
	// bound one user with many sessions would make every snapshot a large one.
	MaxMemberSessions = 100
)

// PresenceState is who is on a channel at one moment.
type PresenceState struct {
	Users    int `json:"users"`
	Sessions int `json:"sessions"` // also those that are lost and linger

	// Members are the users, sorted by name. Nil means that the channel is only
	// counted; one that is empty has members, none.
	Members []Member `json:"members,omitzero"`
}

// A Member is a user who is on a channel.
type Member struct {
	User string `json:"user"`

	// Sessions are the names of the user's sessions, oldest first: the first
	// [MaxMemberSessions] of them.
	Sessions []string `json:"sessions"`

	// Info is the info of the user's token; see [access.Grant.Info]. If the token has none, it is the info
	// that the user's first session gave, or nil.
	Info json.RawMessage `json:"info,omitempty"`

	// Verified reports whether Info comes from the user's token. Otherwise it is a claim of the
	// client.
	Verified bool `json:"verified,omitempty"`
}

// A PresenceEvent tells of a change; the numbers are those after it.
type PresenceEvent struct {
	// Event is "join" or "leave" (of User), "count" (the numbers changed and there are no members),
	// or "state" (this replaces all earlier events).
	Event string `json:"event"`

	User string          `json:"user,omitempty"`
	Info json.RawMessage `json:"info,omitempty"` // of a join; nil if it has none

	// Verified is set for a join, as in [Member]. A join of a user who is already present replaces
	// the user's info.
	Verified bool `json:"verified,omitempty"`

	PresenceState
}

// emptyPresence is the state of a channel that nobody is on.
func emptyPresence(mode PresenceMode) PresenceState {
	if mode == PresenceFull {
		return PresenceState{Members: []Member{}}
	}
	return PresenceState{}
}

// sort puts the members in order. The state comes unsorted from under a lock.
func (s PresenceState) sort() {
	slices.SortFunc(s.Members, func(a, b Member) int { return strings.Compare(a.User, b.User) })
}

// encode returns the event's JSON text, on one line.
func (e PresenceEvent) encode() []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false) // info is shown as it was given
	if err := enc.Encode(e); err != nil {
		panic(err) // info was valid when it came in: see cleanInfo
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// NewInfo returns presence info in the form of [access.Grant.Info]: JSON without white space, or "" for
// null and for an empty text. Errors: [ErrInfoTooLarge], and an error if the text is not one
// JSON value.
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

// cleanInfo returns a copy of the info without white space: the caller's array may be
// a whole frame. What is no JSON text, or too long, is no info; callers look first.
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
