package main

// storeShapes returns the shapes of the engine that keeps messages on disk, without a server around
// it. They compare it with Pebble, which many databases use as their store, and with a bare write
// that waits for the disk.
func storeShapes() []shape {
	const ours, sorted, pebble, bare, memory = "engine-disk", "engine-sorted", "pebble", "fdatasync", "engine-memory"
	flood := func(publishers int, name, title string, contenders []string, rows ...row) shape {
		return shape{name: name, title: title, contenders: contenders, subject: ours, plan: plan{publishers: publishers}, rows: rows}
	}
	device := func(b bar) row {
		return row{label: "bytes to the device per byte of payload", metric: "device_per_payload", unit: "x", reference: pebble, bar: b}
	}
	cpu := row{label: "CPU per message", metric: "cpu_us_each", unit: "us", reference: pebble}
	return []shape{
		flood(
			1, "store1", "1 publisher, 200 B, on disk before the answer", []string{ours, pebble, bare},
			row{label: "p50 latency", metric: "p50_us", unit: "us", reference: bare, bar: bar{1.5, false, true}},
			row{label: "p99 latency", metric: "p99_us", unit: "us", reference: bare},
			row{label: "publishes", metric: "publishes_per_s", unit: "/s", reference: pebble},
			device(bar{}),
		),
		flood(
			32, "store32", "32 publishers, 1,000 channels, 200 B, on disk before the answer", []string{ours, pebble, memory},
			row{label: "publishes", metric: "publishes_per_s", unit: "/s", reference: pebble, bar: bar{limit: 80_000, atLeast: true}},
			row{label: "p50 latency", metric: "p50_us", unit: "us", reference: pebble},
			row{label: "p99 latency", metric: "p99_us", unit: "us", reference: pebble},
			device(bar{limit: 4.5}), cpu,
		),
		flood(
			256, "store256", "256 publishers, 1,000 channels, 200 B, on disk before the answer", []string{ours, pebble, memory},
			row{label: "publishes", metric: "publishes_per_s", unit: "/s", reference: pebble, bar: bar{2, true, true}},
			row{label: "p50 latency", metric: "p50_us", unit: "us", reference: pebble},
			row{label: "p99 latency", metric: "p99_us", unit: "us", reference: pebble},
			device(bar{limit: 2.5}), cpu,
		),
		{
			name: "sort256", title: "256 publishers, 200 B, until all messages are sorted",
			contenders: []string{sorted}, subject: sorted, plan: plan{publishers: 256},
			rows: []row{
				{label: "bytes written per byte of payload", metric: "written_per_payload", unit: "x", bar: bar{limit: 4}},
				{label: "CPU per message", metric: "cpu_us_each", unit: "us"},
			},
		},
		{
			name: "reopen", title: "10,000,000 messages of 64 B on 100,000 channels, opened again",
			contenders: []string{ours}, subject: ours, plan: plan{reopened: 10_000_000},
			rows: []row{
				{label: "open, sorted, with hints", metric: "open_ms", unit: "ms", bar: bar{limit: 3000}},
				{label: "CPU of that", metric: "open_cpu_ms", unit: "ms"},
				{label: "open, not sorted", metric: "unsorted_open_ms", unit: "ms"},
				{label: "peak of RSS over RSS after", metric: "peak_per_rss", unit: "x", bar: bar{limit: 2.5}},
				{label: "heap per message, less 300 B per channel", metric: "heap_each", unit: "B", bar: bar{limit: 12}},
				{label: "100 newest of a channel, cold, p50", metric: "cold_p50_us", unit: "us", bar: bar{limit: 2000}},
				{label: "100 newest of a channel, warm, p50", metric: "warm_p50_us", unit: "us", bar: bar{limit: 150}},
			},
		},
		{
			name: "replay", title: "1,000,000 messages of one channel, none in the engine's memory",
			contenders: []string{ours}, subject: ours, plan: plan{replayed: 1_000_000},
			rows: []row{
				{label: "messages read", metric: "replayed_per_s", unit: "/s", bar: bar{limit: 1.2e6, atLeast: true}},
				{label: "CPU per message", metric: "cpu_us_each", unit: "us"},
			},
		},
	}
}
