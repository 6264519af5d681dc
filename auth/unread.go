package auth

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas/v2/fault"
)

// This file reads the changes of other authorities before a token or key is refused as unknown: another
// authority may have made it a moment ago, and its client is told that it will never be valid.

const (
	// unreadTimeout is how long a client waits until the changes of others are read. It is longer than
	// one request to the store may take.
	unreadTimeout = 3 * time.Second

	// unreadInterval is the minimum time between two reads. It bounds what clients with invented tokens
	// cost the store, and is shorter than a client would notice.
	unreadInterval = 10 * time.Millisecond
)

// unread reads the changes of other authorities for callers that wait for it. All callers that come
// before a read begins share it.
type unread struct {
	wanted chan struct{}   // gets an element when next is set; has room for one
	ended  <-chan struct{} // closed when nobody reads any more

	mu   sync.Mutex
	next *reading // the read that has not begun; nil if nobody waits for one
}

// A reading is one read.
type reading struct {
	done chan struct{} // closed at the end
	err  error         // set before
}

// run reads when somebody wants it, until ctx is done.
func (u *unread) run(ctx context.Context, read func(context.Context) error) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-u.wanted:
		}
		u.mu.Lock()
		r := u.next
		u.next = nil
		u.mu.Unlock()
		r.err = read(ctx)
		close(r.done)
		select {
		case <-ctx.Done():
		case <-time.After(unreadInterval):
		}
	}
}

// wait returns when a read that began after the call has ended.
func (u *unread) wait() error {
	u.mu.Lock()
	if u.next == nil {
		u.next = &reading{done: make(chan struct{})}
		u.wanted <- struct{}{} // there is room, because next was nil
	}
	r := u.next
	u.mu.Unlock()
	timeout := time.NewTimer(unreadTimeout)
	defer timeout.Stop()
	select {
	case <-r.done:
		return r.err
	case <-u.ended:
		return errors.New("the authority is closed")
	case <-timeout.C:
		return errors.New("the store does not answer")
	}
}

// readOthers returns nil when all changes that other authorities made before the call are applied. Without
// a shared store there are none. The error is [fault.AuthUnavailable]: the authority cannot tell whether a
// token or key that it does not know is valid.
func (a *Authority) readOthers() error {
	if a.options.Store == nil {
		return nil
	}
	if err := a.unread.wait(); err != nil {
		return fault.AuthUnavailable.With("The server cannot read the newest tokens and keys of the other servers at the moment, so it does not know whether this one is valid.")
	}
	return nil
}

// readOnce is one read for [Authority.readOthers].
func (a *Authority) readOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, unreadTimeout)
	defer cancel()
	_, err := a.updateSessions(func() error { return a.catchUp(ctx) })
	return err
}

// mayBeOurs reports whether a text has the form of a token that an authority creates.
func mayBeOurs(text string) bool {
	return strings.HasPrefix(text, tokenPrefix) || len(text) > tokenRandom && text[tokenRandom] == '-'
}
