package oracle

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"github.com/boreas-pubsub/boreas/engine"
)

// A Message names one message by its content: who published it, on which channel, as
// which of its messages.
type Message struct {
	Channel   string
	Publisher string
	Seq       uint64
}

func (m Message) String() string { return fmt.Sprintf("%s/%d on %s", m.Publisher, m.Seq, m.Channel) }

// A Log is the truth: what was published on all channels, in order, over all lives of
// the engine. Its methods may be called by many goroutines at once.
type Log struct {
	mu       sync.Mutex
	lives    map[uint64]int      // guarded by mu: epoch to its place among them, from 1
	channels map[string][]*entry // guarded by mu
}

// entry is one publication.
type entry struct {
	life    int
	offset  uint64
	message Message
	except  string // a subscriber that need not get it
}

// NewLog returns an empty log.
func NewLog() *Log {
	return &Log{lives: make(map[uint64]int), channels: make(map[string][]*entry)}
}

// Begin tells that a life with the epoch begins. Lives are told in order.
func (l *Log) Begin(epoch uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lives[epoch] == 0 {
		l.lives[epoch] = len(l.lives) + 1
	}
}

// Append records a publication. Several can be recorded in another order than they
// have. Except, if not "", is the subscriber that did not want it back.
func (l *Log) Append(at engine.Position, m Message, except string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := &entry{life: l.lives[at.Epoch], offset: at.Offset, message: m, except: except}
	if e.life == 0 {
		panic(fmt.Sprintf("oracle: epoch %d was not told to begin", at.Epoch))
	}
	l.channels[m.Channel] = append(l.channels[m.Channel], e)
}

// Len returns how many publications were recorded.
func (l *Log) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, entries := range l.channels {
		n += len(entries)
	}
	return n
}

// a track is the log of one channel, to look things up in.
type track struct {
	lives   map[uint64]int
	entries []*entry
	where   map[Message][]int // indexes of the message's entries
}

// tracks returns the tracks of all channels.
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

// place returns how many publications lie at the position or before it, and false if
// its epoch is of no life of the log.
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

// find returns the index of the message: that of the position, if one is given,
// otherwise the first at or after the place from, or else the last of all. It returns
// -1 if the message is not there.
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
