package load

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"
)

// A Report is the result of a run. Times are in milliseconds.
type Report struct {
	Interrupted bool `json:"interrupted"` // the run was ended early

	Subscribers int     `json:"subscribers"`
	Slow        int     `json:"slow_subscribers"`
	Channels    int     `json:"channels"`
	Joins       int     `json:"joins"`
	Publishers  int     `json:"publishers"`
	Size        int     `json:"size"`
	Seconds     float64 `json:"seconds"` // how long messages were published

	Published     uint64  `json:"published"` // accepted by the server with 200
	PublishRate   float64 `json:"published_per_second"`
	PublishFailed uint64  `json:"publish_failures"`
	Deliveries    uint64  `json:"deliveries"`
	DeliveryRate  float64 `json:"deliveries_per_second"` // from the first publish to the last delivery

	Latency  Percentiles `json:"latency_ms"` // from when a message was due to its delivery
	Answers  Percentiles `json:"answer_ms"`  // to the publishers' requests
	Connects Percentiles `json:"connect_ms"` // from the connection attempt to the completed joins
	// ConnectSeconds is how long all connection attempts together took.
	ConnectSeconds float64 `json:"connect_seconds"`

	Lost         uint64         `json:"lost"` // for subscribers that stayed connected
	Repeated     uint64         `json:"repeated"`
	OutOfOrder   uint64         `json:"out_of_order"`
	Stray        uint64         `json:"stray"`      // on channels that were not joined
	Unreadable   uint64         `json:"unreadable"` // without a mark of this run
	Disconnected int            `json:"disconnected"`
	Missed       uint64         `json:"missed_by_disconnected"`
	Reasons      map[string]int `json:"disconnect_reasons"`

	// Cores is the average number of processors that the tool itself kept busy while it published.
	// Processors is the number that it could use. Cores is 0 if it is unknown on this system.
	Cores      float64  `json:"cores_used"`
	Processors int      `json:"processors"`
	Warnings   []string `json:"warnings"`
}

// Percentiles of times, in milliseconds.
type Percentiles struct {
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99.9"`
	Max  float64 `json:"max"`
}

func percentiles(h *histogram) Percentiles {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	return Percentiles{
		P50: ms(h.percentile(0.5)), P90: ms(h.percentile(0.9)), P99: ms(h.percentile(0.99)),
		P999: ms(h.percentile(0.999)), Max: ms(h.max),
	}
}

// Broken reports whether the server broke its promise to a subscriber that stayed connected: to
// deliver each message of the joined channels once and in order.
func (r *Report) Broken() bool {
	return r.Lost+r.Repeated+r.OutOfOrder+r.Stray > 0
}

const (
	maxReasons = 10   // the number of different reasons that are listed
	nearlyFull = 0.85 // the share of the processors above which they count as the limit
	nearlyRate = 0.95 // the share of the requested rate that counts as reached
)

// report computes the figures. All goroutines must have ended.
func (r *run) report(ctx context.Context) *Report {
	o := r.o
	out := &Report{
		Interrupted: ctx.Err() != nil,
		Subscribers: o.Subscribers, Slow: o.Slow, Channels: o.Channels, Joins: o.Joins, Publishers: o.Publishers, Size: o.Size,
		Seconds: r.publishTime.Seconds(), Connects: percentiles(&r.connects), ConnectSeconds: r.connectTime.Seconds(),
		Reasons: map[string]int{}, Processors: runtime.GOMAXPROCS(0), Warnings: []string{},
		Cores: r.cpu.Seconds() / r.publishTime.Seconds(), Published: r.answered.Load(), Deliveries: r.deliveries(),
	}
	out.PublishRate = float64(out.Published) / out.Seconds

	var latency, answers histogram
	var last time.Duration
	for _, s := range r.shards {
		latency.merge(&s.latency)
		last = max(last, s.lastAt)
	}
	if last > 0 {
		out.DeliveryRate = float64(out.Deliveries) / last.Seconds()
	}
	var taken [][]uint32
	var failure error
	for _, p := range r.publishers {
		answers.merge(&p.answers)
		taken = append(taken, p.taken)
		out.PublishFailed += p.failed
		if failure == nil {
			failure = p.failure
		}
	}
	out.Latency, out.Answers = percentiles(&latency), percentiles(&answers)
	r.audit(out, taken)
	out.warn(o, failure)
	return out
}

// audit adds up the differences between due and received messages of all subscribers.
func (r *run) audit(out *Report, taken [][]uint32) {
	var all tally
	for _, s := range r.readers {
		all.add(s.ledger.tally)
		lost := s.ledger.lost(taken)
		if s.ended == nil {
			out.Lost += lost
			continue
		}
		out.Disconnected++
		out.Missed += lost
		reason := s.ended.Error()
		if _, known := out.Reasons[reason]; !known && len(out.Reasons) >= maxReasons {
			reason = "other"
		}
		out.Reasons[reason]++
	}
	out.Repeated, out.OutOfOrder, out.Stray, out.Unreadable = all.repeated, all.outOfOrder, all.stray, all.unreadable
}

// warn adds warnings about conditions that make the figures misleading.
func (r *Report) warn(o Options, failure error) {
	say := func(format string, args ...any) { r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...)) }
	if r.Cores > nearlyFull*float64(r.Processors) {
		say("this tool used %.2f of %d processors: the tool was the limit, or competed with the server for them; the server may be faster", r.Cores, r.Processors)
	}
	if wanted := o.Rate * r.Seconds; o.Rate > 0 && !r.Interrupted && float64(r.Published) < nearlyRate*wanted {
		say("only %.0f messages per second were published instead of %.0f; more publishers may help", r.PublishRate, o.Rate)
	}
	if r.PublishFailed > 0 {
		say("%d publishes failed, the first with: %v; the server may or may not have delivered them, so losses may be higher than reported", r.PublishFailed, failure)
	}
	if r.Published > 0 && r.Deliveries == 0 {
		say("nothing was delivered at all: do both URLs lead to the same server?")
	}
	if r.Unreadable > 0 {
		say("%d frames had no message of this run: is there another publisher, or a proxy that changes messages?", r.Unreadable)
	}
	slices.Sort(r.Warnings)
}
