package client

import "time"

// A State is a change of the connection of a [Conn] or a [Subscriber].
type State struct {
	Kind    StateKind
	Attempt int           // Connecting: which attempt since the last good connection, from 1
	Err     error         // Disconnected, Refused, Ended: why
	RetryIn time.Duration // Disconnected, Refused: how long until the next attempt

	// Of a Conn only.
	Session string // Connected: the server's name for this connection
	User    string // Connected: who the server says we are; "" if no token was shown
	Channel string // Refused: which one
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
)
