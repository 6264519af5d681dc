package roster

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// other is another node. While a snapshot of it is taken, its changes are kept for later.
type other struct {
	// Immutable.
	r           *Roster
	name        string
	incarnation string

	mu      sync.Mutex // guards the fields below; it comes before the locks of the hub
	hub     *boreas.OtherNode
	applied uint64             // the number of the last change that was applied
	alive   bool               // between Joined and Ended
	cancel  context.CancelFunc // ends the snapshot that is being taken; nil if none is

	kept     []batch // the changes that came while a snapshot was taken
	keptSize int     // number of changes in kept
	tooMany  bool    // there were more than maxKept

	synced clock.Mono    // when the last snapshot was complete; 0 if there was none
	pause  time.Duration // before the next snapshot, if the last one did not help
}

// joined records that the node is alive.
func (o *other) joined() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.alive = true
	o.sync()
}

// ended reports whether the node has ended.
func (o *other) ended() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.alive
}

// end records that the node has ended.
func (o *other) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.cancel != nil {
		o.cancel()
		o.cancel = nil
	}
	o.alive, o.kept, o.keptSize = false, nil, 0
	o.hub.Lose()
}

// told handles changes of the node.
func (o *other) told(b batch) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case !o.alive:
	case o.cancel != nil:
		o.keep(b)
	case b.First > o.applied+1:
		o.sync() // changes before it are missing
		o.keep(b)
	default:
		changes := b.after(o.applied)
		o.apply(changes)
		o.applied += uint64(len(changes))
	}
}

// after returns the batch's changes after a number.
func (b *batch) after(number uint64) []boreas.PresenceChange {
	if b.First > number {
		return b.Changes
	}
	return b.Changes[min(number+1-b.First, uint64(len(b.Changes))):]
}

// keep keeps changes until the snapshot is complete. The caller holds mu.
func (o *other) keep(b batch) {
	if o.keptSize += len(b.Changes); o.keptSize > maxKept {
		o.kept, o.tooMany = nil, true
		return
	}
	o.kept = append(o.kept, b)
}

// apply applies changes. The caller holds mu.
func (o *other) apply(changes []boreas.PresenceChange) {
	failed, first := 0, error(nil)
	for _, c := range changes {
		if err := o.hub.Apply(c); err != nil {
			if failed++; first == nil {
				first = err
			}
		}
	}
	if failed > 0 {
		o.r.log.Warn("changes of presence of another node cannot be applied: users may be missing", "node", o.name, "failed", failed, "first", first)
	}
}

// beat compares the digest of the node with what this node has.
func (o *other) beat(d digest) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case !o.alive || o.cancel != nil:
	case d.Number > o.applied:
		o.sync() // the last changes are missing
	case d.Number < o.applied: // newer changes have overtaken the digest
	case d.PresenceDigest == o.hub.Digest():
		o.pause = 0
	case clock.Now().Sub(o.synced) >= o.pause:
		o.pause = min(max(2*o.pause, snapshotInterval), maxPause)
		o.r.log.Warn("this node does not have the same sessions of another node as that node itself: it takes a snapshot",
			"node", o.name, "there", d.Places, "here", o.hub.Digest().Places)
		o.sync()
	}
}

// sync starts to take a snapshot. The caller holds mu.
func (o *other) sync() {
	if o.cancel != nil {
		return
	}
	ctx, cancel := context.WithCancel(o.r.ctx)
	o.cancel = cancel
	o.restart()
	wait := time.Duration(0)
	if o.synced != 0 {
		wait = snapshotInterval - clock.Now().Sub(o.synced)
	}
	o.r.running.Go(func() {
		defer cancel()
		o.snapshots(ctx, wait)
	})
}

// restart forgets the changes that are kept. The caller holds mu.
func (o *other) restart() { o.kept, o.keptSize, o.tooMany = nil, 0, false }

// unite merges changes that came while a snapshot was taken: of each session on a channel, and of
// each user's info, only the last one counts.
func unite(changes []boreas.PresenceChange) []boreas.PresenceChange {
	type key struct{ channel, session, user string }
	seen := make(map[key]bool, len(changes))
	last := make([]boreas.PresenceChange, 0, len(changes))
	for _, c := range slices.Backward(changes) {
		k := key{channel: c.Channel, session: c.Session}
		if c.Kind == boreas.PresenceInfo {
			k.user = c.User
		}
		if !seen[k] {
			seen[k] = true
			last = append(last, c)
		}
	}
	slices.Reverse(last)
	return last
}
