package main

import (
	"slices"
	"strconv"
)

// A shape is one kind of load, with the figures to measure.
type shape struct {
	name  string
	title string
	// contenders are the names of the contenders that take part; nil means classic.
	contenders []string
	subject    string // the contender that must reach the bars; "" means boreas
	plan       plan
	rows       []row
}

var classic = []string{subject, "floor", "nchan", "centrifuge"}

// has reports whether a contender takes part.
func (s shape) has(contender string) bool {
	if s.contenders == nil {
		return slices.Contains(classic, contender)
	}
	return slices.Contains(s.contenders, contender)
}

func (s shape) subjectName() string {
	if s.subject == "" {
		return subject
	}
	return s.subject
}

// A plan contains the load generator's parameters. Zero values mean its defaults.
type plan struct {
	subscribers int
	channels    int
	joins       int
	publishers  int

	idle     bool // only connect, settle and join
	settleMS int  // quiet time before the server's memory is measured

	// A fixed rate, in publishes per second, with and without stalled subscribers.
	rate    int
	stalled int
	fill    int // bytes to send on every connection first, so that stalled subscribers block

	paced int // single publishes, by one contender after the other, instead of a flood

	payload int // bytes of a message's JSON; 0 means the load generator's default

	real string // messages as applications publish them: "orders" or "chat"

	missed int    // all subscribers reconnect at once, and each has missed this many messages
	sizeOf string // messages have the wire size of this contender, which runs earlier

	revoke int // sessions per user; one user after the other is revoked

	kept     int // messages per channel: only fill the history
	settings []string

	own bool // `boreas bench` is the load generator

	answers  bool // only publish over HTTP; the latency is that of the answer
	lose     bool // with restart: one node of a cluster is killed, and not started again
	anyCPU   bool // the servers and the load generator may use all cores
	restart  bool // with missed: a server that keeps messages restarts before all reconnect
	replayed int  // messages of one channel that a store reads back
	reopened int  // messages of many channels in a directory that is opened again
}

// A row is one figure of a shape. Its value is the median of a metric, or the quotient of two
// medians.
type row struct {
	label  string
	metric string
	over   string
	unit   string // "/s" (with k and M), "ms", "us", "KiB", "B", "x"
	// reference is the contender that ratios compare with; "" means no ratio.
	reference string
	bar       bar
}

// A bar is a limit that Boreas must reach.
type bar struct {
	limit   float64
	atLeast bool // the limit is a minimum; otherwise it is a maximum
	ofRatio bool // the limit applies to the ratio to the row's reference, not to the value
}

func (b bar) met(v float64) bool {
	if b.atLeast {
		return v >= b.limit
	}
	return v <= b.limit
}

func (b bar) String() string {
	if b == (bar{}) {
		return ""
	}
	sign := "<= "
	if b.atLeast {
		sign = ">= "
	}
	text := sign + strconv.FormatFloat(b.limit, 'g', -1, 64)
	if b.ofRatio {
		text += "x"
	}
	return text
}

const publishers = 32

func shapes() []shape {
	return append([]shape{
		{
			name:  "fanout",
			title: "1,000 subscribers on one channel",
			plan:  plan{subscribers: 1000, channels: 1, publishers: publishers},
			rows: []row{
				{label: "deliveries", metric: "deliveries_per_s", unit: "/s", reference: "floor", bar: bar{20, true, true}},
				{label: "p50 latency", metric: "p50_ms", unit: "ms", reference: "floor"},
				{label: "p99 latency", metric: "p99_ms", unit: "ms", reference: "floor", bar: bar{limit: 30}},
				{label: "server CPU per delivery", metric: "server_us_per_delivery", unit: "us", reference: "floor"},
			},
		},
		{
			name:  "rooms",
			title: "10,000 subscribers in 1,000 rooms of 10",
			plan:  plan{subscribers: 10000, channels: 1000, publishers: publishers},
			rows: []row{
				{label: "deliveries", metric: "deliveries_per_s", unit: "/s", reference: "nchan", bar: bar{1.1, true, true}},
				{label: "p99 latency", metric: "p99_ms", unit: "ms", reference: "nchan", bar: bar{1.5, false, true}},
			},
		},
		{
			name:  "many",
			title: "2,000 subscribers, each on 20 of 200 channels",
			plan:  plan{subscribers: 2000, channels: 200, joins: 20, publishers: publishers},
			rows: []row{
				{label: "deliveries", metric: "deliveries_per_s", unit: "/s", reference: "centrifuge", bar: bar{4, true, true}},
				{label: "p99 latency", metric: "p99_ms", unit: "ms", reference: "centrifuge"},
			},
		},
		{
			name:  "idle",
			title: "15,000 idle subscribers",
			plan:  plan{subscribers: 15000, channels: 1000, publishers: 1, idle: true, settleMS: 2000},
			rows: []row{
				{label: "memory per subscriber", metric: "rss_each_kib", unit: "KiB", reference: "nchan", bar: bar{limit: 5}},
				{label: "CPU per connection", metric: "connect_cpu_us", unit: "us", reference: "nchan", bar: bar{limit: 60}},
			},
		},
		{
			name:  "stalled",
			title: "1,000 subscribers, 100 publishes/s; 1% of them stop reading",
			plan:  plan{subscribers: 1000, channels: 1, publishers: publishers, rate: 100, stalled: 10, fill: 4 << 20},
			rows: []row{
				{label: "p99, none stalled", metric: "p99_ms", unit: "ms", reference: "floor"},
				{label: "p99 of the others", metric: "stalled_p99_ms", unit: "ms", reference: "floor"},
				{label: "ratio of the second to the first", metric: "stalled_p99_ms", over: "p99_ms", unit: "x", bar: bar{limit: 1.2}},
			},
		},
		{
			name:  "quiet",
			title: "one publish to 10,000 quiet subscribers",
			plan:  plan{subscribers: 10000, channels: 1, publishers: 1, paced: 100},
			rows: []row{
				{label: "until the last has received it", metric: "last_ms", unit: "ms", reference: "floor", bar: bar{1.2, false, true}},
				{label: "until the publisher has its reply", metric: "answer_ms", unit: "ms", reference: "floor"},
			},
		},
	}, slices.Concat(v2Shapes(), deflateShapes(), authShapes(), tlsShapes(), storeShapes(), durableShapes(), clusterShapes())...)
}

func shapeNames() []string {
	var names []string
	for _, s := range shapes() {
		names = append(names, s.name)
	}
	return names
}
