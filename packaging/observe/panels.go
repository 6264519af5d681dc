package main

const (
	documents = "https://github.com/boreas-pubsub/boreas/blob/main/docs/"
	runbook   = documents + "runbook.md"
)

// Colors of thresholds.
const (
	orange = "orange" // look at it today
	red    = "red"    // look at it now
)

// rows are the rows of the dashboard. Each description says what to do about a bad figure.
var rows = []row{
	{title: "At a glance", panels: []panel{
		{
			title: "Servers", kind: "stat", width: 3, about: "Servers that answer Prometheus. If one is missing, see BoreasDown in the runbook.",
			queries: []query{{`count(up{$s} == 1)`, "up"}},
		},
		{
			title: "Connected clients", kind: "stat", width: 3, about: "Sessions that have not ended. A sudden drop on one server: look at its log; on all: look at the load balancer.",
			queries: []query{{`sum(boreas_sessions{$s,state!="closing"})`, "sessions"}},
		},
		{
			title: "Published", kind: "stat", width: 3, unit: "mps", about: "Accepted messages per second.",
			queries: []query{{`sum(rate(boreas_publications_total{$s}[$__rate_interval]))`, "published"}},
		},
		{
			title: "Delivered", kind: "stat", width: 3, unit: "mps", about: "Messages written to sessions per second. A message counts once per session.",
			queries: []query{{`sum(rate(boreas_deliveries_total{$s}[$__rate_interval]))`, "delivered"}},
		},
		{
			title: "Refused publishes", kind: "stat", width: 3, unit: "percentunit", steps: []step{{0.0001, orange}, {0.01, red}},
			about:   "The share of messages that the engine refused. Above zero: the disk is full or has failed, or a cluster has no majority. See the row of refusals.",
			queries: []query{{`sum(rate(boreas_publishes_refused_total{$s}[$__rate_interval])) / clamp_min(sum(rate(boreas_publications_total{$s}[$__rate_interval])) + sum(rate(boreas_publishes_refused_total{$s}[$__rate_interval])), 1e-9)`, "refused"}},
		},
		{
			title: "Gaps", kind: "stat", width: 3, unit: "cps", steps: []step{{0.1, orange}},
			about:   "Gaps per second that clients received, except for channels on which slow readers skip messages by a rule. Above zero: clients miss messages, and know which. See the row of gaps for the reason.",
			queries: []query{{`sum(rate(boreas_gaps_total{$s,reason!="conflated"}[$__rate_interval]))`, "gaps"}},
		},
		{
			title: "Storage", kind: "stat", width: 3, steps: []step{{1, red}}, about: "1: the disk of a server has failed, and it refuses publishes until it is started again. See BoreasStorageFailed in the runbook.",
			queries: []query{{`max(boreas_storage_failed{$s})`, "failed"}},
		},
		{
			title: "Certificate", kind: "stat", width: 3, unit: "s", about: "Time until the first certificate expires. Below a week: see BoreasCertificateExpires in the runbook.",
			queries: []query{{`min(boreas_tls_certificate_expires_seconds{$s})`, "left"}},
		},
	}},
	{title: "Traffic", panels: []panel{
		{
			title: "Messages published", unit: "mps", about: "Accepted messages per second and server. A drop to zero while backends publish: look at the refusals below and at the errors of the API.",
			queries: []query{{`rate(boreas_publications_total{$s}[$__rate_interval])`, "{{instance}}"}},
		},
		{
			title: "Messages delivered", unit: "mps", about: "Messages written to sessions per second and server.",
			queries: []query{{`rate(boreas_deliveries_total{$s}[$__rate_interval])`, "{{instance}}"}},
		},
		{
			title: "Bytes", unit: "Bps", about: "Bytes of accepted payloads, and bytes written to sessions with framing. Compare the second with the capacity of the network.",
			queries: []query{
				{`sum(rate(boreas_publication_bytes_total{$s}[$__rate_interval]))`, "published"},
				{`sum(rate(boreas_delivered_bytes_total{$s}[$__rate_interval]))`, "delivered"},
			},
		},
		{
			title: "Requests to the API", unit: "reqps", stack: true, about: "Answered requests of backends by status. 4xx: a backend makes mistakes; `boreas explain` shows which. 5xx: see BoreasApiErrors in the runbook.",
			queries: []query{{`sum by (status) (rate(boreas_api_requests_total{$s,route!~"GET /(healthz|readyz|metrics)"}[$__rate_interval]))`, "{{status}}"}},
		},
		{
			title: "Busiest routes", unit: "reqps", about: "The five routes of the API with the most requests, without those of load balancers and of Prometheus.",
			queries: []query{{`topk(5, sum by (route) (rate(boreas_api_requests_total{$s,route!~"GET /(healthz|readyz|metrics)"}[$__rate_interval])))`, "{{route}}"}},
		},
		{
			title: "Repeated publishes", unit: "mps", about: "Messages that were not published again, because their idempotency key was already used. Many: publishers wait too briefly for replies, or connections to the API break.",
			queries: []query{{`sum by (instance) (rate(boreas_duplicates_total{$s}[$__rate_interval]))`, "{{instance}}"}},
		},
	}},
	{title: "Sessions", panels: []panel{
		{
			title: "Sessions by state", stack: true, about: "Anonymous sessions have no token yet. Closing ones have ended, but their connection is still open: many of them are clients that do not answer.",
			queries: []query{{`sum by (state) (boreas_sessions{$s})`, "{{state}}"}},
		},
		{
			title: "Sessions by server", about: "If the servers of a cluster differ much, the load balancer does not distribute new connections evenly.",
			queries: []query{{`sum by (instance) (boreas_sessions{$s})`, "{{instance}}"}},
		},
		{
			title: "Opened and ended", unit: "cps", about: "Opened and ended sessions per second. Both high: clients reconnect all the time; look at the reasons.",
			queries: []query{
				{`sum(rate(boreas_sessions_opened_total{$s}[$__rate_interval]))`, "opened"},
				{`sum(rate(boreas_sessions_ended_total{$s}[$__rate_interval]))`, "ended"},
			},
		},
		{
			title: "Why sessions end", unit: "cps", stack: true, about: "other: the client or the network closed the connection. For the other reasons, operations.md says what to do.",
			queries: []query{{`sum by (reason) (rate(boreas_sessions_ended_total{$s}[$__rate_interval])) > 0`, "{{reason}}"}},
		},
		{
			title: "Channels and subscriptions", about: "Channels with a subscriber, and joined channels of all sessions.",
			queries: []query{
				{`sum(boreas_channels{$s})`, "channels"},
				{`sum(boreas_subscriptions{$s})`, "subscriptions"},
				{`sum(boreas_identities{$s})`, "identities (tokens)"},
			},
		},
		{
			title: "Used places for sessions", unit: "percentunit", max: 1, steps: []step{{0.8, orange}, {0.95, red}},
			about:   "Sessions per reserved file descriptor. Near 1: raise LimitNOFILE or max_connections, or add a server.",
			queries: []query{{`sum by (instance) (boreas_sessions{$s}) / (sum by (instance) (boreas_file_descriptors{$s,for="sessions"}) > 0)`, "{{instance}}"}},
		},
	}},
	{title: "Latency: who is behind", panels: []panel{
		{
			title: "Blocked sessions", about: "Sessions whose socket accepts no more bytes: slow readers. If the number stays high, see BoreasSlowSubscribers in the runbook; `boreas top` lists the slowest.",
			queries: []query{{`boreas_sessions_blocked{$s}`, "{{instance}}"}},
		},
		{
			title: "Messages per write", about: "About 1 on a quiet server. It grows with the load: fewer writes per message are how the server keeps up.",
			queries: []query{
				{`sum by (instance) (rate(boreas_write_publications_sum{$s}[$__rate_interval])) / (sum by (instance) (rate(boreas_write_publications_count{$s}[$__rate_interval])) > 0)`, "mean, {{instance}}"},
				{`histogram_quantile(0.99, sum by (le) (rate(boreas_write_publications_bucket{$s}[$__rate_interval])))`, "p99"},
			},
		},
		{
			title: "Wait for the disk", unit: "s", steps: []step{{0.25, red}}, about: "Each publish waits for the disk. p99 above 0.25 s: see BoreasDiskSlow in the runbook.",
			queries: []query{
				{`histogram_quantile(0.5, sum by (le) (rate(boreas_history_sync_seconds_bucket{$s}[$__rate_interval])))`, "p50"},
				{`histogram_quantile(0.99, sum by (le, instance) (rate(boreas_history_sync_seconds_bucket{$s}[$__rate_interval])))`, "p99, {{instance}}"},
			},
		},
		{
			title: "Calls to the storage", about: "Calls under way to the engine on disk or to NATS. A number that only grows: the storage does not answer.",
			queries: []query{{`boreas_engine_calls{$s}`, "{{instance}}"}},
		},
		{
			title: "Failed calls to the storage", unit: "cps", about: "Calls that were not made (busy), had no result in time (timeout) or failed (panic). Above zero: see BoreasEngineFailures in the runbook.",
			queries: []query{{`sum by (reason) (rate(boreas_engine_failures_total{$s}[$__rate_interval]))`, "{{reason}}"}},
		},
		{
			title: "Requests that wait for memory", about: "Requests that wait for free bytes in peer_memory. Above zero for minutes: see BoreasPeerMemory in the runbook.",
			queries: []query{{`boreas_peer_requests_waiting{$s}`, "{{instance}}"}},
		},
	}},
	{title: "Gaps and refusals", panels: []panel{
		{
			title: "Gaps by reason", unit: "cps", stack: true, about: "expired: clients are away for longer than the history lasts. slow: they read too slowly. unknown_epoch: the history was lost or replaced. ahead: the server lost messages. purged: an operator purged a channel. conflated: a rule lets slow readers skip messages.",
			queries: []query{{`sum by (reason) (rate(boreas_gaps_total{$s}[$__rate_interval]))`, "{{reason}}"}},
		},
		{
			title: "Refused publishes by reason", unit: "cps", stack: true, about: "storage_full, storage_failed: look at the disk. cluster_unavailable: look at the cluster. too_many_keys: raise history_memory, or use fewer idempotency keys.",
			queries: []query{{`sum by (reason) (rate(boreas_publishes_refused_total{$s}[$__rate_interval]))`, "{{reason}}"}},
		},
		{
			title: "Refused sessions and joins", unit: "cps", about: "max_connections, or a limit of joined channels, was reached. `boreas explain` names the limit and the client.",
			queries: []query{
				{`sum(rate(boreas_sessions_refused_total{$s}[$__rate_interval]))`, "sessions"},
				{`sum(rate(boreas_joins_refused_total{$s}[$__rate_interval]))`, "joins"},
			},
		},
		{
			title: "Refused connections of subscribers", unit: "cps", stack: true, about: "rate: more clients connect than accept_rate allows. origin: a page is not in allow_origin. handshake: not a WebSocket. unauthenticated: no valid token.",
			queries: []query{
				{`sum by (reason) (rate(boreas_ws_refused_total{$s}[$__rate_interval])) > 0`, "WebSocket, {{reason}}"},
				{`sum by (reason) (rate(boreas_sse_refused_total{$s}[$__rate_interval])) > 0`, "events, {{reason}}"},
			},
		},
		{
			title: "Clients over their limits", unit: "cps", stack: true, about: "Refusals by the name of the option. The log names the client. If it is the address of your proxy, name it in trusted_proxies.",
			queries: []query{{`sum by (scope, limit) (rate(boreas_limited_total{$s}[$__rate_interval])) > 0`, "{{scope}}_{{limit}}"}},
		},
		{
			title: "Wrong input of clients", unit: "cps", stack: true, about: "Closed connections, errors, and input that the classic wire ignored. A client has a bug or is hostile: `boreas explain` and `boreas tail` show which.",
			queries: []query{
				{`sum by (reason) (rate(boreas_ws_closed_total{$s}[$__rate_interval])) > 0`, "closed, {{reason}}"},
				{`sum by (what) (rate(boreas_ws_rejected_total{$s}[$__rate_interval])) > 0`, "error, {{what}}"},
				{`sum by (what) (rate(boreas_ws_ignored_total{$s}[$__rate_interval])) > 0`, "ignored, {{what}}"},
			},
		},
		{
			title: "Refused connections by port", unit: "cps", about: "full: the port has reached its limit; raise LimitNOFILE or api_connections. address: one address has reached its share. evicted: idle connections that made room for new ones.",
			queries: []query{
				{`sum by (port, reason) (rate(boreas_connections_refused_total{$s}[$__rate_interval])) > 0`, "{{port}}, {{reason}}"},
				{`sum by (port) (rate(boreas_connections_evicted_total{$s}[$__rate_interval])) > 0`, "{{port}}, evicted"},
			},
		},
		{
			title: "Refused classic requests", unit: "cps", stack: true, about: "Refused requests for classic paths of the API. key: a backend has no valid key. host: a backend uses a wrong host name.",
			queries: []query{{`sum by (reason) (rate(boreas_api_refused_total{$s}[$__rate_interval])) > 0`, "{{reason}}"}},
		},
		{
			title: "Failed TLS handshakes", unit: "cps", about: "Port scanners cause many. A rise after the renewal of a certificate: clients do not trust it.",
			queries: []query{{`sum by (port) (rate(boreas_tls_handshakes_failed_total{$s}[$__rate_interval]))`, "{{port}}"}},
		},
	}},
	{title: "History and disk", panels: []panel{
		{
			title: "Kept messages", about: "Messages in the history, and idempotency keys that the server remembers.",
			queries: []query{
				{`sum by (instance) (boreas_history_publications{$s})`, "messages, {{instance}}"},
				{`sum by (instance) (boreas_history_keys{$s})`, "keys, {{instance}}"},
			},
		},
		{
			title: "Memory of the history", unit: "bytes", about: "At most history_memory. With messages on disk: the newest messages, and the index of all.",
			queries: []query{{`boreas_history_bytes{$s}`, "{{instance}}"}},
		},
		{
			title: "Dropped messages", unit: "mps", stack: true, about: "age and bounds: as configured. memory: history_memory is full. disk: history_disk is full or the disk is; see BoreasHistoryShortened in the runbook.",
			queries: []query{{`sum by (reason) (rate(boreas_history_evicted_total{$s}[$__rate_interval]))`, "{{reason}}"}},
		},
		{
			title: "Free space", unit: "bytes", about: "The space that is left for the server. At disk_free (by default 256 MiB) the server drops its oldest messages. See BoreasDiskAlmostFull in the runbook.",
			queries: []query{{`boreas_history_disk_free_bytes{$s}`, "{{instance}}"}},
		},
		{
			title: "Files with messages", unit: "bytes", about: "At most history_disk.",
			queries: []query{
				{`boreas_history_disk_bytes{$s}`, "{{instance}}"},
			},
		},
		{
			title: "Writes to the disk", unit: "Bps", about: "Bytes written to the files with messages. A busy server writes 2 to 4 times the payloads.",
			queries: []query{{`rate(boreas_history_written_bytes_total{$s}[$__rate_interval])`, "{{instance}}"}},
		},
		{
			title: "Messages per wait for the disk", about: "It grows with the load: messages that arrive at the same time share a wait.",
			queries: []query{{`rate(boreas_history_batch_messages_sum{$s}[$__rate_interval]) / (rate(boreas_history_batch_messages_count{$s}[$__rate_interval]) > 0)`, "{{instance}}"}},
		},
		{
			title: "Channels with history", about: "Channels that keep messages, and channels with subscribers that keep none.",
			queries: []query{
				{`sum by (instance) (boreas_history_channels{$s})`, "with messages, {{instance}}"},
				{`sum by (instance) (boreas_history_followed{$s})`, "without, {{instance}}"},
			},
		},
		{
			title: "Segments", about: "Files with messages. A number that grows while the bytes do not: report it.",
			queries: []query{{`boreas_history_segments{$s}`, "{{instance}}"}},
		},
	}},
	{title: "Cluster", panels: []panel{
		{
			title: "Live nodes, as each node sees them", about: "All lines are equal if all is well. Fewer than cluster_peers: see BoreasNodeMissing in the runbook. `boreas cluster status` shows which.",
			queries: []query{
				{`boreas_cluster_nodes{$s}`, "{{instance}}"},
				{`max(boreas_cluster_peers{$s}) > 0`, "cluster_peers"},
			},
		},
		{
			title: "Silence of the majority", unit: "s", steps: []step{{10, red}}, about: "Seconds since a node has last reached a majority; about 1 if all is well. After 10 the node is not ready, after 15 it sends its clients away. See BoreasNodeCutOff in the runbook.",
			queries: []query{{`boreas_cluster_silence_seconds{$s}`, "{{instance}}"}},
		},
		{
			title: "Nodes that send their clients away", steps: []step{{1, red}}, about: "1: the node is cut off from the majority. See BoreasNodeCutOff in the runbook.",
			queries: []query{{`boreas_cluster_isolated{$s}`, "{{instance}}"}},
		},
		{
			title: "Messages behind", steps: []step{{10000, red}}, about: "Messages that the cluster has and the node does not have yet. If it grows: the node or its network is too slow. See BoreasNodeBehind in the runbook.",
			queries: []query{{`boreas_cluster_behind_messages{$s}`, "{{instance}}"}},
		},
		{
			title: "Repeated and late publishes", unit: "cps", about: "retries: an election, or a slow node. late: acknowledged before this node had received the message. filled: fetched because the server that should send it was silent.",
			queries: []query{
				{`sum(rate(boreas_cluster_publish_retries_total{$s}[$__rate_interval]))`, "retries"},
				{`sum(rate(boreas_cluster_late_total{$s}[$__rate_interval]))`, "late"},
				{`sum(rate(boreas_cluster_filled_total{$s}[$__rate_interval]))`, "filled"},
			},
		},
		{
			title: "Reads outside of memory, and resets", unit: "cps", about: "Cold reads: history that is not in the memory of the node; many: raise history_memory. Resets: all clients got a gap; see BoreasClusterReset in the runbook.",
			queries: []query{
				{`sum(rate(boreas_cluster_cold_reads_total{$s}[$__rate_interval]))`, "cold reads"},
				{`sum(rate(boreas_cluster_resets_total{$s}[$__rate_interval]))`, "resets"},
			},
		},
	}},
	{title: "Process", panels: []panel{
		{
			title: "CPU", unit: "none", about: "Used cores. The line of GOMAXPROCS is the limit. Near it for minutes: add a core or a server.",
			queries: []query{
				{`rate(process_cpu_seconds_total{$s}[$__rate_interval])`, "{{instance}}"},
				{`max(go_sched_gomaxprocs_threads{$s})`, "GOMAXPROCS"},
			},
		},
		{
			title: "Memory", unit: "bytes", about: "Memory of the process, and of Go's heap. Set GOMEMLIMIT to about 90% of the memory that the process may use. See BoreasMemoryNearLimit in the runbook.",
			queries: []query{
				{`process_resident_memory_bytes{$s}`, "process, {{instance}}"},
				{`go_memstats_heap_inuse_bytes{$s}`, "heap, {{instance}}"},
				{`go_gc_gomemlimit_bytes{$s} < 1e15`, "GOMEMLIMIT, {{instance}}"},
			},
		},
		{
			title: "Memory for clients", unit: "bytes", stack: true, about: "Bytes that are held for clients, of peer_memory, and bytes of joined channels, of channel_memory. See docs/limits.md.",
			queries: []query{
				{`sum by (kind) (boreas_peer_bytes{$s})`, "{{kind}}"},
				{`sum(boreas_channel_bytes{$s})`, "joined channels"},
			},
		},
		{
			title: "Used share of peer_memory", unit: "percentunit", max: 1, steps: []step{{0.8, orange}}, about: "Near 1: clients do not read, or peer_memory is too small. See BoreasPeerMemory in the runbook.",
			queries: []query{{`sum by (instance) (boreas_peer_bytes{$s}) / sum by (instance) (boreas_peer_bytes_limit{$s})`, "{{instance}}"}},
		},
		{
			title: "Refusals for lack of peer_memory", unit: "cps", stack: true, about: "all: clients together have used up peer_memory. Others: one session, address or user has used up its share.",
			queries: []query{{`sum by (scope) (rate(boreas_peer_refused_total{$s}[$__rate_interval]))`, "{{scope}}"}},
		},
		{
			title: "File descriptors", about: "Open descriptors and the limit of the process. Near the limit: raise LimitNOFILE. Connections that are not sessions are requests to the API and handshakes.",
			queries: []query{
				{`process_open_fds{$s}`, "open, {{instance}}"},
				{`max(process_max_fds{$s})`, "limit"},
				{`sum by (port) (boreas_connections{$s})`, "not sessions, {{port}}"},
			},
		},
		{
			title: "Goroutines", about: "A number that grows while sessions and requests do not: report it.",
			queries: []query{{`go_goroutines{$s}`, "{{instance}}"}},
		},
		{
			title: "Panics and lost log lines", about: "Each panic ended only one request or session: please report it, with the stack from the log. Lost log lines: the reader of the log is too slow.",
			queries: []query{
				{`sum by (where) (increase(boreas_panics_total{$s}[$__rate_interval]))`, "panics, {{where}}"},
				{`sum(increase(boreas_log_lines_dropped_total{$s}[$__rate_interval]))`, "log lines"},
			},
		},
		{
			title: "Tokens, keys and revocations", about: "Stored tokens, keys of the API, and revocations. A number of tokens that only grows: give tokens an expiry.",
			queries: []query{
				{`max(boreas_tokens{$s})`, "tokens"},
				{`max(boreas_keys{$s})`, "keys"},
				{`max(boreas_revocations{$s})`, "revocations"},
			},
		},
	}},
}
