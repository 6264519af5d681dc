package oracle

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// A Message identifies a message by its content: the channel, the publisher, and the number among
// the publisher's messages on the channel.
type Message struct {
	Channel   string
	Publisher string
	Seq       uint64
}

func (m Message) String() string { return fmt.Sprintf("%s/%d on %s", m.Publisher, m.Seq, m.Channel) }

// A Log is the truth: the publications on all channels, in order, over all lives of the log. Its
// methods are safe for concurrent use.
type Log struct {
	mu sync.Mutex

	// Guarded by mu.
	lives    map[uint64]int // the number of each epoch's life, from 1
	channels map[string][]*entry
}

// entry is one publication.
type entry struct {
	life    int
	offset  uint64
	message Message
	except  string // a subscriber that need not receive it
}

// NewLog returns an empty log.
func NewLog() *Log {
	return &Log{lives: make(map[uint64]int), channels: make(map[string][]*entry)}
}

// Begin starts a life with the epoch. The lives must be started in order.
func (l *Log) Begin(epoch uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lives[epoch] == 0 {
		l.lives[epoch] = len(l.lives) + 1
	}
}

// Append records a publication. Publications may be recorded in any order. except, if not "", is
// the subscriber that did not want its own message back.
func (l *Log) Append(at engine.Position, m Message, except string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := &entry{life: l.lives[at.Epoch], offset: at.Offset, message: m, except: except}
	if e.life == 0 {
		panic(fmt.Sprintf("oracle: epoch %d was not told to begin", at.Epoch))
	}
	l.channels[m.Channel] = append(l.channels[m.Channel], e)
}

// Len returns the number of recorded publications.
func (l *Log) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, entries := range l.channels {
		n += len(entries)
	}
	return n
}

// A track is the log of one channel, for lookups.
type track struct {
	lives   map[uint64]int
	entries []*entry
	where   map[Message][]int // indexes of the message's entries
}

// tracks returns a function that returns the track of a channel.
func (l *Log) tracks() func(channel string) *track {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make(map[string]*track)
	for name, entries := range l.channels {
		slices.SortFunc(entries, func(a, b *entry) int {
			return cmp.Or(cmp.Compare(a.life, b.life), cmp.Compare(a.offset, b.offset))
		})
		t := &track{lives: l.lives, entries: entries, where: make(map[Message][]int)}
		for i, e := range entries {
			t.where[e.message] = append(t.where[e.message], i)
		}
		all[name] = t
	}
	return func(channel string) *track {
		if t := all[channel]; t != nil {
			return t
		}
		return &track{lives: l.lives}
	}
}

// place returns how many publications are at the position or before it. It returns false if the
// epoch is not one of the log.
func (t *track) place(p engine.Position) (n int, ok bool) {
	life := t.lives[p.Epoch]
	n, _ = slices.BinarySearchFunc(t.entries, entry{life: life, offset: p.Offset}, func(e *entry, at entry) int {
		if cmp.Or(cmp.Compare(e.life, at.life), cmp.Compare(e.offset, at.offset)) <= 0 {
			return -1
		}
		return 1
	})
	return n, life != 0
}

// find returns the index of the message at the position. If the position is zero, it returns the
// first index of the message at from or later, otherwise the message's last index. It returns -1 if
// the message is not there.
func (t *track) find(m Message, at engine.Position, from int) int {
	all := t.where[m]
	if len(all) == 0 {
		return -1
	}
	if at.IsZero() {
		for _, i := range all {
			if i >= from {
				return i
			}
		}
		return all[len(all)-1]
	}
	for _, i := range all {
		if t.entries[i].life == t.lives[at.Epoch] && t.entries[i].offset == at.Offset {
			return i
		}
	}
	return -1
}
