package boreas

import "errors"

// Errors of the hub's calls.
var (
	// ErrTooManySessions means that the hub already has Options.MaxSessions sessions.
	ErrTooManySessions = errors.New("boreas: too many sessions")

	// ErrTooManyAddressSessions means that the address already has Options.MaxAddressSessions
	// sessions.
	ErrTooManyAddressSessions = errors.New("boreas: too many sessions from one address")

	// ErrTooManyUserSessions means that the user already has Options.MaxUserSessions sessions.
	ErrTooManyUserSessions = errors.New("boreas: too many sessions of one user")

	// ErrTooManyUserChannels means that the user's sessions have already joined
	// Options.MaxUserChannels channels.
	ErrTooManyUserChannels = errors.New("boreas: too many channels for one user")

	// ErrTooManyAddressChannels means that the sessions from the address have already joined
	// Options.MaxAddressChannels channels.
	ErrTooManyAddressChannels = errors.New("boreas: too many channels for one address (address_channels)")

	// ErrTooManyJoinedChannels means that the joined channels already cost Options.ChannelMemory.
	ErrTooManyJoinedChannels = errors.New("boreas: the joined channels have reached their memory limit (channel_memory)")

	// ErrTooManyChannels means that the session has already joined Options.MaxChannels channels.
	ErrTooManyChannels = errors.New("boreas: too many channels for one session")

	// ErrTooManySubscribers means that the channel already has Rule.MaxSubscribers subscribers.
	ErrTooManySubscribers = errors.New("boreas: too many subscribers on the channel")

	// ErrAlreadyJoined means that the session has already joined the channel, so it cannot start
	// there at another position.
	ErrAlreadyJoined = errors.New("boreas: the channel is already joined: leave it first to start at another position")

	// ErrNoPresence means that the channel's rule has no presence.
	ErrNoPresence = errors.New("boreas: presence is off for this channel")

	// ErrInfoTooLarge means that presence info has more than [MaxInfo] bytes.
	ErrInfoTooLarge = errors.New("boreas: the info has more than 1024 bytes")

	// ErrTooManyMembers means that the presence snapshots that one join requests are too large
	// together.
	ErrTooManyMembers = errors.New("boreas: too many users are on the channels of one join: join fewer channels with presence at once")

	// ErrKey means that an idempotency key has more than [engine.MaxKey] bytes.
	ErrKey = errors.New("boreas: an idempotency key must have 1 to 128 bytes")

	// ErrEngineBusy means that Options.EngineCalls calls of the engine are already under way.
	// Nothing was done.
	ErrEngineBusy = errors.New("boreas: too many requests wait for the engine: try again later")

	// ErrEngineTimeout means that the engine did not answer within Options.EngineTimeout. A message
	// may or may not have been published.
	ErrEngineTimeout = errors.New("boreas: the engine did not answer in time")

	// ErrNoPurge means that the engine is not an [engine.Purger].
	ErrNoPurge = errors.New("boreas: this engine cannot purge channels")

	// ErrNoSession means that no live session has this ID.
	ErrNoSession = errors.New("boreas: no such session")

	// ErrNoMessage means that a position is a place in the channel's log, but not that of a message.
	ErrNoMessage = errors.New("boreas: no message has this position")
)

// Reasons for which the hub ends a session. A transport maps them to codes of its protocol.
var (
	// ErrShuttingDown means that the server is shutting down. The client should reconnect.
	ErrShuttingDown = errors.New("server is shutting down")

	// ErrNodeIsolated means that this server has lost contact with the rest of its cluster, so it
	// receives no messages. The client should reconnect to another server.
	ErrNodeIsolated = errors.New("the server has lost contact with its cluster")

	// ErrSlow means that the session read too slowly, and the log has moved past its cursor.
	ErrSlow = errors.New("reading too slowly: messages are no longer kept")

	// ErrFallsBehind means that the session repeatedly fell behind the log.
	ErrFallsBehind = errors.New("reading too slowly: the session repeatedly fell behind")

	// ErrUnreadable means that the session was behind and the engine could not read the channel's
	// log for 30 seconds. The text of the reason includes the engine's error.
	ErrUnreadable = errors.New("the server cannot read the channel's history")

	// ErrLogReset means that the engine has reset the log of one of the session's channels, and the
	// session's format has no gaps.
	ErrLogReset = errors.New("messages were lost: the log of a channel has started again")

	// ErrRevoked means that the session's token was revoked.
	ErrRevoked = errors.New("the token was revoked")

	// ErrRulesChanged means that the session has joined a channel that the current rules of its
	// token do not allow.
	ErrRulesChanged = errors.New("the token's rules have changed and no longer allow a channel that the session has joined")

	// ErrTerminated means that an operator ended the session.
	ErrTerminated = errors.New("ended by the operator")

	// ErrLeft means that the client closed the connection properly. A transport's own reason may
	// match it with errors.Is.
	ErrLeft = errors.New("the peer has left")

	// ErrMisbehaved means that the client broke the protocol. A transport's own reason may match it
	// with errors.Is.
	ErrMisbehaved = errors.New("the peer broke the protocol")

	// ErrBacklog means that the client does not read the answers to its requests.
	ErrBacklog = errors.New("not reading: too many unread answers")

	// ErrPingTimeout means that the client did not answer a ping in time.
	ErrPingTimeout = errors.New("no answer to ping")

	// ErrAnonymousTimeout means that the client did not authenticate in time.
	ErrAnonymousTimeout = errors.New("not authenticated in time")
)
