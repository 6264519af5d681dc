// Package boreas is the core of the Boreas pub/sub server: a [Hub] delivers publications from an
// [engine.Engine] to sessions.
//
// # A channel is a log, a subscriber is a cursor
//
// The engine appends each publication to the log of its channel. A [Session] that has joined the
// channel has a subscription: a cursor into that log. There is no queue per subscriber. To deliver,
// the hub writes everything between the cursor and the head of the log in one write, and then moves
// the cursor. So a delivery costs less under load: while a channel is being swept, new publications
// only move the head, and the next sweep delivers all of them.
//
// # Guarantees
//
//   - A session receives each publication of a joined channel once and in the order of the log,
//     starting at the position of the join. If publications are gone, it receives a gap that says
//     which and why. A session whose format has no gaps ends with an error instead. Nothing is
//     skipped silently.
//   - [Hub.Publish] never waits for a reader. A slow reader costs its cursor and, while its
//     connection accepts nothing, one waiting goroutine. It delays no other session.
//   - A session does only what its [access.Grant] allows, and nothing after the grant has expired
//     or was revoked.
//   - Everything is limited: a session's channels, the bytes of one write, the publications kept,
//     the bytes that a transport may queue.
//
// # The parts
//
//	Hub           the sessions, their identities, the channels with subscribers
//	channel       the publications not yet swept, and groups of subscriptions
//	group         at most 256 subscriptions; the unit of work of a sweep
//	sweeper       a worker; takes dirty groups from a queue and writes to their sessions
//	Session       one connected subscriber: its cursors and its connection (a Conn)
//	presence      the users on a channel; its events are a log of their own
//	access.Grant  the identity of a session, its permissions and its expiry
//	Rules         the settings of each channel: history, presence, publishing
//	engine.Engine keeps publications and gives them positions; see package engine/memory
//
// Transports are HTTP handlers that use the hub, such as package ws. The hub uses a transport only
// as a [Conn] that accepts bytes without waiting, and a wire protocol only as a [Format] that
// encodes publications.
package boreas
