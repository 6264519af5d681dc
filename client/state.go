package client

import "time"

// A State is a change of the connection of a [Conn] or a [Subscriber].
type State struct {
	Kind    StateKind
	Attempt int           // Connecting: which attempt since the last good connection, from 1
	Err     error         // Disconnected, Refused, Ended, Expiring: why
	RetryIn time.Duration // Disconnected, Refused, Expiring: how long until the next attempt

	// Of a Conn only.
	Session string        // Connected, Refreshed: the server's name for this connection
	User    string        // Connected, Refreshed: who the server says we are; "" if no token was shown
	Channel string        // Refused: which one
	EndsIn  time.Duration // Expiring: how long the token is still valid
}

// A StateKind tells what changed.
type StateKind uint8

const (
	// Connecting: an attempt begins.
	Connecting StateKind = iota + 1
	// Connected: the server has taken the token. A Subscriber, whose wire has no
	// answers, tells it when the server answered a ping that was sent after the
	// token and the joins: it does not mean that the token was a valid one.
	Connected
	// Disconnected: the attempt failed or the connection was lost.
	Disconnected
	// Refused: a subscription could not go on for now. Of a Conn only.
	Refused
	// Ended: there will be no other attempt. Of a Conn only.
	Ended
	// Expiring: the token ends soon, and another is got from TokenFunc. With an Err,
	// that failed and is tried again after RetryIn; or there is no TokenFunc, and the
	// Conn ends with the token. Of a Conn only.
	Expiring
	// Refreshed: the server has taken the other token. The connection and all
	// subscriptions went on. Of a Conn only.
	Refreshed
)
