package api

// metricTable lists all metrics except the histogram boreas_write_publications and
// boreas_api_requests_total, which are in collector.go, and those of an engine's files, which are in
// storemetrics.go. All names begin with boreas_.
var metricTable = []metric{
	// The current state.
	{gauge, "sessions", helpSessions, "state=anonymous", func(s *snapshot) float64 { return float64(s.Anonymous) }},
	{gauge, "sessions", helpSessions, "state=authenticated", func(s *snapshot) float64 { return float64(s.Authenticated) }},
	{gauge, "sessions", helpSessions, "state=closing", func(s *snapshot) float64 { return float64(s.Closing) }},
	{gauge, "sessions_blocked", "Sessions whose socket accepts no more bytes: slow readers.", "", func(s *snapshot) float64 { return float64(s.Blocked) }},
	{gauge, "engine_calls", "Calls under way to an engine that can block. The memory engine never does.", "", func(s *snapshot) float64 { return float64(s.EngineCalls) }},
	{gauge, "identities", "Identities (tokens) with at least one session.", "", func(s *snapshot) float64 { return float64(s.Identities) }},
	{gauge, "channels", "Channels with at least one subscription.", "", func(s *snapshot) float64 { return float64(s.Channels) }},
	{gauge, "subscriptions", "Joined channels, summed over all sessions.", "", func(s *snapshot) float64 { return float64(s.Subscriptions) }},
	{gauge, "channel_bytes", "Bytes of memory that joined channels use (channel_memory).", "", func(s *snapshot) float64 { return float64(s.ChannelBytes) }},

	// Messages.
	{counter, "publications_total", "Accepted messages.", "", func(s *snapshot) float64 { return float64(s.Publishes) }},
	{counter, "publication_bytes_total", "Bytes of the payloads of accepted messages.", "", func(s *snapshot) float64 { return float64(s.PublishBytes) }},
	{counter, "deliveries_total", "Messages written to sessions; a message counts once per session.", "", func(s *snapshot) float64 { return float64(s.Deliveries) }},
	{counter, "delivered_bytes_total", "Bytes written to sessions, including framing.", "", func(s *snapshot) float64 { return float64(s.DeliveredBytes) }},
	{counter, "duplicates_total", "Messages not published again, because their idempotency key was already used.", "", func(s *snapshot) float64 { return float64(s.Duplicates) }},
	{counter, "gaps_total", helpGaps, "reason=expired", func(s *snapshot) float64 { return float64(s.Gaps.Expired) }},
	{counter, "gaps_total", helpGaps, "reason=unknown_epoch", func(s *snapshot) float64 { return float64(s.Gaps.UnknownEpoch) }},
	{counter, "gaps_total", helpGaps, "reason=ahead", func(s *snapshot) float64 { return float64(s.Gaps.Ahead) }},
	{counter, "gaps_total", helpGaps, "reason=purged", func(s *snapshot) float64 { return float64(s.Gaps.Purged) }},
	{counter, "gaps_total", helpGaps, "reason=slow", func(s *snapshot) float64 { return float64(s.Gaps.Slow) }},
	{counter, "gaps_total", helpGaps, "reason=conflated", func(s *snapshot) float64 { return float64(s.Gaps.Conflated) }},
	{counter, "engine_failures_total", helpEngine, "reason=busy", func(s *snapshot) float64 { return float64(s.EngineBusy) }},
	{counter, "engine_failures_total", helpEngine, "reason=timeout", func(s *snapshot) float64 { return float64(s.EngineTimeouts) }},
	{counter, "engine_failures_total", helpEngine, "reason=panic", func(s *snapshot) float64 { return float64(s.EnginePanics) }},
	{counter, "publishes_refused_total", helpPublishRefused, "reason=storage_full", func(s *snapshot) float64 { return float64(s.PublishesRefused.StorageFull) }},
	{counter, "publishes_refused_total", helpPublishRefused, "reason=storage_failed", func(s *snapshot) float64 { return float64(s.PublishesRefused.StorageFailed) }},
	{counter, "publishes_refused_total", helpPublishRefused, "reason=too_many_keys", func(s *snapshot) float64 { return float64(s.PublishesRefused.TooManyKeys) }},
	{counter, "publishes_refused_total", helpPublishRefused, "reason=cluster_unavailable", func(s *snapshot) float64 { return float64(s.PublishesRefused.Unavailable) }},
	{counter, "pings_total", "Pings sent to sessions.", "", func(s *snapshot) float64 { return float64(s.Pings) }},

	// Opened and closed sessions.
	{counter, "sessions_opened_total", "Opened sessions.", "", func(s *snapshot) float64 { return float64(s.SessionsOpened) }},
	{counter, "sessions_refused_total", "Sessions refused because max_connections was reached.", "", func(s *snapshot) float64 { return float64(s.SessionsRefused) }},
	{counter, "joins_refused_total", "Joins refused because a limit of joined channels or a rule's max_subscribers was reached.", "", func(s *snapshot) float64 { return float64(s.JoinsRefused) }},
	{counter, "sessions_ended_total", helpEnded, "reason=slow", func(s *snapshot) float64 { return float64(s.Ended.Slow) }},
	{counter, "sessions_ended_total", helpEnded, "reason=backlog", func(s *snapshot) float64 { return float64(s.Ended.Backlog) }},
	{counter, "sessions_ended_total", helpEnded, "reason=ping_timeout", func(s *snapshot) float64 { return float64(s.Ended.PingTimeout) }},
	{counter, "sessions_ended_total", helpEnded, "reason=anonymous_timeout", func(s *snapshot) float64 { return float64(s.Ended.AnonymousTimeout) }},
	{counter, "sessions_ended_total", helpEnded, "reason=shutting_down", func(s *snapshot) float64 { return float64(s.Ended.ShuttingDown) }},
	{counter, "sessions_ended_total", helpEnded, "reason=revoked", func(s *snapshot) float64 { return float64(s.Ended.Revoked) }},
	{counter, "sessions_ended_total", helpEnded, "reason=expired", func(s *snapshot) float64 { return float64(s.Ended.Expired) }},
	{counter, "sessions_ended_total", helpEnded, "reason=rules_changed", func(s *snapshot) float64 { return float64(s.Ended.RulesChanged) }},
	{counter, "sessions_ended_total", helpEnded, "reason=terminated", func(s *snapshot) float64 { return float64(s.Ended.Terminated) }},
	{counter, "sessions_ended_total", helpEnded, "reason=peer_memory", func(s *snapshot) float64 { return float64(s.Ended.PeerMemory) }},
	{counter, "sessions_ended_total", helpEnded, "reason=history_unavailable", func(s *snapshot) float64 { return float64(s.Ended.HistoryUnavailable) }},
	{counter, "sessions_ended_total", helpEnded, "reason=node_isolated", func(s *snapshot) float64 { return float64(s.Ended.NodeIsolated) }},
	{counter, "sessions_ended_total", helpEnded, "reason=other", func(s *snapshot) float64 { return float64(s.Ended.Other) }},

	// Bytes held for clients.
	{gauge, "peer_bytes", helpHeld, "kind=request", func(s *snapshot) float64 { return float64(s.Held.Request) }},
	{gauge, "peer_bytes", helpHeld, "kind=answer", func(s *snapshot) float64 { return float64(s.Held.Answer) }},
	{gauge, "peer_bytes", helpHeld, "kind=batch", func(s *snapshot) float64 { return float64(s.Held.Batch) }},
	{gauge, "peer_bytes", helpHeld, "kind=message", func(s *snapshot) float64 { return float64(s.Held.Message) }},
	{gauge, "peer_bytes_limit", "Bytes that may be held for all clients (peer_memory).", "", func(s *snapshot) float64 { return float64(s.Held.Max) }},
	{gauge, "peer_requests_waiting", "Requests that wait until fewer bytes are held for clients.", "", func(s *snapshot) float64 { return float64(s.Held.Waiting) }},
	{counter, "peer_refused_total", helpHeldRefused, "scope=session", func(s *snapshot) float64 { return float64(s.Held.Refused.Session) }},
	{counter, "peer_refused_total", helpHeldRefused, "scope=address", func(s *snapshot) float64 { return float64(s.Held.Refused.Address) }},
	{counter, "peer_refused_total", helpHeldRefused, "scope=user", func(s *snapshot) float64 { return float64(s.Held.Refused.User) }},
	{counter, "peer_refused_total", helpHeldRefused, "scope=all", func(s *snapshot) float64 { return float64(s.Held.Refused.All) }},

	// History.
	{gauge, "history_bytes", "Bytes of history, including the estimated overhead of storing it.", "", func(s *snapshot) float64 { return float64(s.Engine.Bytes) }},
	{gauge, "history_publications", "Kept messages.", "", func(s *snapshot) float64 { return float64(s.Engine.Publications) }},
	{gauge, "history_channels", "Channels that have a kept message, or had one within the last hour.", "", func(s *snapshot) float64 { return float64(s.Engine.Channels) }},
	{gauge, "history_followed", "Channels with subscribers and without a kept message.", "", func(s *snapshot) float64 { return float64(s.Engine.Followed) }},
	{gauge, "history_keys", "Remembered idempotency keys.", "", func(s *snapshot) float64 { return float64(s.Engine.Keys) }},
	{counter, "history_evicted_total", helpEvicted, "reason=age", func(s *snapshot) float64 { return float64(s.Engine.EvictedAge) }},
	{counter, "history_evicted_total", helpEvicted, "reason=bounds", func(s *snapshot) float64 { return float64(s.Engine.EvictedBounds) }},
	{counter, "history_evicted_total", helpEvicted, "reason=memory", func(s *snapshot) float64 { return float64(s.Engine.EvictedMemory) }},
	{counter, "history_evicted_total", helpEvicted, "reason=disk", func(s *snapshot) float64 { return float64(s.Engine.EvictedDisk) }},
	{counter, "history_evicted_total", helpEvicted, "reason=purge", func(s *snapshot) float64 { return float64(s.Engine.EvictedPurge) }},

	// Authorization.
	{gauge, "tokens", "Tokens that the server made or loaded from the token provider.", "", func(s *snapshot) float64 { return float64(s.tokens) }},
	{gauge, "keys", "Keys of the API.", "", func(s *snapshot) float64 { return float64(s.keys) }},
	{gauge, "revocations", "Stored revocations.", "", func(s *snapshot) float64 { return float64(s.revocations) }},

	// The API. refusalNames lists the status of each reason.
	{counter, "api_dry_runs_total", "Valid messages of dry runs, which were not published.", "", func(s *snapshot) float64 { return float64(s.dryRuns.Load()) }},
	{counter, "api_tokens_created_total", "Tokens made through the API.", "", func(s *snapshot) float64 { return float64(s.tokensCreated.Load()) }},
	{counter, "api_tokens_deleted_total", "Tokens revoked through the API.", "", func(s *snapshot) float64 { return float64(s.tokensDeleted.Load()) }},
	{counter, "api_sessions_ended_total", "Sessions ended through the API.", "", func(s *snapshot) float64 { return float64(s.sessionsEnded.Load()) }},
	apiRefused(refusedPath),
	apiRefused(refusedMethod),
	apiRefused(refusedChannel),
	apiRefused(refusedType),
	apiRefused(refusedBody),
	apiRefused(refusedCoding),
	apiRefused(refusedSize),
	apiRefused(refusedSlow),
	apiRefused(refusedCut),
	apiRefused(refusedOrigin),
	apiRefused(refusedKey),
	apiRefused(refusedHost),
	apiRefused(refusedToken),
	apiRefused(refusedClosed),
	apiRefused(refusedMemory),
	apiRefused(refusedFailure),
}

const (
	helpSessions       = "Sessions by state: anonymous, authenticated, or closing (ended, but the connection is still open)."
	helpEvicted        = "Messages dropped from history, by reason: age (history_age), bounds (history_messages or history_bytes), memory (history_memory), disk (history_disk or disk_free) or purge (an operator purged the channel)."
	helpPublishRefused = "Messages that the engine refused, by reason: storage_full, storage_failed, too_many_keys or cluster_unavailable."
	helpHeld           = "Bytes held for clients, by kind: request (arrived in part), answer (not read yet), batch (copies that connections are writing), message (received in part)."
	helpHeldRefused    = "Refusals because a share of peer_memory was used up, by the share: session, address, user or all."
	helpEngine         = "Engine calls that failed, by reason: busy (too many calls under way, so this one was not made), timeout (no result in time) or panic."
	helpGaps           = "Gaps that sessions received, including failed recoveries, by reason."
	helpEnded          = "Ended sessions, by reason. other means that the client or the network closed the connection."
)

func apiRefused(why reason) metric {
	return metric{
		counter, "api_refused_total", "Refused requests for classic paths, by reason.", "reason=" + refusalNames[why],
		func(s *snapshot) float64 { return float64(s.refused[why].Load()) },
	}
}
