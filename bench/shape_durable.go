package main

import "strconv"

// durableShapes returns the shapes of a server that keeps messages on disk. They compare it with the
// same server without a directory.
func durableShapes() []shape {
	const memory, disk, transient = "boreas-v2", "boreas-disk", "boreas-transient"
	post := func(publishers int, who string, minimum float64) shape {
		s := shape{
			name: "post" + strconv.Itoa(publishers), title: who + " over HTTP, 1,000 channels",
			contenders: []string{memory, disk}, subject: disk,
			plan: plan{channels: 1000, publishers: publishers, answers: true, payload: 200},
			rows: []row{
				{label: "publishes", metric: "publishes_per_s", unit: "/s", reference: memory},
				{label: "p50 until the answer", metric: "p50_ms", unit: "ms", reference: memory},
				{label: "p99 until the answer", metric: "p99_ms", unit: "ms", reference: memory},
				{label: "server CPU per publish", metric: "server_us_per_publish", unit: "us", reference: memory},
			},
		}
		if minimum > 0 {
			s.rows[0].bar = bar{minimum, true, true}
		}
		return s
	}
	// 3% is what the figures vary from run to run.
	const asBefore, noMore = 0.97, 1.03
	return []shape{
		post(1, "1 publisher", 0), post(32, "32 publishers", 0.45), post(256, "256 publishers", 0.6),
		{
			name:       "restart",
			title:      "15,000 sessions resume after a restart, 100 missed messages each",
			contenders: []string{memory, disk},
			subject:    disk,
			plan:       plan{subscribers: 15000, channels: 1, publishers: 1, missed: 100, restart: true},
			rows: []row{
				{label: "until all messages are received", metric: "resume_ms", unit: "ms", reference: memory, bar: bar{2, false, true}},
				{label: "server CPU per session", metric: "resume_cpu_us", unit: "us", reference: memory},
			},
		},
		{
			name:       "transient",
			title:      "1,000 subscribers on one channel that is not on disk",
			contenders: []string{memory, transient},
			subject:    transient,
			plan:       plan{subscribers: 1000, channels: 1, publishers: publishers},
			rows: []row{
				{label: "deliveries", metric: "deliveries_per_s", unit: "/s", reference: memory, bar: bar{asBefore, true, true}},
				{label: "p99 latency", metric: "p99_ms", unit: "ms", reference: memory},
			},
		},
		{
			name:       "transientrooms",
			title:      "10,000 subscribers in 1,000 rooms of 10 that are not on disk",
			contenders: []string{memory, transient},
			subject:    transient,
			plan:       plan{subscribers: 10000, channels: 1000, publishers: publishers},
			rows: []row{
				{label: "deliveries", metric: "deliveries_per_s", unit: "/s", reference: memory, bar: bar{asBefore, true, true}},
				{label: "p99 latency", metric: "p99_ms", unit: "ms", reference: memory},
			},
		},
		{
			name:       "transientidle",
			title:      "15,000 idle subscribers of channels that are not on disk",
			contenders: []string{memory, transient},
			subject:    transient,
			plan:       plan{subscribers: 15000, channels: 1000, publishers: 1, idle: true, settleMS: 2000},
			rows: []row{
				{label: "memory per subscriber", metric: "rss_each_kib", unit: "KiB", reference: memory, bar: bar{noMore, false, true}},
			},
		},
	}
}
