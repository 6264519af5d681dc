package auth

import (
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas/access"
)

// An answer is what the backend said of a token.
type answer struct {
	grant   *access.Grant
	refusal error     // a fault; nil if there is a grant
	until   time.Time // when it has to be asked again
}

// answers remember what the backend said lately, by what it was asked. Two generations
// bound them: what was not asked for while one filled up is forgotten.
type answers struct {
	max int

	mu       sync.Mutex
	now, old map[backendKey]answer // guarded by mu
}

// get returns an answer that still counts.
func (a *answers) get(key backendKey, now time.Time) (answer, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	found, ok := a.now[key]
	if !ok {
		if found, ok = a.old[key]; ok && now.Before(found.until) {
			a.add(key, found)
		}
	}
	return found, ok && now.Before(found.until)
}

func (a *answers) put(key backendKey, said answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.add(key, said)
}

// add adds to the younger generation. The caller holds mu.
func (a *answers) add(key backendKey, said answer) {
	if _, there := a.now[key]; !there && (a.now == nil || len(a.now) >= max(a.max/2, 1)) {
		a.old, a.now = a.now, make(map[backendKey]answer)
	}
	a.now[key] = said
}
