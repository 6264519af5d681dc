package boreas

import (
	"maps"
	"strings"
)

const (
	// keyOverhead is what remembering a key costs beyond its bytes: the struct,
	// the map entry, rounding by the allocator; keysOverhead what it costs a log
	// to remember any.
	keyOverhead  = 112
	keysOverhead = 320

	// keyShare is the part of the ceiling that keys may take.
	keyShare = 4
)

// publishKey is an idempotency key, and a hash of the data that came with it, seeded
// so that nobody can find two messages with the same.
type publishKey struct {
	text string // "" if there is none
	data uint64
}

// logKeys are the keys that a log remembers. Guarded by memoryLog.mu.
type logKeys struct {
	byText      map[string]*logKey
	first, last *logKey // in the order of time
	most        int     // that byText ever had: maps do not shrink
}

type logKey struct {
	publishKey
	offset uint64 // of the publication
	at     int64  // when it was published, Unix ns
	next   *logKey
}

// claim remembers a key for the publication that is about to be appended. If the key
// is known it returns the offset of the first and errDuplicate, or ErrKeyReused. The
// caller holds mu.
func (l *memoryLog) claim(m *Memory, key publishKey, now int64) (uint64, error) {
	l.expireKeys(m, now)
	if l.keys != nil {
		if k := l.keys.byText[key.text]; k != nil {
			if k.data != key.data {
				return 0, ErrKeyReused
			}
			return k.offset, errDuplicate
		}
	}
	cost := keyOverhead + int64(len(key.text))
	if l.keys == nil {
		cost += keysOverhead
	}
	if m.keyBytes.Add(cost) > m.options.Memory/keyShare {
		m.keyBytes.Add(-cost)
		return 0, ErrTooManyKeys
	}
	m.used.Add(cost)
	m.keys.Add(1)
	if l.keys == nil {
		l.keys = &logKeys{byText: make(map[string]*logKey)}
	}
	key.text = strings.Clone(key.text) // which may be a part of a whole request
	l.keys.add(&logKey{publishKey: key, offset: l.head + 1, at: now})
	return 0, nil
}

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

// expireKeys forgets the keys whose time is over. The caller holds mu.
func (l *memoryLog) expireKeys(m *Memory, now int64) {
	s := l.keys
	if s == nil {
		return
	}
	var n, cost int64
	for s.first != nil && now-s.first.at > int64(m.options.KeyWindow) {
		delete(s.byText, s.first.text)
		cost += keyOverhead + int64(len(s.first.text))
		s.first = s.first.next
		n++
	}
	switch {
	case s.first == nil:
		l.keys = nil
		cost += keysOverhead
	case s.most > 64 && len(s.byText) < s.most/4:
		s.byText, s.most = maps.Collect(maps.All(s.byText)), len(s.byText)
	}
	m.keyBytes.Add(-cost)
	m.used.Add(-cost)
	m.keys.Add(-n)
}
