package limit

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// minWait and maxWait are the first and the longest wait after failed authentications.
	// Tokens cannot be guessed, so it is not that a guess must be prevented: checking one
	// can cost a signature's verification or a question to the backend.
	minWait, maxWait = time.Second, 5 * time.Minute

	// calm is how long after a wait one doubling of it is forgotten. A success forgets
	// nothing: who guesses may well own a token that is valid, too.
	calm = time.Minute

	// maxDoublings is after how many the wait is maxWait.
	maxDoublings = 9
)

// failures are the failed authentications of an address.
type failures struct {
	mu        sync.Mutex
	gone      bool
	full      int64 // when none will count any more, if there is no wait
	doublings int   // of the next wait; 0 while there was none
	until     int64 // the end of the last wait
}

// MayAuthenticate returns nil if the address may show a token: when it connects, and each
// time that a token is to be checked. Otherwise it has to wait: a [fault.RateLimited].
func (l *Limits) MayAuthenticate(address netip.Addr) error {
	if l == nil || l.options.Address.Failures == 0 {
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
	wait := f.until - l.now()
	f.mu.Unlock()
	if wait <= 0 {
		return nil
	}
	return l.refuse(scopeAddress, failuresKind, networkName(network), time.Duration(wait))
}

// Failed counts an authentication of the address that failed because of the token: not
// because whoever knows tokens could not be reached, nor for one that has only expired.
func (l *Limits) Failed(address netip.Addr) {
	if l == nil || l.options.Address.Failures == 0 {
		return
	}
	network, bounded := l.Network(address)
	if !bounded {
		return
	}
	for !getOrAdd(l.failures, network, func() *failures { return new(failures) }).add(l.options.Address.Failures, l.now()) {
	}
}

// add counts a failure where so many a minute are let pass. It returns false if the
// table has just forgotten these failures.
func (f *failures) add(perMinute int, now int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gone {
		return false
	}
	if now < f.until {
		return true // it was under way when the wait began
	}
	if f.doublings > 0 {
		f.doublings = max(0, f.doublings-int((now-f.until)/int64(calm)))
	}
	cost := int64(time.Minute) / int64(perMinute)
	f.full = max(f.full, now) + cost
	if f.doublings == 0 && f.full+cost-now <= int64(time.Minute) {
		return true // there is room for another one
	}
	f.full = now // the wait stands for them
	f.until = now + int64(min(minWait<<f.doublings, maxWait))
	f.doublings = min(f.doublings+1, maxDoublings)
	return true
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
