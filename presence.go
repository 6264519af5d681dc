package boreas

import "encoding/json"

// MaxInfo is the greatest length of a session's presence info, in bytes.
const MaxInfo = 1024

// PresenceState is who is on a channel at one moment.
type PresenceState struct {
	Users    int `json:"users"`
	Sessions int `json:"sessions"`

	// Members are the users, sorted; nil if the channel is only counted.
	Members []Member `json:"members,omitempty"`
}

// A Member is a user who is on a channel.
type Member struct {
	User     string          `json:"user"`
	Sessions []string        `json:"sessions"` // their names, oldest first
	Info     json.RawMessage `json:"info,omitempty"`
}

// A PresenceEvent tells of a change; the numbers are those after it.
type PresenceEvent struct {
	Event string          `json:"event"` // join, leave, count or state
	User  string          `json:"user,omitempty"`
	Info  json.RawMessage `json:"info,omitempty"`
	PresenceState
}
