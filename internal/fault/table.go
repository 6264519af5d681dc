package fault

import (
	"net/http"
	"time"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/access"
	"github.com/boreas-pubsub/boreas/engine"
)

// Errors in a request.
var (
	Malformed = &Fault{
		Code: "malformed", Retry: Never, Status: http.StatusBadRequest,
		Summary: "The request is not what the protocol asks for.",
		Do:      "Correct the client: the message says what is wrong. Nothing of the request was carried out.",
	}
	Unauthenticated = &Fault{
		Code: "unauthenticated", Retry: NewToken, Status: http.StatusUnauthorized,
		Summary: "This needs a token, and none was shown.",
		Do:      "Send `auth` first, or the header `Authorization: Bearer TOKEN`.",
		causes:  []error{access.ErrAnonymous},
	}
	InvalidToken = &Fault{
		Code: "invalid_token", Retry: NewToken, Status: http.StatusUnauthorized,
		Summary: "The token is not valid, or no longer.",
		Do:      "Get another token from your backend and try again with that.",
	}
	TokenExpired = &Fault{
		Code: "token_expired", Retry: NewToken, Status: http.StatusUnauthorized, Close: 4302,
		Summary: "The token has expired.",
		Do:      "Get another token from your backend. The server notifies a session of protocol 2 in time, so that it can send `auth` with the next one.",
		causes:  []error{access.ErrTokenExpired},
	}
	AuthUnavailable = &Fault{
		Code: "auth_unavailable", Retry: Later, Status: http.StatusServiceUnavailable, RetryAfter: 5 * time.Second,
		Summary: "Whether the token is valid cannot be found out for now: the backend or the key server that knows it does not answer.",
		Do:      "Try again later with the same token. `/readyz` says what is out of reach.",
	}
	NotPermitted = &Fault{
		Code: "not_permitted", Retry: Never, Status: http.StatusForbidden,
		Summary: "The rules of the token, the key or the channel do not allow it.",
		Do:      "The message says which rule it was. `boreas token inspect` shows the permissions of a token. To let clients publish, also give the channel a rule with `client_publish`, or publish from the backend over HTTP.",
		causes:  []error{access.ErrNotPermitted},
	}
	PresenceOff = &Fault{
		Code: "presence_off", Retry: Never, Status: http.StatusConflict,
		Summary: "Nobody keeps book of who is on this channel.",
		Do:      "Give the channel a rule with `presence` or `presence=count`, or leave `presence` out of the request.",
		causes:  []error{boreas.ErrNoPresence},
	}
	ChannelName = &Fault{
		Code: "channel_name", Retry: Never, Status: http.StatusBadRequest,
		Summary: "This cannot be the name of a channel.",
		Do:      "Use a name of 1 to 255 bytes of UTF-8 without control characters.",
		causes:  []error{access.ErrChannelName},
	}
	BadPosition = &Fault{
		Code: "bad_position", Retry: Never, Status: http.StatusBadRequest,
		Summary: "This is no position, or it is not one of these channels.",
		Do:      "Send a position back as it came, for the channel that it came with. If there is none, leave it out.",
		causes:  []error{engine.ErrPosition},
	}
	TooManyChannels = &Fault{
		Code: "too_many_channels", Retry: Never, Status: http.StatusBadRequest,
		Summary: "The session has joined as many channels as it may.",
		Do:      "Leave a channel, or use a second connection. `hello` has the limit.",
		causes:  []error{boreas.ErrTooManyChannels},
	}
	TooManyUserChannels = &Fault{
		Code: "too_many_user_channels", Retry: Later, Status: http.StatusTooManyRequests, RetryAfter: 5 * time.Second,
		Summary: "The user's sessions have joined as many channels together as one user may.",
		Do:      "Leave channels, or close other sessions. The server's option is `user_channels`.",
		causes:  []error{boreas.ErrTooManyUserChannels},
	}
	TooManyAddressChannels = &Fault{
		Code: "too_many_address_channels", Retry: Later, Status: http.StatusTooManyRequests, RetryAfter: 5 * time.Second,
		Summary: "The sessions from the address have joined as many channels together as one address may.",
		Do:      "Leave channels, or close other sessions. The server's option is `address_channels`. If the address is a proxy's, name that in `trusted_proxies`.",
		causes:  []error{boreas.ErrTooManyAddressChannels},
	}
	TooManyJoinedChannels = &Fault{
		Code: "too_many_joined_channels", Retry: Later, Status: http.StatusServiceUnavailable, RetryAfter: 5 * time.Second,
		Summary: "The channels that clients have joined have used up their memory limit.",
		Do:      "Try again later, when clients have left channels. The server's option is `channel_memory`.",
		causes:  []error{boreas.ErrTooManyJoinedChannels},
	}
	TooManySubscribers = &Fault{
		Code: "too_many_subscribers", Retry: Later, Status: http.StatusServiceUnavailable, RetryAfter: 5 * time.Second,
		Summary: "The channel has as many subscribers as its rule allows.",
		Do:      "Try again when others have left, or raise `max_subscribers` in the channel's rule.",
		causes:  []error{boreas.ErrTooManySubscribers},
	}
	AlreadyJoined = &Fault{
		Code: "already_joined", Retry: Never, Status: http.StatusConflict,
		Summary: "The session has joined the channel already, and so cannot begin at another place.",
		Do:      "Leave the channel first, or read the older messages with `history`.",
		causes:  []error{boreas.ErrAlreadyJoined},
	}
	TooLarge = &Fault{
		Code: "too_large", Retry: Never, Status: http.StatusRequestEntityTooLarge,
		Summary: "Something in the request is larger than it may be.",
		Do:      "Send less: `hello` and the message have the limits.",
		causes:  []error{boreas.ErrInfoTooLarge, boreas.ErrTooManyMembers},
	}
	KeyReused = &Fault{
		Code: "key_reused", Retry: Never, Status: http.StatusUnprocessableEntity,
		Summary: "Another message was published on this channel with the same key a short time ago.",
		Do:      "Make a new key for each message, and use it again only to repeat the very same one.",
		causes:  []error{engine.ErrKeyReused},
	}
	BadKey = &Fault{
		Code: "bad_key", Retry: Never, Status: http.StatusBadRequest,
		Summary: "This cannot be an idempotency key.",
		Do:      "Use a key of 1 to 128 bytes.",
		causes:  []error{boreas.ErrKey},
	}
	Busy = &Fault{
		Code: "busy", Retry: Later, Status: http.StatusServiceUnavailable, RetryAfter: time.Second,
		Summary: "Too many requests wait for the engine that keeps the messages. This one was not carried out.",
		Do:      "Send the request again after the given wait. If this happens often, the engine is too slow: see `boreas_engine_calls`.",
		causes:  []error{boreas.ErrEngineBusy},
	}
	EngineTimeout = &Fault{
		Code: "engine_timeout", Retry: Later, Status: http.StatusServiceUnavailable, Close: 4206, RetryAfter: time.Second,
		Summary: "The engine that keeps the messages did not answer in time.",
		Do:      "Send the request again after the given wait. A message may or may not have been published: with the same key it is published once.",
		causes:  []error{boreas.ErrEngineTimeout},
	}
	TooManyKeys = &Fault{
		Code: "too_many_keys", Retry: Later, Status: http.StatusServiceUnavailable, RetryAfter: time.Second,
		Summary: "The server cannot remember more idempotency keys at the moment, in total or for this publisher. Nothing was published.",
		Do:      "Wait and try again, or publish without a key. A shorter `idempotency_window` makes room sooner, a larger `history_memory` makes more. Half of the room is reserved for backends.",
		causes:  []error{engine.ErrTooManyKeys},
	}
)

// Missing history.
var (
	Expired = &Fault{
		Code: "expired", Retry: Never, Status: http.StatusGone,
		Summary: "Messages after the position are no longer kept.",
		Do:      "Go on from `oldest`, and know that messages are missing before it. To keep more, see the options of history.",
		causes:  []error{engine.ErrExpired},
	}
	UnknownEpoch = &Fault{
		Code: "unknown_epoch", Retry: Never, Status: http.StatusGone,
		Summary: "The position is of another life of the channel's log, which began anew.",
		Do:      "Go on from `oldest`, and know that messages may be missing before it. A server that keeps messages in memory forgets them when it is restarted.",
		causes:  []error{engine.ErrUnknownEpoch},
	}
	Ahead = &Fault{
		Code: "ahead", Retry: Never, Status: http.StatusGone,
		Summary: "The position is after the newest message: the log has lost its end.",
		Do:      "Go on from `oldest`, and know that messages were lost.",
		causes:  []error{engine.ErrAhead},
	}
)

// Reasons to end a session that has done nothing wrong.
var (
	ShuttingDown = &Fault{
		Code: "shutting_down", Retry: Now, Status: http.StatusServiceUnavailable, Close: 4100,
		Summary: "The server is shutting down.",
		Do:      "Connect again, which leads to another server or to the next one: after the time in the goodbye, if there is one.",
		causes:  []error{boreas.ErrShuttingDown, engine.ErrClosed},
	}
	NoAnswer = &Fault{
		Code: "no_answer", Retry: Now, Close: 4101,
		Summary: "The client did not answer the server's pings.",
		Do:      "Connect again. If it happens often, something on the way holds the connection back.",
		causes:  []error{boreas.ErrPingTimeout},
	}
	Slow = &Fault{
		Code: "slow", Retry: Later, Close: 4200, RetryAfter: 5 * time.Second,
		Summary: "The client read so slowly that messages were dropped, again and again.",
		Do:      "Come back later with the last positions: what is still kept comes then. Join fewer channels, or do less for each message.",
		causes:  []error{boreas.ErrSlow, boreas.ErrFallsBehind},
	}
	Backlog = &Fault{
		Code: "backlog", Retry: Later, Close: 4201, RetryAfter: 5 * time.Second,
		Summary: "The client sends requests and does not read the replies.",
		Do:      "Read while writing: replies that have waited for a minute end the session.",
		causes:  []error{boreas.ErrBacklog},
	}
	Overloaded = &Fault{
		Code: "overloaded", Retry: Later, Status: http.StatusServiceUnavailable, Close: 4202, RetryAfter: time.Second,
		Summary: "The server has as many connections as it may, or new ones come too fast.",
		Do:      "Try again later. `max_connections`, `api_connections` and `accept_rate` are the server's limits.",
		causes:  []error{boreas.ErrTooManySessions},
	}
	TooManyConnections = &Fault{
		Code: "too_many_connections", Retry: Later, Status: http.StatusTooManyRequests, Close: 4204, RetryAfter: 5 * time.Second,
		Summary: "The address or the user has as many connections as one may.",
		Do:      "Close others, or come back later. The message names the server's option. If the address is a proxy's, name that in `trusted_proxies`.",
		causes:  []error{boreas.ErrTooManyAddressSessions, boreas.ErrTooManyUserSessions},
	}
	RateLimited = &Fault{
		Code: "rate_limited", Retry: Later, Status: http.StatusTooManyRequests, Close: 4203, RetryAfter: time.Second,
		Summary: "There is more of this in a second than one address, user or key may do. It was not carried out.",
		Do:      "Send less, and wait as long as `retry_after_ms` or `Retry-After` says. The message names the server's option.",
	}
	PeerMemory = &Fault{
		Code: "peer_memory", Retry: Later, Status: http.StatusServiceUnavailable, Close: 4205, RetryAfter: time.Second,
		Summary: "The server has reached its limit of bytes held for the session, its address, its user or all clients: partial requests and unread answers.",
		Do:      "Read the answers and try again. The message names the share that is used up. The server's option is `peer_memory`.",
		causes:  []error{boreas.ErrPeerMemory},
	}
	HistoryUnavailable = &Fault{
		Code: "history_unavailable", Retry: Later, Status: http.StatusServiceUnavailable, Close: 4207, RetryAfter: 5 * time.Second,
		Summary: "The session was behind, and the server could not read the history of one of its channels.",
		Do:      "Reconnect later with the last positions. If this happens often, check the server's log and the engine's storage.",
		causes:  []error{boreas.ErrUnreadable},
	}
	RulesChanged = &Fault{
		Code: "rules_changed", Retry: Now, Close: 4102,
		Summary: "The rules of the session's token have changed, and it was on a channel that they do not allow.",
		Do:      "Connect again and join: each channel's result says whether it is still allowed.",
		causes:  []error{boreas.ErrRulesChanged},
	}
	Internal = &Fault{
		Code: "internal", Retry: Later, Status: http.StatusInternalServerError, Close: 1011, RetryAfter: time.Second,
		Summary: "The server failed; its log says why.",
		Do:      "Try again later. A message may or may not have been published: with the same key it is published once.",
	}
)

// Reasons to end a session because of its token or its behaviour.
var (
	TokenRevoked = &Fault{
		Code: "token_revoked", Retry: NewToken, Status: http.StatusUnauthorized, Close: 4300,
		Summary: "The token was revoked.",
		Do:      "Come back with another token, if your backend gives you one.",
		causes:  []error{boreas.ErrRevoked},
	}
	AuthTimeout = &Fault{
		Code: "auth_timeout", Retry: NewToken, Close: 4301,
		Summary: "The session did not authenticate in time.",
		Do:      "Connect when you have a token, and send `auth` first.",
		causes:  []error{boreas.ErrAnonymousTimeout},
	}
	Terminated = &Fault{
		Code: "terminated", Retry: Never, Close: 4401,
		Summary: "The server's operator has ended the session.",
		Do:      "Do not come back by yourself.",
		causes:  []error{boreas.ErrTerminated},
	}
	TooManyMalformed = &Fault{
		Code: "too_many_malformed", Retry: Never, Close: 4402,
		Summary: "The client sent too many malformed requests in a row.",
		Do:      "Correct the client: the replies before this one say what is wrong.",
		causes:  []error{boreas.ErrMisbehaved},
	}
	ProtocolError = &Fault{
		Code: "protocol_error", Retry: Never, Close: 1002,
		Summary: "The client broke the rules of WebSocket (RFC 6455).",
		Do:      "Correct the client, or use another WebSocket library.",
	}
	InvalidText = &Fault{
		Code: "invalid_text", Retry: Never, Close: 1007,
		Summary: "The client sent text that is not UTF-8.",
		Do:      "Correct the client: text messages are UTF-8.",
	}
	FrameTooBig = &Fault{
		Code: "frame_too_big", Retry: Never, Close: 1009,
		Summary: "The client sent a message that is larger than it may be.",
		Do:      "Send less at once: `hello` has the limit as `frame_bytes`. The server's option is `max_message`.",
	}
)

// Errors that only HTTP requests can have.
var (
	NotFound = &Fault{
		Code: "not_found", Retry: Never, Status: http.StatusNotFound,
		Summary: "There is nothing at this path.",
		Do:      "Look at the path, and at the port: subscribers and publishers have one each.",
	}
	MethodNotAllowed = &Fault{
		Code: "method_not_allowed", Retry: Never, Status: http.StatusMethodNotAllowed,
		Summary: "The path is known, but not with this method.",
		Do:      "Use one of the methods in the header `Allow`.",
	}
	InvalidKey = &Fault{
		Code: "invalid_key", Retry: Never, Status: http.StatusUnauthorized,
		Summary: "The API needs a key, and none was shown that is valid.",
		Do:      "Send `Authorization: Bearer KEY`. `boreas key new` makes a key.",
	}
	HostNotAllowed = &Fault{
		Code: "host_not_allowed", Retry: Never, Status: http.StatusMisdirectedRequest,
		Summary: "The API is open to this machine alone, and was asked for under another name: a web page may be behind it.",
		Do:      "Ask for `localhost` or `127.0.0.1`, add the name to the server's option `api_hosts`, or make a key for the API.",
	}
	NoToken = &Fault{
		Code: "no_token", Retry: Never, Status: http.StatusNotFound,
		Summary: "There is no token of that ID.",
		Do:      "`GET /v2/tokens` lists those that there are. Of JWTs the server knows only those that are in use; revoke them by user or by `jti`.",
	}
	NoKey = &Fault{
		Code: "no_key", Retry: Never, Status: http.StatusNotFound,
		Summary: "There is no key of that ID.",
		Do:      "`GET /v2/keys` lists those that there are.",
	}
	TooManyStored = &Fault{
		Code: "too_many_stored", Retry: Never, Status: http.StatusInsufficientStorage,
		Summary: "The server keeps as many tokens, keys or revocations as it may. Nothing was changed.",
		Do:      "Delete what is no longer needed, or give the next ones an end. The message names the bound.",
	}
	NotStored = &Fault{
		Code: "not_stored", Retry: Later, Status: http.StatusInsufficientStorage, RetryAfter: 5 * time.Second,
		Summary: "The server cannot write to its `data_dir`. A revocation is in force, but only until a restart; nothing else was changed.",
		Do:      "Free disk space on the server, or find the cause in its log. The server retries to store revocations, and `/readyz` is 503 until they are stored; repeating one is harmless. Repeat every other request.",
	}
	NoSession = &Fault{
		Code: "no_session", Retry: Never, Status: http.StatusNotFound,
		Summary: "There is no live session of that name.",
		Do:      "Nothing, if it should end: it has. `GET /v2/sessions` lists those that live.",
		causes:  []error{boreas.ErrNoSession},
	}
	Timeout = &Fault{
		Code: "timeout", Retry: Now, Status: http.StatusRequestTimeout, Close: 4103,
		Summary: "The request did not arrive in time.",
		Do:      "Send it again. Nothing of it was carried out.",
	}
	UnsupportedEncoding = &Fault{
		Code: "unsupported_encoding", Retry: Never, Status: http.StatusUnsupportedMediaType,
		Summary: "The body is compressed, and the server reads only bodies without a content coding.",
		Do:      "Send the body uncompressed, without the header `Content-Encoding`.",
	}
	OriginNotAllowed = &Fault{
		Code: "origin_not_allowed", Retry: Never, Status: http.StatusForbidden,
		Summary: "Pages of this origin may not connect.",
		Do:      "Add the origin to the server's option `allow_origin`.",
	}
	UpgradeRequired = &Fault{
		Code: "upgrade_required", Retry: Never, Status: http.StatusUpgradeRequired,
		Summary: "This path speaks WebSocket, version 13.",
		Do:      "Connect with a WebSocket library; without one, use `/v2/events`.",
	}
)

// all is the table, in the order of the documentation.
var all = []*Fault{
	Malformed, Unauthenticated, InvalidToken, TokenExpired, AuthUnavailable, NotPermitted, PresenceOff, ChannelName, BadPosition,
	TooManyChannels, TooManyUserChannels, TooManyAddressChannels, TooManyJoinedChannels, TooManySubscribers, AlreadyJoined, TooLarge, KeyReused, BadKey, Busy, EngineTimeout, TooManyKeys,
	Expired, UnknownEpoch, Ahead,
	ShuttingDown, NoAnswer, Slow, Backlog, Overloaded, TooManyConnections, RateLimited, PeerMemory, HistoryUnavailable, RulesChanged, Internal,
	TokenRevoked, AuthTimeout, Terminated, TooManyMalformed, ProtocolError, InvalidText, FrameTooBig,
	NotFound, MethodNotAllowed, InvalidKey, HostNotAllowed, NoToken, NoKey, TooManyStored, NotStored, NoSession, Timeout, UnsupportedEncoding, OriginNotAllowed, UpgradeRequired,
}
