package channellog

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

const (
	// keyShare is the part of the ceiling that all keys may take, and clientKeyShare the part that
	// keys of messages with a publisher may take, as divisors. The rest is reserved for messages
	// without a publisher.
	keyShare       = 4
	clientKeyShare = 8

	// leftToOthers is how many times the size of one publisher's keys must stay free for others in
	// the part for publishers. So a single publisher can take a ninth of that part, and a hundred
	// greedy publishers do not fill it.
	leftToOthers = 8

	// publisherOverhead is the cost in bytes of counting a publisher's keys.
	publisherOverhead = 160
)

// errPublishersKeys is returned to a publisher whose keys take as much as one publisher may have.
var errPublishersKeys = fmt.Errorf("%w from this publisher", engine.ErrTooManyKeys)

// keyShares limits the cost of keys in bytes, in total and for each publisher.
type keyShares struct {
	all     atomic.Int64
	clients atomic.Int64 // the part of all for messages with a publisher; written with mu held

	mu     sync.Mutex
	byName map[string]*publisherKeys
}

// publisherKeys is the total cost of one publisher's keys. Guarded by keyShares.mu.
type publisherKeys struct {
	name  string
	bytes int64
}

// take reserves the cost of a key for the publisher, which may be "".
func (s *keyShares) take(t *Table, publisher string, cost int64) (*publisherKeys, error) {
	if s.all.Add(cost) > t.options.Memory/keyShare {
		s.all.Add(-cost)
		return nil, engine.ErrTooManyKeys
	}
	if publisher == "" {
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, left := s.byName[publisher], t.options.Memory/clientKeyShare-s.clients.Load()-cost
	if p == nil {
		p = &publisherKeys{name: strings.Clone(publisher)} // it may be a substring of a whole request
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
		t.used.Add(p.cost())
	}
	p.bytes += cost
	s.clients.Add(cost)
	return p, nil
}

// giveBack releases the cost of a key. The publisher p may be nil.
func (s *keyShares) giveBack(t *Table, p *publisherKeys, cost int64) {
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
		t.used.Add(-p.cost())
	}
}

func (p *publisherKeys) cost() int64 { return publisherOverhead + int64(len(p.name)) }
