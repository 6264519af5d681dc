package boreas

import "errors"

// Errors of the hub's calls.
var (
	// ErrTooManySessions: the hub has Options.MaxSessions sessions already.
	ErrTooManySessions = errors.New("boreas: too many sessions")

	// ErrTooManyAddressSessions: the address has Options.MaxAddressSessions sessions.
	ErrTooManyAddressSessions = errors.New("boreas: too many sessions from one address")

	// ErrTooManyUserSessions: the user has Options.MaxUserSessions sessions already.
	ErrTooManyUserSessions = errors.New("boreas: too many sessions of one user")

	// ErrTooManyUserChannels means that the user's sessions have already joined
	// Options.MaxUserChannels channels.
	ErrTooManyUserChannels = errors.New("boreas: too many channels for one user")

	// ErrTooManyAddressChannels means that the sessions from the address have already joined
	// Options.MaxAddressChannels channels.
	ErrTooManyAddressChannels = errors.New("boreas: too many channels for one address (address_channels)")

	// ErrTooManyJoinedChannels means that the channels that sessions have joined already cost
	// Options.ChannelMemory.
	ErrTooManyJoinedChannels = errors.New("boreas: the joined channels have reached their memory limit (channel_memory)")

	// ErrTooManyChannels: the session has joined Options.MaxChannels channels already.
	ErrTooManyChannels = errors.New("boreas: too many channels for one session")

	// ErrTooManySubscribers: the channel has Rule.MaxSubscribers subscribers already.
	ErrTooManySubscribers = errors.New("boreas: too many subscribers on the channel")

	// ErrAlreadyJoined: the session has joined the channel already, and so cannot
	// begin there at another place.
	ErrAlreadyJoined = errors.New("boreas: the channel is already joined: leave it first to start at another position")

	// ErrNoPresence: the channel's rule has no presence.
	ErrNoPresence = errors.New("boreas: presence is off for this channel")

	// ErrInfoTooLarge: a session's info has more than [MaxInfo] bytes.
	ErrInfoTooLarge = errors.New("boreas: the info has more than 1024 bytes")

	// ErrTooManyMembers: the snapshots of presence that one join asks for are too
	// large together.
	ErrTooManyMembers = errors.New("boreas: too many users are on the channels of one join: join fewer channels with presence at once")

	// ErrKey means that an idempotency key has more than [engine.MaxKey] bytes.
	ErrKey = errors.New("boreas: an idempotency key must have 1 to 128 bytes")

	// ErrEngineBusy means that Options.EngineCalls calls of the engine are already under way.
	// Nothing was done.
	ErrEngineBusy = errors.New("boreas: too many requests wait for the engine: try again later")

	// ErrEngineTimeout means that the engine did not answer within Options.EngineTimeout. A message
	// may or may not have been published.
	ErrEngineTimeout = errors.New("boreas: the engine did not answer in time")

	// ErrNoSession: there is no live session of that name.
	ErrNoSession = errors.New("boreas: no such session")
)

// Reasons for which the hub ends a session. A transport maps them to what its
// wire can say.
var (
	// ErrShuttingDown: the server is going away; come back.
	ErrShuttingDown = errors.New("server is shutting down")

	// ErrSlow: the session read too slowly, and the log has moved past its cursor.
	ErrSlow = errors.New("reading too slowly: messages are no longer kept")

	// ErrFallsBehind means that the session repeatedly fell behind the log.
	ErrFallsBehind = errors.New("reading too slowly: the session repeatedly fell behind")

	// ErrUnreadable means that the session was behind and the engine could not read the channel's
	// log for 30 seconds. The text of the reason includes the engine's error.
	ErrUnreadable = errors.New("the server cannot read the channel's history")

	// ErrLogReset means that the engine has reset the log of one of the session's channels, and the
	// session's format cannot tell it of the gap.
	ErrLogReset = errors.New("messages were lost: the log of a channel has begun anew")

	// ErrRevoked: the session's identity is no longer valid.
	ErrRevoked = errors.New("the token was revoked")

	// ErrRulesChanged: the session was on a channel that its token's rules, which have
	// changed, do not let it join.
	ErrRulesChanged = errors.New("the token's rules have changed and no longer allow a channel that the session has joined")

	// ErrTerminated: an operator ended the session.
	ErrTerminated = errors.New("ended by the operator")

	// ErrLeft: the peer closed the connection as it should. A transport's own reason
	// may be this one, for errors.Is.
	ErrLeft = errors.New("the peer has left")

	// ErrMisbehaved: the peer broke the protocol and was sent away. A transport's own
	// reason may be this one, for errors.Is.
	ErrMisbehaved = errors.New("the peer broke the protocol")

	// ErrBacklog: the session does not read the answers it asked for.
	ErrBacklog = errors.New("not reading: too many unread answers")

	// ErrPingTimeout: the peer did not answer a ping in time.
	ErrPingTimeout = errors.New("no answer to ping")

	// ErrAnonymousTimeout: the session did not authenticate in time.
	ErrAnonymousTimeout = errors.New("not authenticated in time")
)
