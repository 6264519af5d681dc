// Package boreas is the core of the Boreas pub/sub server: a [Hub] that carries
// publications from an [engine.Engine] to sessions.
//
// # A channel is a log, a subscriber is a cursor
//
// A publication is appended to its channel's log by the engine. A [Session] that
// has joined the channel holds a subscription: a cursor into that log. There is
// no queue for each subscriber. Delivering means writing everything between the
// cursor and the head in one write, and then moving the cursor. So the cost of a
// delivery falls as load rises: while the sweep of a channel is under way, new
// publications only move the head, and the next sweep carries them all.
//
// # What is promised
//
//   - A session gets each publication of a channel that it has joined once and in
//     the order of the log, from the place on at which it began; or it is told what
//     it does not get, and why. One that cannot be told is ended with an error that
//     says so. Nothing is left out unseen.
//   - [Hub.Publish] never waits for a reader. A slow reader costs its stale cursor
//     and, while its socket refuses bytes, one waiting goroutine; it delays nobody.
//   - A session does what its [access.Grant] allows, and nothing more once that has ended or was
//     taken back.
//   - Everything is bounded: a session's channels, the bytes of one write, the
//     publications kept, the bytes a transport may queue.
//
// # The parts
//
//	Hub           the sessions, their identities, the channels with subscribers
//	channel       the publications not yet swept, and groups of subscriptions
//	group         at most 256 subscriptions; the unit of work of a sweep
//	sweeper       a worker; takes dirty groups from a queue and visits sessions
//	Session       one connected subscriber: its cursors, and its way out (a Conn)
//	presence      who is on a channel; what it tells is a log of its own
//	Grant         who a session is, and what it may do until when
//	Rules         how each channel is treated: history, presence, publishing
//	Engine        keeps publications and gives them positions; Memory is the first
//
// Transports (package ws) are HTTP handlers that know the hub. The hub knows a
// transport only as a [Conn] that takes bytes without waiting, and a wire only as
// a [Format] that turns publications into bytes.
package boreas
