package fault

import (
	"net/http"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

// Errors in a request.
var (
	Malformed = &Fault{
		Code: "malformed", Retry: Never, Status: http.StatusBadRequest,
		Summary: "The request does not follow the protocol.",
		Do:      "Correct the client: the message says what is wrong. The server did not carry out any part of the request.",
	}
	Unauthenticated = &Fault{
		Code: "unauthenticated", Retry: NewToken, Status: http.StatusUnauthorized,
		Summary: "The request needs a token, and the client has sent none.",
		Do:      "Send `auth` first, or the header `Authorization: Bearer TOKEN`.",
		causes:  []error{access.ErrAnonymous},
	}
	InvalidToken = &Fault{
		Code: "invalid_token", Retry: NewToken, Status: http.StatusUnauthorized,
		Summary: "The token is not valid, or is no longer valid.",
		Do:      "Get another token from your backend and try again with it.",
	}
	TokenExpired = &Fault{
		Code: "token_expired", Retry: NewToken, Status: http.StatusUnauthorized, Close: 4302,
		Summary: "The token has expired.",
		Do:      "Get another token from your backend. The server notifies a session of protocol 2 in time, so that it can send `auth` with the next one.",
		causes:  []error{access.ErrTokenExpired},
	}
	AuthUnavailable = &Fault{
		Code: "auth_unavailable", Retry: Later, Status: http.StatusServiceUnavailable, RetryAfter: 5 * time.Second,
		Summary: "The server cannot check the token at the moment, because the backend, the key server or the shared store of tokens does not answer.",
		Do:      "Try again later with the same token. `/readyz` says which of them does not answer.",
	}
	NotPermitted = &Fault{
		Code: "not_permitted", Retry: Never, Status: http.StatusForbidden,
		Summary: "The rules of the token, the key or the channel do not allow the request.",
		Do:      "The message names the rule. `boreas token inspect` shows the permissions of a token. To let clients publish, also give the channel a rule with `client_publish`, or publish from the backend over HTTP.",
		causes:  []error{access.ErrNotPermitted},
	}
	PresenceOff = &Fault{
		Code: "presence_off", Retry: Never, Status: http.StatusConflict,
		Summary: "Presence is off for this channel.",
		Do:      "Give the channel a rule with `presence` or `presence=count`, or leave `presence` out of the request.",
		causes:  []error{boreas.ErrNoPresence},
	}
	ChannelName = &Fault{
		Code: "channel_name", Retry: Never, Status: http.StatusBadRequest,
		Summary: "The name is not a valid channel name.",
		Do:      "Use a name of 1 to 255 bytes of UTF-8 without control characters.",
		causes:  []error{access.ErrChannelName},
	}
	BadPosition = &Fault{
		Code: "bad_position", Retry: Never, Status: http.StatusBadRequest,
		Summary: "The position is not valid, or it belongs to other channels.",
		Do:      "Send a position back unchanged, for the channel that it came with. If you have none, omit it.",
		causes:  []error{engine.ErrPosition},
	}
	TooManyChannels = &Fault{
		Code: "too_many_channels", Retry: Never, Status: http.StatusBadRequest,
		Summary: "The session has reached its limit of joined channels.",
		Do:      "Leave a channel, or open a second connection. `hello` has the limit.",
		causes:  []error{boreas.ErrTooManyChannels},
	}
	TooManyUserChannels = &Fault{
		Code: "too_many_user_channels", Retry: Later, Status: http.StatusTooManyRequests, RetryAfter: 5 * time.Second,
		Summary: "The user's sessions together have reached the limit of joined channels for one user.",
		Do:      "Leave channels, or close other sessions. The server's option is `user_channels`.",
		causes:  []error{boreas.ErrTooManyUserChannels},
	}
	TooManyAddressChannels = &Fault{
		Code: "too_many_address_channels", Retry: Later, Status: http.StatusTooManyRequests, RetryAfter: 5 * time.Second,
		Summary: "The sessions from the address together have reached the limit of joined channels for one address.",
		Do:      "Leave channels, or close other sessions. The server's option is `address_channels`. If the address is that of a proxy, name the proxy in `trusted_proxies`.",
		causes:  []error{boreas.ErrTooManyAddressChannels},
	}
	TooManyJoinedChannels = &Fault{
		Code: "too_many_joined_channels", Retry: Later, Status: http.StatusServiceUnavailable, RetryAfter: 5 * time.Second,
		Summary: "All joined channels together have reached their memory limit.",
		Do:      "Try again later, when clients have left channels. The server's option is `channel_memory`.",
		causes:  []error{boreas.ErrTooManyJoinedChannels},
	}
	TooManySubscribers = &Fault{
		Code: "too_many_subscribers", Retry: Later, Status: http.StatusServiceUnavailable, RetryAfter: 5 * time.Second,
		Summary: "The channel has as many subscribers as its rule allows.",
		Do:      "Try again when other subscribers have left, or raise `max_subscribers` in the channel's rule.",
		causes:  []error{boreas.ErrTooManySubscribers},
	}
	AlreadyJoined = &Fault{
		Code: "already_joined", Retry: Never, Status: http.StatusConflict,
		Summary: "The session has already joined the channel, so it cannot start at another position.",
		Do:      "Leave the channel first, or read the older messages with `history`.",
		causes:  []error{boreas.ErrAlreadyJoined},
	}
	TooLarge = &Fault{
		Code: "too_large", Retry: Never, Status: http.StatusRequestEntityTooLarge,
		Summary: "A part of the request is larger than its limit.",
		Do:      "Send less: `hello` and the message give the limits.",
		causes:  []error{boreas.ErrInfoTooLarge, boreas.ErrTooManyMembers},
	}
	KeyReused = &Fault{
		Code: "key_reused", Retry: Never, Status: http.StatusUnprocessableEntity,
		Summary: "A different message was published on this channel with the same key a short time ago.",
		Do:      "Make a new key for each message, and use it again only to repeat the same message.",
		causes:  []error{engine.ErrKeyReused},
	}
	BadKey = &Fault{
		Code: "bad_key", Retry: Never, Status: http.StatusBadRequest,
		Summary: "The idempotency key is not valid.",
		Do:      "Use a key of 1 to 128 bytes.",
		causes:  []error{boreas.ErrKey},
	}
	Busy = &Fault{
		Code: "busy", Retry: Later, Status: http.StatusServiceUnavailable, RetryAfter: time.Second,
		Summary: "Too many requests are waiting for the engine that stores the messages. This one was not carried out.",
		Do:      "Send the request again after the given time. If this happens often, the engine is too slow: see `boreas_engine_calls`.",
		causes:  []error{boreas.ErrEngineBusy},
	}
	EngineTimeout = &Fault{
		Code: "engine_timeout", Retry: Later, Status: http.StatusServiceUnavailable, Close: 4206, RetryAfter: time.Second,
		Summary: "The engine that stores the messages did not answer in time.",
		Do:      "Send the request again after the given time. A message may or may not have been published: with the same key it is published once.",
		causes:  []error{boreas.ErrEngineTimeout},
	}
	TooManyKeys = &Fault{
		Code: "too_many_keys", Retry: Later, Status: http.StatusServiceUnavailable, RetryAfter: time.Second,
		Summary: "The server cannot remember more idempotency keys at the moment, in total or for this publisher. Nothing was published.",
		Do:      "Wait and try again, or publish without a key. A shorter `idempotency_window` frees space sooner, and a larger `history_memory` gives more space. Half of the space is reserved for backends.",
		causes:  []error{engine.ErrTooManyKeys},
	}
	StorageFull = &Fault{
		Code: "storage_full", Retry: Later, Status: http.StatusInsufficientStorage, RetryAfter: 5 * time.Second,
		Summary: "The server's disk is full. Nothing was published.",
		Do:      "Send the message again after the given time. The operator frees space on the server's disk, or lowers `history_disk`. Subscribers, history and presence work meanwhile.",
		causes:  []error{engine.ErrStorageFull},
	}
	StorageFailed = &Fault{
		Code: "storage_failed", Retry: Later, Status: http.StatusServiceUnavailable, RetryAfter: 5 * time.Second,
		Summary: "The server's disk has failed: it could not write the message, or could not read stored messages.",
		Do:      "Send the request again later. A message may or may not have been published: with the same key it is published once. If the server cannot read the history of a channel, joins without `since` and `last` still work. The operator finds the cause in the server's log.",
		causes:  []error{engine.ErrStorageFailed},
	}
	ClusterUnavailable = &Fault{
		Code: "cluster_unavailable", Retry: Later, Status: http.StatusServiceUnavailable, RetryAfter: time.Second,
		Summary: "The server cannot reach the store that the servers of the cluster share.",
		Do:      "Send the request again after the given time. A message may or may not have been published: with the same key it is published once. If this lasts longer than half a minute, the operator finds the cause in the server's log and at `/readyz`.",
		causes:  []error{engine.ErrUnavailable},
	}
)

// Missing history.
var (
	Expired = &Fault{
		Code: "expired", Retry: Never, Status: http.StatusGone,
		Summary: "Messages after the position are no longer kept.",
		Do:      "Continue from `oldest`: messages before it are missing. To keep more messages, see the history options.",
		causes:  []error{engine.ErrExpired},
	}
	Purged = &Fault{
		Code: "purged", Retry: Never, Status: http.StatusGone,
		Summary: "Messages after the position were purged: an operator has dropped the channel's history.",
		Do:      "Continue from `oldest`: messages before it are gone.",
		causes:  []error{engine.ErrPurged},
	}
	UnknownEpoch = &Fault{
		Code: "unknown_epoch", Retry: Never, Status: http.StatusGone,
		Summary: "The position belongs to an earlier log of the channel, which has started again since then.",
		Do:      "Continue from `oldest`: messages before it may be missing. A server that keeps messages in memory loses them when it restarts.",
		causes:  []error{engine.ErrUnknownEpoch},
	}
	Ahead = &Fault{
		Code: "ahead", Retry: Never, Status: http.StatusGone,
		Summary: "The position is after the newest message, so the log has lost its end.",
		Do:      "Continue from `oldest`: messages were lost.",
		causes:  []error{engine.ErrAhead},
	}
)

// Reasons to end a session that has done nothing wrong.
var (
	ShuttingDown = &Fault{
		Code: "shutting_down", Retry: Now, Status: http.StatusServiceUnavailable, Close: 4100,
		Summary: "The server is shutting down.",
		Do:      "Reconnect, after the time in the goodbye if there is one. You reach another server, or this one after its restart.",
		causes:  []error{boreas.ErrShuttingDown, engine.ErrClosed},
	}
	NodeIsolated = &Fault{
		Code: "node_isolated", Retry: Now, Close: 4104,
		Summary: "The server has lost contact with its cluster, so it receives no messages.",
		Do:      "Reconnect, after the time in the goodbye if there is one. You reach another server of the cluster, and receive the messages that you missed.",
		causes:  []error{boreas.ErrNodeIsolated},
	}
	NoAnswer = &Fault{
		Code: "no_answer", Retry: Now, Close: 4101,
		Summary: "The client did not answer the server's pings.",
		Do:      "Reconnect. If this happens often, look for a problem in the network between client and server.",
		causes:  []error{boreas.ErrPingTimeout},
	}
	Slow = &Fault{
		Code: "slow", Retry: Later, Close: 4200, RetryAfter: 5 * time.Second,
		Summary: "The client repeatedly read so slowly that the server dropped messages.",
		Do:      "Reconnect later with the last positions, to receive the messages that are still kept. Join fewer channels, or do less for each message.",
		causes:  []error{boreas.ErrSlow, boreas.ErrFallsBehind},
	}
	Backlog = &Fault{
		Code: "backlog", Retry: Later, Close: 4201, RetryAfter: 5 * time.Second,
		Summary: "The client sends requests and does not read the replies.",
		Do:      "Read replies while you send requests: the server ends the session if replies have waited for a minute.",
		causes:  []error{boreas.ErrBacklog},
	}
	Overloaded = &Fault{
		Code: "overloaded", Retry: Later, Status: http.StatusServiceUnavailable, Close: 4202, RetryAfter: time.Second,
		Summary: "The server has reached its limit of connections, or too many new ones arrive per second.",
		Do:      "Try again later. The server's options are `max_connections`, `api_connections` and `accept_rate`.",
		causes:  []error{boreas.ErrTooManySessions},
	}
	TooManyConnections = &Fault{
		Code: "too_many_connections", Retry: Later, Status: http.StatusTooManyRequests, Close: 4204, RetryAfter: 5 * time.Second,
		Summary: "The address or the user has reached its limit of connections.",
		Do:      "Close other connections, or try again later. The message names the server's option. If the address is that of a proxy, name the proxy in `trusted_proxies`.",
		causes:  []error{boreas.ErrTooManyAddressSessions, boreas.ErrTooManyUserSessions},
	}
	RateLimited = &Fault{
		Code: "rate_limited", Retry: Later, Status: http.StatusTooManyRequests, Close: 4203, RetryAfter: time.Second,
		Summary: "The address, user or key has exceeded a rate limit. The request was not carried out.",
		Do:      "Send less, and wait as long as `retry_after_ms` or `Retry-After` says. The message names the server's option.",
	}
	PeerMemory = &Fault{
		Code: "peer_memory", Retry: Later, Status: http.StatusServiceUnavailable, Close: 4205, RetryAfter: time.Second,
		Summary: "The server holds too many bytes for the session, its address, its user or all clients: partial requests and unread answers.",
		Do:      "Read the answers and try again. The message names the share that is used up. The server's option is `peer_memory`.",
		causes:  []error{boreas.ErrPeerMemory},
	}
	HistoryUnavailable = &Fault{
		Code: "history_unavailable", Retry: Later, Status: http.StatusServiceUnavailable, Close: 4207, RetryAfter: 5 * time.Second,
		Summary: "The session was behind, and the server could not read the stored history of one of its channels.",
		Do:      "Reconnect later with the last positions. If this happens often, the operator looks for errors of the storage in the server's log.",
		causes:  []error{boreas.ErrUnreadable, boreas.ErrLogReset},
	}
	RulesChanged = &Fault{
		Code: "rules_changed", Retry: Now, Close: 4102,
		Summary: "The rules of the session's token have changed, and no longer allow a channel that the session has joined.",
		Do:      "Reconnect and join: the result of each channel says whether it is still allowed.",
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
		Do:      "Reconnect with another token, if your backend gives you one.",
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
		Do:      "Do not reconnect automatically.",
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
		Summary: "The client violated the WebSocket protocol (RFC 6455).",
		Do:      "Correct the client, or use another WebSocket library.",
	}
	InvalidText = &Fault{
		Code: "invalid_text", Retry: Never, Close: 1007,
		Summary: "The client sent text that is not UTF-8, or a compressed message that cannot be decompressed.",
		Do:      "Correct the client: text messages are UTF-8, and compressed ones are as in RFC 7692.",
	}
	FrameTooBig = &Fault{
		Code: "frame_too_big", Retry: Never, Close: 1009,
		Summary: "The client sent a message that is larger than the limit.",
		Do:      "Send smaller messages: `hello` has the limit as `frame_bytes`. The server's option is `max_message`.",
	}
)

// Errors that only HTTP requests can have.
var (
	NotFound = &Fault{
		Code: "not_found", Retry: Never, Status: http.StatusNotFound,
		Summary: "There is nothing at this path.",
		Do:      "Check the path and the port: subscribers and publishers have different ports.",
	}
	MethodNotAllowed = &Fault{
		Code: "method_not_allowed", Retry: Never, Status: http.StatusMethodNotAllowed,
		Summary: "The path does not accept this method.",
		Do:      "Use one of the methods in the header `Allow`.",
	}
	InvalidKey = &Fault{
		Code: "invalid_key", Retry: Never, Status: http.StatusUnauthorized,
		Summary: "The API needs a key, and the request has no valid one.",
		Do:      "Send `Authorization: Bearer KEY`. `boreas key new` makes a key.",
	}
	HostNotAllowed = &Fault{
		Code: "host_not_allowed", Retry: Never, Status: http.StatusMisdirectedRequest,
		Summary: "The API is open only to this machine, and the request names another host: a web page may have sent it.",
		Do:      "Use the host `localhost` or `127.0.0.1`, add the name to the server's option `api_hosts`, or make a key for the API.",
	}
	NoPurge = &Fault{
		Code: "no_purge", Retry: Never, Status: http.StatusNotImplemented,
		Summary: "The engine that stores the messages cannot purge channels. Nothing was purged.",
		Do:      "Wait until the messages expire. The engines that the server comes with, memory, disk and cluster, can purge channels.",
		causes:  []error{boreas.ErrNoPurge},
	}
	NoToken = &Fault{
		Code: "no_token", Retry: Never, Status: http.StatusNotFound,
		Summary: "There is no token with this ID.",
		Do:      "`GET /v2/tokens` lists the tokens. The server knows only the JWTs that are in use; revoke others by user or by `jti`.",
	}
	NoKey = &Fault{
		Code: "no_key", Retry: Never, Status: http.StatusNotFound,
		Summary: "There is no key with this ID.",
		Do:      "`GET /v2/keys` lists the keys.",
	}
	TooManyStored = &Fault{
		Code: "too_many_stored", Retry: Never, Status: http.StatusInsufficientStorage,
		Summary: "The server has reached its limit of stored tokens, keys or revocations. Nothing was changed.",
		Do:      "Delete entries that you no longer need, and give new ones an expiry. The message names the limit.",
	}
	NotStored = &Fault{
		Code: "not_stored", Retry: Later, Status: http.StatusInsufficientStorage, RetryAfter: 5 * time.Second,
		Summary: "The server cannot write to its `data_dir`. A revocation is in force, but only until a restart. Nothing else was changed.",
		Do:      "Free disk space on the server, or find the cause in its log. Repeat the request. The server itself retries to store a revocation, and `/readyz` is 503 until it is stored; repeating a revocation is harmless.",
	}
	NoMessage = &Fault{
		Code: "no_message", Retry: Never, Status: http.StatusNotFound,
		Summary: "No kept message has this position.",
		Do:      "The message gives the reason. Use the position that came with the message or with its publish, unchanged, and the channel of that message.",
		causes:  []error{boreas.ErrNoMessage},
	}
	NoSession = &Fault{
		Code: "no_session", Retry: Never, Status: http.StatusNotFound,
		Summary: "There is no live session with this name.",
		Do:      "If you wanted to end the session, do nothing: it has ended. `GET /v2/sessions` lists the live sessions.",
		causes:  []error{boreas.ErrNoSession},
	}
	NodeSilent = &Fault{
		Code: "node_silent", Retry: Later, Status: http.StatusServiceUnavailable, RetryAfter: 2 * time.Second,
		Summary: "A server of the cluster did not answer, so the result of the request is unknown.",
		Do:      "Send the request again after the given time. The message names the servers that did not answer. A server that has lost contact with its cluster ends its sessions within 15 seconds, plus the time of its option `drain_time`.",
	}
	Timeout = &Fault{
		Code: "timeout", Retry: Now, Status: http.StatusRequestTimeout, Close: 4103,
		Summary: "The request did not arrive in time.",
		Do:      "Send the request again. The server did not carry out any part of it.",
	}
	UnsupportedEncoding = &Fault{
		Code: "unsupported_encoding", Retry: Never, Status: http.StatusUnsupportedMediaType,
		Summary: "The body has a content coding that the server does not read.",
		Do:      "Compress the body with gzip or deflate, or send it uncompressed, without the header `Content-Encoding`.",
	}
	OriginNotAllowed = &Fault{
		Code: "origin_not_allowed", Retry: Never, Status: http.StatusForbidden,
		Summary: "Pages of this origin may not connect.",
		Do:      "On the port for subscribers, add the origin to the server's option `allow_origin`. A page that embeds or links an address of that port cannot use it: use an EventSource. No option opens the API to pages of other origins: call it from your backend.",
	}
	UpgradeRequired = &Fault{
		Code: "upgrade_required", Retry: Never, Status: http.StatusUpgradeRequired,
		Summary: "This path accepts only WebSocket, version 13.",
		Do:      "Connect with a WebSocket library; without one, use `/v2/events`.",
	}
)

// all is the table, in the order of the documentation.
var all = []*Fault{
	Malformed, Unauthenticated, InvalidToken, TokenExpired, AuthUnavailable, NotPermitted, PresenceOff, ChannelName, BadPosition,
	TooManyChannels, TooManyUserChannels, TooManyAddressChannels, TooManyJoinedChannels, TooManySubscribers, AlreadyJoined, TooLarge, KeyReused, BadKey, Busy, EngineTimeout, TooManyKeys, StorageFull, StorageFailed, ClusterUnavailable,
	Purged, Expired, UnknownEpoch, Ahead, // Purged first: its cause is also one of Expired
	ShuttingDown, NodeIsolated, NoAnswer, Slow, Backlog, Overloaded, TooManyConnections, RateLimited, PeerMemory, HistoryUnavailable, RulesChanged, Internal,
	TokenRevoked, AuthTimeout, Terminated, TooManyMalformed, ProtocolError, InvalidText, FrameTooBig,
	NotFound, MethodNotAllowed, InvalidKey, HostNotAllowed, NoPurge, NoToken, NoKey, TooManyStored, NotStored, NoMessage, NoSession, NodeSilent, Timeout, UnsupportedEncoding, OriginNotAllowed, UpgradeRequired,
}
