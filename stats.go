package boreas

import (
	"errors"
	"math/bits"
	"slices"
	"sync/atomic"

	"github.com/boreas-pubsub/boreas/access"
	"github.com/boreas-pubsub/boreas/engine"
)

// batchBuckets is how many buckets the histogram of publications a write has: one
// for each power of two up to 2^(batchBuckets-1), and more in the last.
const batchBuckets = 16

// Stats are a hub's counters since its start, and how things stand now.
type Stats struct {
	// Now.
	Anonymous     int // live sessions without an identity
	Authenticated int // live sessions with one
	Closing       int // sessions that take up room and are not live: ended, or being set up
	Identities    int
	Channels      int   // with at least one subscription
	Subscriptions int   // without lingering lost sessions and joins under way
	ChannelBytes  int64 // cost of the joined channels; see Options.ChannelMemory
	Blocked       int64 // sessions that wait for their socket, or catch up from the log
	EngineCalls   int   // under way; 0 if the engine never waits
	Engine        engine.Stats
	Held          HeldStats // for peers

	// Since the start.
	Publishes       uint64 // accepted by the engine through this hub
	PublishBytes    uint64 // of their data
	Duplicates      uint64 // not published again, for their key
	Deliveries      uint64 // publications written to sessions, each session counted
	DeliveredBytes  uint64 // written to sessions, whatever it was
	Writes          uint64 // that carried at least one publication
	Pings           uint64
	EngineBusy      uint64 // calls refused with ErrEngineBusy
	EngineTimeouts  uint64 // calls that failed with ErrEngineTimeout
	EnginePanics    uint64 // calls during which the engine panicked
	SessionsOpened  uint64
	SessionsRefused uint64 // by ErrTooManySessions or ErrTooManyAddressSessions
	JoinsRefused    uint64 // by ErrTooManyChannels, ErrTooManyUserChannels, ErrTooManyAddressChannels, ErrTooManyJoinedChannels or ErrTooManySubscribers

	// Gaps counts what sessions were told that they do not get, by reason. The
	// joins that could not be recovered are among them.
	Gaps Gaps

	// Ended counts the sessions that have ended, by reason.
	Ended Ended

	// Batches[i] counts the writes that carried at most 2^i publications and
	// more than 2^(i-1); the last also counts all larger ones.
	Batches [batchBuckets]uint64
}

// Gaps counts gaps by their reason.
type Gaps struct{ Expired, UnknownEpoch, Ahead, Slow, Conflated uint64 }

// Ended counts ended sessions by reason.
type Ended struct {
	Slow               uint64 // ErrSlow, ErrFallsBehind
	Backlog            uint64 // ErrBacklog
	PingTimeout        uint64 // ErrPingTimeout
	AnonymousTimeout   uint64 // ErrAnonymousTimeout
	ShuttingDown       uint64 // ErrShuttingDown
	Revoked            uint64 // ErrRevoked
	Expired            uint64 // ErrTokenExpired
	RulesChanged       uint64 // ErrRulesChanged
	Terminated         uint64 // ErrTerminated
	PeerMemory         uint64 // ErrPeerMemory
	HistoryUnavailable uint64 // ErrUnreadable, ErrLogReset
	Other              uint64 // the peer left, the connection was lost, or the transport ended it
}

// Stats returns the hub's counters. They are not taken in one instant.
func (h *Hub) Stats() Stats {
	c := &h.stats
	s := Stats{
		Blocked:        c.blocked.Load(),
		Publishes:      c.publishes.Load(),
		PublishBytes:   c.publishBytes.Load(),
		Duplicates:     c.duplicates.Load(),
		Deliveries:     c.deliveries.Load(),
		DeliveredBytes: c.deliveredBytes.Load(),
		Writes:         c.writes.Load(),
		Pings:          c.pings.Load(),
		EngineBusy:     h.bounds.busy.Load(),
		EngineTimeouts: h.bounds.late.Load(),
		EnginePanics:   h.bounds.panics.Load(),
		SessionsOpened: c.opened.Load(),
		JoinsRefused:   c.joinsRefused.Load(),
		Ended: Ended{
			Slow:               c.ended[endedSlow].Load(),
			Backlog:            c.ended[endedBacklog].Load(),
			PingTimeout:        c.ended[endedPing].Load(),
			AnonymousTimeout:   c.ended[endedAnonymous].Load(),
			ShuttingDown:       c.ended[endedShutdown].Load(),
			Revoked:            c.ended[endedRevoked].Load(),
			Expired:            c.ended[endedExpired].Load(),
			RulesChanged:       c.ended[endedRules].Load(),
			Terminated:         c.ended[endedTerminated].Load(),
			PeerMemory:         c.ended[endedMemory].Load(),
			HistoryUnavailable: c.ended[endedUnreadable].Load(),
			Other:              c.ended[endedOther].Load(),
		},
	}
	s.Held = h.ledger.stats()
	s.ChannelBytes = h.room.used.Load()
	s.Gaps = Gaps{c.gaps[0].Load(), c.gaps[1].Load(), c.gaps[2].Load(), c.gaps[3].Load(), c.gaps[4].Load()}
	for i := range s.Batches {
		s.Batches[i] = c.batches[i].Load()
	}
	r := &h.registry
	r.mu.Lock()
	s.Anonymous, s.Authenticated, s.Closing = r.anonymous, r.live-r.anonymous, r.open-r.live
	s.Identities, s.SessionsRefused = len(r.identities), r.refused
	r.mu.Unlock()
	s.Channels, s.Subscriptions = int(c.channels.Load()), int(c.subscriptions.Load())
	s.Engine = h.engineStats()
	s.EngineCalls = len(h.bounds.backend) + len(h.bounds.session)
	return s
}

type hubStats struct {
	publishes, publishBytes            atomic.Uint64
	duplicates                         atomic.Uint64
	deliveries, deliveredBytes, writes atomic.Uint64
	pings, opened, joinsRefused        atomic.Uint64
	blocked                            atomic.Int64
	channels, subscriptions            atomic.Int64
	gaps                               [len(gapReasons)]atomic.Uint64
	ended                              [endedKinds]atomic.Uint64
	batches                            [batchBuckets]atomic.Uint64
}

const (
	endedSlow = iota
	endedBacklog
	endedPing
	endedAnonymous
	endedShutdown
	endedRevoked
	endedExpired
	endedRules
	endedTerminated
	endedMemory
	endedUnreadable
	endedOther
	endedKinds
)

var gapReasons = [...]GapReason{GapExpired, GapUnknownEpoch, GapAhead, GapSlow, GapConflated}

func (c *hubStats) gap(reason GapReason) { c.gaps[slices.Index(gapReasons[:], reason)].Add(1) }

// joined counts the outcome of a join.
func (c *hubStats) joined(r *Joined) {
	switch {
	case r.Err == ErrTooManyChannels, r.Err == ErrTooManyUserChannels, r.Err == ErrTooManyAddressChannels,
		r.Err == ErrTooManyJoinedChannels, r.Err == ErrTooManySubscribers:
		c.joinsRefused.Add(1)
	case r.Gap.Reason != "":
		c.gap(r.Gap.Reason)
	}
}

// subscribed counts one more subscription, possibly its channel's first.
func (c *hubStats) subscribed(first bool) {
	c.subscriptions.Add(1)
	if first {
		c.channels.Add(1)
	}
}

// unsubscribed counts one subscription less, which may have been its channel's last.
func (c *hubStats) unsubscribed(last bool) {
	c.subscriptions.Add(-1)
	if last {
		c.channels.Add(-1)
	}
}

func (c *hubStats) end(reason error) {
	kind := endedOther
	switch reason {
	case ErrSlow, ErrFallsBehind:
		kind = endedSlow
	case ErrBacklog:
		kind = endedBacklog
	case ErrPingTimeout:
		kind = endedPing
	case ErrAnonymousTimeout:
		kind = endedAnonymous
	case ErrShuttingDown:
		kind = endedShutdown
	case ErrRevoked:
		kind = endedRevoked
	case access.ErrTokenExpired:
		kind = endedExpired
	case ErrRulesChanged:
		kind = endedRules
	case ErrTerminated:
		kind = endedTerminated
	default:
		switch {
		case errors.Is(reason, ErrPeerMemory):
			kind = endedMemory
		case errors.Is(reason, ErrUnreadable), errors.Is(reason, ErrLogReset):
			kind = endedUnreadable
		}
	}
	c.ended[kind].Add(1)
}

// tally counts writes where they are made, without sharing a cache line, until
// it is added to the hub's counters.
type tally struct {
	deliveries, bytes, writes uint64
	batches                   [batchBuckets]uint32
}

func (t *tally) write(publications, bytes int) {
	t.bytes += uint64(bytes)
	if publications == 0 {
		return
	}
	t.writes++
	t.deliveries += uint64(publications)
	t.batches[min(bits.Len(uint(publications-1)), batchBuckets-1)]++
}

func (t *tally) addTo(c *hubStats) {
	if t.bytes == 0 {
		return
	}
	c.deliveries.Add(t.deliveries)
	c.deliveredBytes.Add(t.bytes)
	c.writes.Add(t.writes)
	for i, n := range t.batches {
		if n > 0 {
			c.batches[i].Add(uint64(n))
		}
	}
	*t = tally{}
}
