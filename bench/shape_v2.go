package main

// v2Shapes returns the shapes of protocol 2. Three of them compare a server with itself.
func v2Shapes() []shape {
	return []shape{
		{
			name:       "v2",
			title:      "1,000 subscribers on one channel, protocol 2",
			contenders: []string{"boreas", "boreas-v2"},
			subject:    "boreas-v2",
			plan:       plan{subscribers: 1000, channels: 1, publishers: publishers},
			rows: []row{
				{label: "deliveries", metric: "deliveries_per_s", unit: "/s", reference: "boreas", bar: bar{0.9, true, true}},
				{label: "p99 latency", metric: "p99_ms", unit: "ms", reference: "boreas"},
				{label: "server CPU per delivery", metric: "server_us_per_delivery", unit: "us", reference: "boreas"},
			},
		},
		{
			name:       "resume",
			title:      "15,000 sessions resume at once, 100 missed messages each",
			contenders: []string{"boreas-v2", "floor"},
			subject:    "boreas-v2",
			plan:       plan{subscribers: 15000, channels: 1, publishers: 1, missed: 100, sizeOf: "boreas-v2"},
			rows: []row{
				{label: "until all messages are received", metric: "resume_ms", unit: "ms", reference: "floor", bar: bar{2, false, true}},
				{label: "compared with one send per session", metric: "resume_once_ms", unit: "ms", reference: "floor", bar: bar{2, false, true}},
				{label: "including connecting", metric: "return_ms", unit: "ms", reference: "floor"},
				{label: "server CPU per session", metric: "resume_cpu_us", unit: "us", reference: "floor"},
			},
		},
		{
			name:       "idle2",
			title:      "15,000 idle subscribers, protocol 2",
			contenders: []string{"boreas", "boreas-v2"},
			subject:    "boreas-v2",
			plan:       plan{subscribers: 15000, channels: 1000, publishers: 1, idle: true, settleMS: 2000},
			rows: []row{
				{label: "memory per subscriber", metric: "rss_each_kib", unit: "KiB", reference: "boreas", bar: bar{limit: 5}},
				{label: "CPU per connection", metric: "connect_cpu_us", unit: "us", reference: "boreas"},
			},
		},
		{
			name:       "sse",
			title:      "5,000 subscribers on one channel, server-sent events",
			contenders: []string{"boreas-v2", "boreas-sse"},
			subject:    "boreas-sse",
			plan:       plan{subscribers: 5000, channels: 1, publishers: publishers},
			rows: []row{
				{label: "deliveries", metric: "deliveries_per_s", unit: "/s", reference: "boreas-v2", bar: bar{0.75, true, true}},
				{label: "p99 latency", metric: "p99_ms", unit: "ms", reference: "boreas-v2"},
				{label: "server CPU per delivery", metric: "server_us_per_delivery", unit: "us", reference: "boreas-v2"},
			},
		},
		{
			name:       "history",
			title:      "history of 100,000 channels, 10 messages each",
			contenders: []string{"boreas"},
			plan:       plan{channels: 100_000, kept: 10, settings: []string{"--history_memory=1GiB"}},
			rows: []row{
				{label: "memory per message", metric: "bytes_each", unit: "B", bar: bar{limit: 300}},
				{label: "publishes, in batches", metric: "publishes_per_s", unit: "/s"},
			},
		},
	}
}
