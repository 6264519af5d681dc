package memory

import (
	"maps"
	"strings"

	"github.com/boreas-pubsub/boreas/engine"
	"github.com/boreas-pubsub/boreas/internal/clock"
)

const (
	// keyOverhead is the cost in bytes of remembering a key in addition to its text: the struct,
	// the map entry, rounding by the allocator. keysOverhead is the cost of a log that remembers
	// any keys.
	keyOverhead  = 128
	keysOverhead = 320
)

// publishKey is an idempotency key with a hash of its message's data. The hash is seeded so that
// clients cannot find two messages with the same hash.
type publishKey struct {
	text      string // "" if there is none
	data      uint64
	publisher string // of the message
}

// logKeys has the keys that a log remembers. Guarded by channelLog.mu.
type logKeys struct {
	byText      map[string]*logKey
	first, last *logKey        // in order of time
	opener      *publisherKeys // has paid the cost that does not belong to a single key, see firstKey; may be nil
	most        int            // maximum of len(byText) so far: a map does not shrink
}

type logKey struct {
	text   string
	data   uint64
	offset uint64         // of the publication
	at     clock.Mono     // when it was published
	share  *publisherKeys // pays for the key; nil if the message has no publisher
	next   *logKey
}

// claim remembers a key for the publication that is about to be appended. If the key is known,
// claim returns the offset of the first publication and errDuplicate, or ErrKeyReused if the data
// differ. The caller holds mu.
func (l *channelLog) claim(m *Engine, key publishKey, now clock.Mono) (uint64, error) {
	l.expireKeys(m, now)
	if l.keys != nil {
		if k := l.keys.byText[key.text]; k != nil {
			if k.data != key.data {
				return 0, engine.ErrKeyReused
			}
			return k.offset, errDuplicate
		}
	}
	cost := keyOverhead + int64(len(key.text))
	if l.keys == nil {
		cost += l.firstKey()
	}
	share, err := m.keyShares.take(m, key.publisher, cost)
	if err != nil {
		return 0, err
	}
	if l.keys == nil {
		l.keys = &logKeys{byText: make(map[string]*logKey), opener: share}
		m.used.Add(keysOverhead)
	}
	m.used.Add(keyOverhead + int64(len(key.text)))
	m.keys.Add(1)
	// Clone: the text may be a substring of a whole request.
	l.keys.add(&logKey{text: strings.Clone(key.text), data: key.data, offset: l.head + 1, at: now, share: share})
	return 0, nil
}

// firstKey is the additional cost of a log's first key: a log with keys cannot be forgotten.
func (l *channelLog) firstKey() int64 { return keysOverhead + logOverhead + int64(len(l.name)) }

func (s *logKeys) add(k *logKey) {
	if s.first == nil {
		s.first = k
	} else {
		s.last.next = k
	}
	s.last = k
	s.byText[k.text] = k
	s.most = max(s.most, len(s.byText))
}

// expireKeys forgets the expired keys. The caller holds mu.
func (l *channelLog) expireKeys(m *Engine, now clock.Mono) {
	s := l.keys
	if s == nil {
		return
	}
	for s.first != nil && now.Sub(s.first.at) > m.options.KeyWindow {
		k := s.first
		delete(s.byText, k.text)
		s.first = k.next
		cost := keyOverhead + int64(len(k.text))
		m.used.Add(-cost)
		m.keys.Add(-1)
		m.keyShares.giveBack(m, k.share, cost)
	}
	switch {
	case s.first == nil:
		l.keys = nil
		m.used.Add(-keysOverhead)
		m.keyShares.giveBack(m, s.opener, l.firstKey())
	case s.most > 64 && len(s.byText) < s.most/4:
		s.byText, s.most = maps.Collect(maps.All(s.byText)), len(s.byText)
	}
}
