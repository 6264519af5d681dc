package client

import "time"

// A State is a change of the connection of a [Conn] or a [Subscriber].
type State struct {
	Kind    StateKind
	Attempt int           // Connecting: the number of the attempt since the last good connection, from 1
	Err     error         // Disconnected, Refused, Ended, Expiring: the reason
	RetryIn time.Duration // Disconnected, Refused, Expiring: the wait before the next attempt

	// Only for a Conn.
	Session string        // Connected, Refreshed: the session's name
	User    string        // Connected, Refreshed: the name of the token's user; "" without a token
	Channel string        // Refused: the channel
	EndsIn  time.Duration // Expiring: how long the token is still valid
}

// A StateKind is the kind of a [State].
type StateKind uint8

const (
	// Connecting means that an attempt begins.
	Connecting StateKind = iota + 1
	// Connected means that the server has accepted the token. The classic wire has no replies, so
	// for a Subscriber it means only that the server has processed the token and the joins. The
	// token may be invalid.
	Connected
	// Disconnected means that an attempt failed or the connection was lost.
	Disconnected
	// Refused means that the server refused to resume a subscription for now. Only for a Conn.
	Refused
	// Ended means that there will be no further attempt. Only for a Conn.
	Ended
	// Expiring means that the token expires soon and that TokenFunc is called for another one. If
	// Err is set, either TokenFunc or the server failed, and the next attempt follows after
	// RetryIn; or there is no TokenFunc, and the Conn ends when the token expires. Only for a Conn.
	Expiring
	// Refreshed means that the server accepted the new token. The connection and all subscriptions
	// continue. Only for a Conn.
	Refreshed
)
