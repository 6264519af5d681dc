package boreas

import (
	"errors"
	"math/bits"
	"slices"
	"sync/atomic"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

// batchBuckets is the number of buckets in the histogram of publications per write: one for each
// power of two up to 2^(batchBuckets-1). The last one also counts all larger writes.
const batchBuckets = 16

// Stats has a hub's current state, and its counters since the start.
type Stats struct {
	// The current state.
	Anonymous     int // live sessions without an identity
	Authenticated int // live sessions with an identity
	Closing       int // sessions that count as open but are not live: ended, or being set up
	Identities    int
	Channels      int   // channels with at least one subscription
	Subscriptions int   // without lost sessions that linger and joins under way
	ChannelBytes  int64 // cost of the joined channels in bytes; see Options.ChannelMemory
	Blocked       int64 // sessions that wait for their connection, or catch up from the log
	EngineCalls   int   // calls under way; 0 if the engine never waits
	Engine        engine.Stats
	Held          HeldStats // bytes held for peers

	// Counters since the start.
	Publishes       uint64 // messages that the engine accepted from this hub
	PublishBytes    uint64 // bytes of their data
	Duplicates      uint64 // messages that were not published again because of their key
	Deliveries      uint64 // publications written to sessions, counted once per session
	DeliveredBytes  uint64 // all bytes written to sessions
	Writes          uint64 // writes with at least one publication
	Pings           uint64
	EngineBusy      uint64 // calls refused with ErrEngineBusy
	EngineTimeouts  uint64 // calls that failed with ErrEngineTimeout
	EnginePanics    uint64 // calls during which the engine panicked
	SessionsOpened  uint64
	SessionsRefused uint64 // by ErrTooManySessions or ErrTooManyAddressSessions
	JoinsRefused    uint64 // by ErrTooManyChannels, ErrTooManyUserChannels, ErrTooManyAddressChannels, ErrTooManyJoinedChannels or ErrTooManySubscribers

	// PublishesRefused counts messages that the engine refused, by reason.
	PublishesRefused PublishesRefused

	// Gaps counts the gaps that sessions received, by reason. They include joins that could not be
	// recovered.
	Gaps Gaps

	// Ended counts the sessions that have ended, by reason.
	Ended Ended

	// Batches[i] counts the writes with at most 2^i publications and more than 2^(i-1). The last
	// element also counts all larger writes.
	Batches [batchBuckets]uint64
}

// PublishesRefused counts messages that the engine refused. Calls that were not made or did not end
// in time count as EngineBusy and EngineTimeouts.
type PublishesRefused struct {
	StorageFull   uint64 // engine.ErrStorageFull
	StorageFailed uint64 // engine.ErrStorageFailed
	TooManyKeys   uint64 // engine.ErrTooManyKeys
	Unavailable   uint64 // engine.ErrUnavailable
}

// Gaps counts gaps by their reason.
type Gaps struct{ Expired, UnknownEpoch, Ahead, Purged, Slow, Conflated uint64 }

// Ended counts ended sessions by reason.
type Ended struct {
	Slow               uint64 // ErrSlow, ErrFallsBehind
	Backlog            uint64 // ErrBacklog
	PingTimeout        uint64 // ErrPingTimeout
	AnonymousTimeout   uint64 // ErrAnonymousTimeout
	ShuttingDown       uint64 // ErrShuttingDown
	Revoked            uint64 // ErrRevoked
	Expired            uint64 // access.ErrTokenExpired
	RulesChanged       uint64 // ErrRulesChanged
	Terminated         uint64 // ErrTerminated
	PeerMemory         uint64 // ErrPeerMemory
	HistoryUnavailable uint64 // ErrUnreadable, ErrLogReset
	NodeIsolated       uint64 // ErrNodeIsolated
	Other              uint64 // the client left, the connection was lost, or the transport ended the session
}

// Stats returns the hub's state and counters. They are not read at one instant.
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
			NodeIsolated:       c.ended[endedIsolated].Load(),
			Other:              c.ended[endedOther].Load(),
		},
	}
	s.PublishesRefused = PublishesRefused{
		StorageFull: c.storageFull.Load(), StorageFailed: c.storageFailed.Load(), TooManyKeys: c.tooManyKeys.Load(),
		Unavailable: c.unavailable.Load(),
	}
	s.Held = h.ledger.stats()
	s.ChannelBytes = h.room.used.Load()
	s.Gaps = Gaps{c.gaps[0].Load(), c.gaps[1].Load(), c.gaps[2].Load(), c.gaps[3].Load(), c.gaps[4].Load(), c.gaps[5].Load()}
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
	storageFull, storageFailed         atomic.Uint64
	tooManyKeys, unavailable           atomic.Uint64
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
	endedIsolated
	endedOther
	endedKinds
)

var gapReasons = [...]GapReason{GapExpired, GapUnknownEpoch, GapAhead, GapPurged, GapSlow, GapConflated}

func (c *hubStats) gap(reason GapReason) { c.gaps[slices.Index(gapReasons[:], reason)].Add(1) }

// refusePublish counts a message that the engine has refused.
func (c *hubStats) refusePublish(err error) {
	switch {
	case errors.Is(err, engine.ErrStorageFull):
		c.storageFull.Add(1)
	case errors.Is(err, engine.ErrStorageFailed):
		c.storageFailed.Add(1)
	case errors.Is(err, engine.ErrTooManyKeys):
		c.tooManyKeys.Add(1)
	case errors.Is(err, engine.ErrUnavailable):
		c.unavailable.Add(1)
	}
}

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

// unsubscribed counts one subscription less, possibly its channel's last.
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
	case ErrNodeIsolated:
		kind = endedIsolated
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

// tally counts the writes of one goroutine, without sharing a cache line with others, until it is
// added to the hub's counters.
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
