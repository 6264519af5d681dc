package auth

import (
	"sync"

	"github.com/boreas-pubsub/boreas/access"
)

const (
	// maxCachedRules bounds how many different rules are remembered, and
	// maxCachedText the length of each.
	maxCachedRules = 1000
	maxCachedText  = 8 << 10
)

// parsedRules remembers rules by their text: tokens that a backend signs mostly have the
// same few rules, and share one compiled form then. The zero value is ready. Two
// generations make it forget what was not asked for lately, without a list to keep.
type parsedRules struct {
	mu       sync.Mutex
	now, old map[string]*access.Permissions // guarded by mu
}

// parse is [ParseRules], remembered. What is wrong is not.
func (r *parsedRules) parse(text []byte) (*access.Permissions, error) {
	if p, ok := r.get(text); ok {
		return p, nil
	}
	p, err := ParseRules(text)
	if err != nil || len(text) > maxCachedText {
		return p, err
	}
	return r.put(string(text), p), nil
}

func (r *parsedRules) get(text []byte) (*access.Permissions, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p, ok := r.now[string(text)]; ok {
		return p, true
	}
	p, ok := r.old[string(text)]
	if ok {
		r.add(string(text), p)
	}
	return p, ok
}

// put remembers p, and returns what is remembered: who came first with the same text may
// be shared already.
func (r *parsedRules) put(text string, p *access.Permissions) *access.Permissions {
	r.mu.Lock()
	defer r.mu.Unlock()
	if first, ok := r.now[text]; ok {
		return first
	}
	r.add(text, p)
	return p
}

// add adds to the younger generation. The caller holds mu.
func (r *parsedRules) add(text string, p *access.Permissions) {
	if r.now == nil || len(r.now) >= maxCachedRules/2 {
		r.old, r.now = r.now, make(map[string]*access.Permissions)
	}
	r.now[text] = p
}
