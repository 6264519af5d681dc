package main

// authShapes returns the shapes about access: the costs of authentication, rules and revocation.
// They compare a server with itself.
func authShapes() []shape {
	const v2, open, opaque, hs256, es256 = "boreas-v2", "boreas-open", "boreas-opaque", "boreas-hs256", "boreas-es256"
	return []shape{
		{
			name:       "admit",
			title:      "15,000 subscribers, each with a token of its own",
			contenders: []string{open, opaque, hs256, es256},
			subject:    opaque,
			plan:       plan{subscribers: 15000, channels: 1000, publishers: 1, idle: true, settleMS: 2000},
			rows: []row{
				{label: "CPU per connection", metric: "connect_cpu_us", unit: "us", reference: open},
				{label: "memory per subscriber", metric: "rss_each_kib", unit: "KiB", reference: open},
			},
		},
		{
			name:       "rules",
			title:      "1,000 subscribers on one channel, 1,000 users with rules",
			contenders: []string{v2, opaque},
			subject:    opaque,
			plan:       plan{subscribers: 1000, channels: 1, publishers: publishers},
			rows: []row{
				{label: "deliveries", metric: "deliveries_per_s", unit: "/s", reference: v2, bar: bar{0.95, true, true}},
				{label: "p99 latency", metric: "p99_ms", unit: "ms", reference: v2},
				{label: "server CPU per delivery", metric: "server_us_per_delivery", unit: "us", reference: v2},
			},
		},
		{
			name:       "revoke",
			title:      "a user with 1,000 of 15,000 sessions is revoked",
			contenders: []string{opaque},
			subject:    opaque,
			plan:       plan{subscribers: 15000, revoke: 1000, settings: []string{"--ws_ping_interval=0", "--user_connections=0"}},
			rows: []row{
				{label: "until the response, median", metric: "answer_ms", unit: "ms"},
				{label: "until the last is closed, median", metric: "last_ms", unit: "ms", bar: bar{limit: 50}},
				{label: "the same, slowest", metric: "last_max_ms", unit: "ms"},
			},
		},
	}
}
