package auth

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/peer"
)

// turns limits how many requests to the backend run at the same time. Further requests wait. Each
// address has its own line, and the lines take turns. So if one address has hundreds of tokens, a
// request of another address waits for one of them and not for all.
type turns struct {
	exempt []netip.Prefix // addresses without a limit of their own; immutable

	mu    sync.Mutex // guards the following fields, and the lines
	free  int        // unused turns
	room  int        // how many more requests may have a turn or wait for one
	lines map[netip.Prefix]*turnLine
	next  []*turnLine // the lines with waiting requests, in the order of their turns
}

// turnLine holds the requests of one address.
type turnLine struct {
	address netip.Prefix
	bounded bool
	held    int             // requests that have a turn or wait for one
	waiting []chan struct{} // closed when a turn is theirs
}

// leftInQueue is how many times as many places must be free as one address has. So a single address
// may have a fifth of all places.
const leftInQueue = 4

func newTurns(atOnce, waiting int, exempt []netip.Prefix) *turns {
	return &turns{exempt: exempt, free: atOnce, room: atOnce + waiting, lines: make(map[netip.Prefix]*turnLine)}
}

// enter waits for a turn until ctx ends or the timeout passes. It returns false if it got none;
// otherwise the caller must call leave, which gives the turn to the next line.
func (t *turns) enter(ctx context.Context, address netip.Addr, timeout time.Duration) (leave func(), ok bool) {
	t.mu.Lock()
	l := t.line(address)
	if t.room == 0 || l.bounded && leftInQueue*(l.held+1) > t.room {
		t.forget(l)
		t.mu.Unlock()
		return nil, false
	}
	t.room--
	l.held++
	leave = func() { t.leave(l) }
	if t.free > 0 {
		t.free--
		t.mu.Unlock()
		return leave, true
	}
	mine := make(chan struct{})
	if l.waiting = append(l.waiting, mine); len(l.waiting) == 1 {
		t.next = append(t.next, l)
	}
	t.mu.Unlock()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-mine:
	case <-timer.C:
		ok = t.giveUp(l, mine)
		return leave, ok
	case <-ctx.Done():
		if !t.giveUp(l, mine) {
			return nil, false
		}
	}
	if ctx.Err() != nil {
		leave()
		return nil, false
	}
	return leave, true
}

// giveUp removes a waiting request from the line. It returns true if the request has got a turn
// meanwhile.
func (t *turns) giveUp(l *turnLine, mine chan struct{}) (came bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.Index(l.waiting, mine)
	if i < 0 {
		return true
	}
	if l.waiting = slices.Delete(l.waiting, i, i+1); len(l.waiting) == 0 {
		t.next = slices.DeleteFunc(t.next, func(other *turnLine) bool { return other == l })
	}
	t.giveBack(l)
	return false
}

// leave gives the turn to the next line.
func (t *turns) leave(l *turnLine) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.giveBack(l)
	if len(t.next) == 0 {
		t.next = nil
		t.free++
		return
	}
	first := t.next[0]
	t.next[0] = nil
	t.next = t.next[1:]
	close(first.waiting[0])
	first.waiting[0] = nil
	if first.waiting = first.waiting[1:]; len(first.waiting) > 0 {
		t.next = append(t.next, first)
	}
}

// line returns the line of an address. The caller holds mu.
func (t *turns) line(address netip.Addr) *turnLine {
	network := peer.Network(address)
	l := t.lines[network]
	if l == nil {
		contains := func(p netip.Prefix) bool { return p.Contains(network.Addr()) }
		l = &turnLine{address: network, bounded: address.IsValid() && !slices.ContainsFunc(t.exempt, contains)}
		t.lines[network] = l
	}
	return l
}

// giveBack releases a place in a line. The caller holds mu.
func (t *turns) giveBack(l *turnLine) {
	t.room++
	l.held--
	t.forget(l)
}

func (t *turns) forget(l *turnLine) {
	if l.held == 0 {
		delete(t.lines, l.address)
	}
}
