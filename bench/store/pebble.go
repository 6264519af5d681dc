//go:build pebble

package main

import (
	"context"
	"encoding/binary"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

const (
	pebbleCache = 64 << 20 // bytes: as much as the engine has for the newest messages of this load
	pebbleTable = 64 << 20 // bytes of a table in memory; the default of 4 MiB writes more
)

// onPebble keeps messages in Pebble. Messages that arrive while others are written are committed
// together, as the engine of Boreas does it.
type onPebble struct {
	db     *pebble.DB
	heads  [channels]uint64 // owned by the committer
	wake   chan struct{}
	closed chan error

	mu        sync.Mutex // guards the fields below
	gathering *group
	closing   bool
}

type group struct {
	messages []keptMessage
	done     chan struct{}
	err      error // written before done is closed
}

type keptMessage struct {
	channel int
	data    []byte
}

func newGroup() *group { return &group{done: make(chan struct{})} }

func openPebble(dir string) (store, error) {
	cache := pebble.NewCache(pebbleCache)
	defer cache.Unref()
	db, err := pebble.Open(dir, &pebble.Options{
		Cache: cache, MemTableSize: pebbleTable, FormatMajorVersion: pebble.FormatNewest, Logger: silent{},
	})
	if err != nil {
		return nil, err
	}
	s := &onPebble{db: db, wake: make(chan struct{}, 1), closed: make(chan error), gathering: newGroup()}
	go s.commit()
	return s, nil
}

func (s *onPebble) publish(ctx context.Context, channel int, data []byte) error {
	s.mu.Lock()
	g := s.gathering
	g.messages = append(g.messages, keptMessage{channel, data})
	s.mu.Unlock()
	s.wakeCommitter()
	select {
	case <-g.done:
		return g.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *onPebble) wakeCommitter() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// commit is the goroutine that writes groups, one after the other.
func (s *onPebble) commit() {
	for range s.wake {
		s.mu.Lock()
		g, closing := s.gathering, s.closing
		s.gathering = newGroup()
		s.mu.Unlock()
		if len(g.messages) > 0 {
			g.err = s.write(g)
			close(g.done)
		}
		if closing {
			s.closed <- s.db.Close()
			return
		}
	}
}

// write writes a group. A channel drops its old messages once in a while, and all with one
// tombstone, which costs Pebble the least.
func (s *onPebble) write(g *group) error {
	b := s.db.NewBatch()
	defer b.Close()
	for _, m := range g.messages {
		s.heads[m.channel]++
		head := s.heads[m.channel]
		if err := b.Set(key(m.channel, head), m.data, nil); err != nil {
			return err
		}
		if head > kept && head%kept == 0 {
			if err := b.DeleteRange(key(m.channel, 0), key(m.channel, head-kept), nil); err != nil {
				return err
			}
		}
	}
	return b.Commit(pebble.Sync)
}

func (s *onPebble) close() error {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	s.wakeCommitter()
	return <-s.closed
}

func key(channel int, offset uint64) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(channel))
	return binary.BigEndian.AppendUint64(b, offset)
}

// silent logs nothing.
type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(string, ...any) { panic("pebble has failed") }
