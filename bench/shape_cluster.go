package main

import "strconv"

// clusterShapes returns the shapes of several nodes. All nodes are on this machine.
func clusterShapes() []shape {
	const one, cluster, relaxed, redis = "boreas-v2", "boreas-cluster", "boreas-relaxed", "centrifuge-redis"
	post := func(name, subject string, publishers int, minimum float64) shape {
		return shape{
			name: name, title: strconv.Itoa(publishers) + " publishers on three nodes",
			contenders: []string{subject}, subject: subject,
			plan: plan{channels: 1000, publishers: publishers, answers: true, payload: 200, anyCPU: true},
			rows: []row{
				{label: "acknowledged publishes", metric: "publishes_per_s", unit: "/s", bar: bar{minimum, true, false}},
				{label: "p50 until the answer", metric: "p50_ms", unit: "ms"},
				{label: "p99 until the answer", metric: "p99_ms", unit: "ms"},
				{label: "CPU of all nodes per publish", metric: "server_us_per_publish", unit: "us", bar: bar{limit: 100}},
			},
		}
	}
	return []shape{
		{
			name: "cluster1", title: "one publisher, a subscriber on another node",
			contenders: []string{one, cluster, relaxed, redis}, subject: cluster,
			plan: plan{subscribers: 1, channels: 1, publishers: 1, payload: 200, anyCPU: true},
			rows: []row{
				{label: "p50 from publish to delivery", metric: "p50_ms", unit: "ms", bar: bar{limit: 1}},
				{label: "p99", metric: "p99_ms", unit: "ms", bar: bar{limit: 5}},
				{label: "publishes", metric: "publishes_per_s", unit: "/s"},
			},
		},
		post("clusterpost32", relaxed, 32, 7000), post("clusterpost256", relaxed, 256, 10_000),
		post("clustersync256", cluster, 256, 5000),
		{
			name: "clusterhot", title: "1,000 subscribers of one channel on three nodes",
			contenders: []string{one, cluster, relaxed, redis}, subject: cluster,
			plan: plan{subscribers: 1000, channels: 1, publishers: publishers},
			rows: []row{
				{label: "deliveries", metric: "deliveries_per_s", unit: "/s", reference: one, bar: bar{0.9, true, true}},
				{label: "p99 latency", metric: "p99_ms", unit: "ms", reference: one},
				{label: "CPU of all nodes per delivery", metric: "server_us_per_delivery", unit: "us", reference: one},
			},
		},
		{
			name: "clusterhot15", title: "15,000 subscribers of one channel on three nodes",
			contenders: []string{one, cluster, relaxed, redis}, subject: cluster,
			plan: plan{subscribers: 15000, channels: 1, publishers: publishers},
			rows: []row{
				{label: "deliveries", metric: "deliveries_per_s", unit: "/s", reference: one, bar: bar{0.9, true, true}},
				{label: "p99 latency", metric: "p99_ms", unit: "ms", reference: one},
			},
		},
		{
			name: "clusterdeath", title: "15,000 sessions on three nodes, of which one dies, resume 100 missed messages each",
			contenders: []string{cluster}, subject: cluster,
			plan: plan{subscribers: 15000, channels: 1, publishers: 1, missed: 100, restart: true, lose: true},
			rows: []row{
				{label: "until all messages are received", metric: "resume_ms", unit: "ms"},
				{label: "including connecting", metric: "return_ms", unit: "ms", bar: bar{limit: 3000}},
				{label: "CPU of both nodes per session", metric: "resume_cpu_us", unit: "us"},
			},
		},
		{
			name: "clusterrevoke", title: "a user with 1,000 of 15,000 sessions on three nodes is revoked",
			contenders: []string{cluster}, subject: cluster,
			plan: plan{subscribers: 15000, revoke: 1000, settings: []string{"--ws_ping_interval=0", "--user_connections=0"}},
			rows: []row{
				{label: "until a session is closed, p99", metric: "end_p99_ms", unit: "ms", bar: bar{limit: 50}},
				{label: "until the last is closed", metric: "last_ms", unit: "ms"},
				{label: "until the response", metric: "answer_ms", unit: "ms"},
				{label: "until a stopped node is named", metric: "silent_ms", unit: "ms", bar: bar{limit: 1100}},
			},
		},
		{
			name: "clusterchannels", title: "1,000,000 channels with a message each, history_memory of 32 MiB",
			contenders: []string{relaxed}, subject: relaxed,
			plan: plan{channels: 1_000_000, kept: 1, anyCPU: true, settings: []string{"--history_memory=32MiB"}},
			rows: []row{
				{label: "memory of the largest node", metric: "rss_mib", unit: "MiB", bar: bar{limit: 350}},
				{label: "the same without messages", metric: "rss_idle_mib", unit: "MiB"},
				{label: "memory of a node after a restart", metric: "rss_restarted_mib", unit: "MiB"},
				{label: "until a restarted node is ready", metric: "ready_ms", unit: "ms", bar: bar{limit: 3000}},
				{label: "publishes, in batches", metric: "publishes_per_s", unit: "/s"},
				{label: "messages that the node holds in memory", metric: "in_memory", unit: "messages"},
			},
		},
	}
}
