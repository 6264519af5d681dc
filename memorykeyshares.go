package boreas

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	// keyShare is the part of the ceiling that keys may take, and clientKeyShare the part
	// that those of messages with a publisher may take: the rest is for messages without
	// one, whatever publishers do.
	keyShare       = 4
	clientKeyShare = 8

	// leftToOthers is how much of the room for publishers' keys must be left for each part
	// that one publisher has. One alone can have a ninth of it, and a hundred that take what
	// they can get do not fill it.
	leftToOthers = 8

	// publisherOverhead is what it costs to know how many keys a publisher has.
	publisherOverhead = 160
)

// errPublishersKeys is of a publisher that has as many keys as one may.
var errPublishersKeys = fmt.Errorf("%w from this publisher", ErrTooManyKeys)

// keyShares bound what keys cost, all together and those of each publisher.
type keyShares struct {
	all     atomic.Int64
	clients atomic.Int64 // of that, for messages with a publisher; changed with mu held

	mu     sync.Mutex
	byName map[string]*publisherKeys
}

// publisherKeys are what the keys of one publisher cost. Guarded by keyShares.mu.
type publisherKeys struct {
	name  string
	bytes int64
}

// take makes room for a key of the publisher, which may be "".
func (s *keyShares) take(m *Memory, publisher string, cost int64) (*publisherKeys, error) {
	if s.all.Add(cost) > m.options.Memory/keyShare {
		s.all.Add(-cost)
		return nil, ErrTooManyKeys
	}
	if publisher == "" {
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, left := s.byName[publisher], m.options.Memory/clientKeyShare-s.clients.Load()-cost
	if p == nil {
		p = &publisherKeys{name: strings.Clone(publisher)} // it may be a part of a whole request
		left -= p.cost()
	}
	if left < leftToOthers*(p.bytes+cost) {
		s.all.Add(-cost)
		return nil, errPublishersKeys
	}
	if p.bytes == 0 {
		if s.byName == nil {
			s.byName = make(map[string]*publisherKeys)
		}
		s.byName[p.name] = p
		s.all.Add(p.cost())
		s.clients.Add(p.cost())
		m.used.Add(p.cost())
	}
	p.bytes += cost
	s.clients.Add(cost)
	return p, nil
}

// giveBack gives back what a key of the publisher, which may be nil, has cost.
func (s *keyShares) giveBack(m *Memory, p *publisherKeys, cost int64) {
	s.all.Add(-cost)
	if p == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients.Add(-cost)
	if p.bytes -= cost; p.bytes == 0 {
		delete(s.byName, p.name)
		s.all.Add(-p.cost())
		s.clients.Add(-p.cost())
		m.used.Add(-p.cost())
	}
}

func (p *publisherKeys) cost() int64 { return publisherOverhead + int64(len(p.name)) }
