package main

import (
	"context"
	"os"
)

// deflateShapes returns the shapes of compressed messages. They compare the server with itself: the
// same subscribers, without and with permessage-deflate.
func deflateShapes() []shape {
	both := []string{"boreas-v2", "boreas-deflate"}
	real := func(name, kind string) shape {
		return shape{
			name:       name,
			title:      "1,000 subscribers on one channel, " + kind + ", compressed",
			contenders: both,
			subject:    "boreas-deflate",
			plan:       plan{subscribers: 1000, channels: 1, publishers: publishers, real: kind, payload: 300},
			rows: []row{
				{label: "bytes per delivery", metric: "bytes_per_delivery", unit: "B", reference: "boreas-v2", bar: bar{0.5, false, true}},
				{label: "deliveries", metric: "deliveries_per_s", unit: "/s", reference: "boreas-v2", bar: bar{0.7, true, true}},
				{label: "p99 latency", metric: "p99_ms", unit: "ms", reference: "boreas-v2"},
				{label: "server CPU per delivery", metric: "server_us_per_delivery", unit: "us", reference: "boreas-v2"},
			},
		}
	}
	return []shape{
		real("deflate", "orders"),
		real("deflatechat", "chat"),
		{
			name:       "idledeflate",
			title:      "15,000 idle subscribers, compressed",
			contenders: both,
			subject:    "boreas-deflate",
			plan:       plan{subscribers: 15000, channels: 1000, publishers: 1, idle: true, settleMS: 2000},
			rows: []row{
				{label: "memory per subscriber", metric: "rss_each_kib", unit: "KiB", reference: "boreas-v2", bar: bar{limit: 5}},
				{label: "CPU per connection", metric: "connect_cpu_us", unit: "us", reference: "boreas-v2"},
			},
		},
	}
}

// hasZlib reports whether the load generator can decompress.
func hasZlib(ctx context.Context) bool {
	return tool(ctx, "cc", "-E", "-include", "zlib.h", "-x", "c", os.DevNull) == nil
}

// zlibFlags returns the compiler's arguments for the load generator's decompression, if zlib is there.
func zlibFlags(ctx context.Context) []string {
	if hasZlib(ctx) {
		return []string{"-DWITH_ZLIB", "-lz"}
	}
	return nil
}

func buildWithZlib(ctx context.Context, w *workshop) (string, error) {
	if !hasZlib(ctx) {
		return "", errMissing{"the load generator cannot decompress without zlib; on Debian: apt-get install zlib1g-dev"}
	}
	return buildBoreas(ctx, w)
}
