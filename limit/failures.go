package limit

import (
	"net/netip"
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas/v2/fault"
)

const (
	// minWait and maxWait are the first and the longest wait after failed authentications. Random
	// tokens cannot be guessed. The wait slows down guesses of other tokens, and stops clients that
	// repeat an invalid token.
	minWait, maxWait = time.Second, 5 * time.Minute

	// calm is the time without a failure that takes back one doubling of the wait. A success does not
	// reset the wait, because an attacker that guesses tokens may also have a valid one.
	calm = time.Minute

	// maxDoublings is the number of doublings after which the wait is maxWait.
	maxDoublings = 9

	// checksAtOnce is how many checks run at once for an address that has to wait, if they need a
	// signature's verification or a request to the backend. Others queue for at most maxQueued.
	checksAtOnce = 4
	maxQueued    = 10 * time.Second
)

// failures are the failed authentications of an address. All fields are guarded by mu.
type failures struct {
	mu        sync.Mutex
	gone      bool
	full      int64         // when the failures stop counting, unless there is a wait
	doublings int           // of the next wait; 0 before the first wait
	until     int64         // the end of the latest wait
	checks    chan struct{} // one slot for each costly check; nil before the first wait
}

// Failed counts an authentication from the address that failed because of an invalid token.
// Failures because of an unreachable backend or an expired token do not count. If too many have
// failed, the error is a [fault.RateLimited] with the time to wait. Valid tokens of the same
// address do not have to wait: other clients behind it may have failed.
func (l *Limits) Failed(address netip.Addr) error {
	if l == nil {
		return nil
	}
	perMinute := l.bounds(scopeAddress).Failures // once, because SetBounds may change it
	if perMinute == 0 {
		return nil
	}
	network, bounded := l.Network(address)
	if !bounded {
		return nil
	}
	for {
		f := getOrAdd(l.failures, network, func() *failures { return new(failures) })
		wait, ok := f.add(perMinute, l.now())
		switch {
		case !ok:
		case wait > 0:
			return l.refuse(scopeAddress, failuresKind, networkName(network), wait)
		default:
			return nil
		}
	}
}

// Check limits the cost of failed authentications. Call it before a check of a token that needs more
// than a look-up, and call leave after the check. While an address has to wait, few such checks run
// for it at once, and Check waits until one ends. It waits inside the given function wait. If the
// wait is too long, the error is a [fault.AuthUnavailable].
func (l *Limits) Check(address netip.Addr, wait func(func())) (leave func(), err error) {
	checks := l.checks(address)
	if checks == nil {
		return func() {}, nil
	}
	return turn(checks, wait)
}

// turn takes a slot for a check. If none is free, it waits for one.
func turn(checks chan struct{}, wait func(func())) (leave func(), err error) {
	leave = func() { <-checks }
	select {
	case checks <- struct{}{}:
		return leave, nil
	default:
	}
	wait(func() {
		timer := time.NewTimer(maxQueued)
		defer timer.Stop()
		select {
		case checks <- struct{}{}:
		case <-timer.C:
			err = fault.AuthUnavailable.With("Too many tokens from this address are being checked.")
		}
	})
	return leave, err
}

// checks returns the slots for checks of an address that has to wait, otherwise nil.
func (l *Limits) checks(address netip.Addr) chan struct{} {
	if l == nil || l.bounds(scopeAddress).Failures == 0 {
		return nil
	}
	network, bounded := l.Network(address)
	if !bounded {
		return nil
	}
	f := l.failures.get(network)
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.until <= l.now() {
		return nil
	}
	return f.checks
}

// add counts a failure, with the given number of failures allowed per minute. It returns how
// long the address already has to wait, and false if the table has just forgotten these
// failures.
func (f *failures) add(perMinute int, now int64) (wait time.Duration, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gone {
		return 0, false
	}
	if now < f.until { // a failure during a wait does not count again
		return time.Duration(f.until - now), true
	}
	if f.doublings > 0 {
		f.doublings = max(0, f.doublings-int((now-f.until)/int64(calm)))
	}
	cost := int64(time.Minute) / int64(perMinute)
	f.full = max(f.full, now) + cost
	if f.doublings == 0 && f.full+cost-now <= int64(time.Minute) {
		return 0, true // the next failure is still allowed
	}
	if f.checks == nil {
		f.checks = make(chan struct{}, checksAtOnce)
	}
	f.full = now // the wait replaces the counted failures
	f.until = now + int64(min(minWait<<f.doublings, maxWait))
	f.doublings = min(f.doublings+1, maxDoublings)
	return 0, true
}

func (f *failures) busyUntil() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return max(f.full, f.until+int64(f.doublings)*int64(calm))
}

func (f *failures) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone = true
}
