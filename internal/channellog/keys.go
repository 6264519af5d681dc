package channellog

import (
	"maps"
	"strings"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

const (
	// keyOverhead is the cost in bytes of remembering a key in addition to its text: the struct,
	// the map entry, rounding by the allocator. keysOverhead is the cost of a log that remembers
	// any keys.
	keyOverhead  = 128
	keysOverhead = 320
)

// logKeys has the keys that a log remembers. Guarded by Log.mu.
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
// claim returns the offset of the first publication and ErrDuplicate, or ErrKeyReused if the data
// differ. The caller holds mu.
func (l *Log) claim(t *Table, key Key, now clock.Mono) (uint64, error) {
	l.expireKeys(t, now)
	if l.keys != nil {
		if k := l.keys.byText[key.text]; k != nil {
			if k.data != key.data {
				return 0, engine.ErrKeyReused
			}
			return k.offset, ErrDuplicate
		}
	}
	return 0, l.remember(t, key, l.next+1, now)
}

// remember remembers a key of the publication with the offset. The caller holds mu.
func (l *Log) remember(t *Table, key Key, offset uint64, now clock.Mono) error {
	cost := keyOverhead + int64(len(key.text))
	if l.keys == nil {
		cost += l.firstKey()
	}
	share, err := t.keyShares.take(t, key.publisher, cost)
	if err != nil {
		return err
	}
	if l.keys == nil {
		l.keys = &logKeys{byText: make(map[string]*logKey), opener: share}
		t.used.Add(keysOverhead)
	}
	t.used.Add(keyOverhead + int64(len(key.text)))
	t.keys.Add(1)
	// Clone: the text may be a substring of a whole request.
	l.keys.add(&logKey{text: strings.Clone(key.text), data: key.data, offset: offset, at: now, share: share})
	return nil
}

// firstKey is the additional cost of a log's first key: a log with keys cannot be forgotten.
func (l *Log) firstKey() int64 { return keysOverhead + logOverhead + int64(len(l.name)) }

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

// expireKeys forgets the expired keys, but not those of messages that are being written. The caller
// holds mu.
func (l *Log) expireKeys(t *Table, now clock.Mono) {
	s := l.keys
	if s == nil {
		return
	}
	for s.first != nil && now.Sub(s.first.at) > t.options.KeyWindow && s.first.offset <= l.head {
		k := s.first
		s.first = k.next
		l.forgetKey(t, k)
	}
	l.settleKeys(t)
}

// cancelKeys forgets the keys of messages that are being written. The caller holds mu.
func (l *Log) cancelKeys(t *Table) {
	s := l.keys
	if s == nil {
		return
	}
	var kept *logKey
	for k := s.first; k != nil; k = k.next {
		if k.offset > l.head {
			l.forgetKey(t, k)
		} else {
			kept = k
		}
	}
	if s.last = kept; kept == nil {
		s.first = nil
	} else {
		kept.next = nil
	}
	l.settleKeys(t)
}

// forgetKey forgets a key, except in the list. The caller holds mu.
func (l *Log) forgetKey(t *Table, k *logKey) {
	delete(l.keys.byText, k.text)
	cost := keyOverhead + int64(len(k.text))
	t.used.Add(-cost)
	t.keys.Add(-1)
	t.keyShares.giveBack(t, k.share, cost)
}

// settleKeys frees the memory that the remaining keys do not need. The caller holds mu.
func (l *Log) settleKeys(t *Table) {
	switch s := l.keys; {
	case s.first == nil:
		l.keys = nil
		t.used.Add(-keysOverhead)
		t.keyShares.giveBack(t, s.opener, l.firstKey())
	case s.most > 64 && len(s.byText) < s.most/4:
		s.byText, s.most = maps.Collect(maps.All(s.byText)), len(s.byText)
	}
}
