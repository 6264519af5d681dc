package boreas

import (
	"sync"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

const (
	// encodingShards is the number of parts of the cache of encodings, so that sweepers seldom wait
	// for each other.
	encodingShards = 16

	// encodingBytes limits each of the two generations of a shard, in bytes of publications and
	// encodings. The last entry of a generation may exceed it. All shards together keep about 8 MiB:
	// a hundred messages of 300 bytes on each of a hundred channels.
	encodingBytes = 256 << 10

	// encodingCost is about the memory of an entry beside its bytes.
	encodingCost = 256
)

// encodings keeps what a [CompressedFormat] has made of recent publications, so that each of them is
// compressed once for all sessions. An entry that has been dropped is made again when a session
// needs it.
//
// A shard has two generations. New entries, and old ones that are used again, go into the young
// one. When it is full, it becomes the old one, and the old one is dropped.
type encodings struct {
	shards [encodingShards]encodingShard
}

type encodingShard struct {
	mu         sync.Mutex
	young, old map[encodingKey]*encoding
	bytes      int // of young
}

// encodingKey is a publication of a channel's log, and a format.
type encodingKey struct {
	life   *life
	format CompressedFormat
	offset uint64
}

// encoding has the encodings of one publication in one format.
type encoding struct {
	pub  *engine.Publication // immutable
	size int                 // memory of the entry; guarded by encodingShard.mu

	mu    sync.Mutex // guards the fields below, and is held while they are made
	alone *encoded   // nil until needed
	after *encoded   // may refer to the publication at the offset prev; nil until needed
	prev  uint64
}

// encoded is an encoding of a publication. It is immutable.
type encoded struct {
	bytes      []byte
	compressed bool // a later encoding may refer to the publication
}

// spot is a publication in the life of a log. The zero spot stands for none.
type spot struct {
	life   *life
	offset uint64
}

// encode returns the encoding of p in the format, for a session that has received the publication
// at last as its newest compressed one. The encoding may refer to that one if it is of the same log.
func (c *encodings) encode(f CompressedFormat, l *life, p *engine.Publication, last spot) *encoded {
	key := encodingKey{l, f, p.Offset}
	e := c.entry(key, p)
	var before *encoding
	if last.life == l {
		before = c.known(encodingKey{l, f, last.offset})
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if before != nil && (e.after == nil || e.prev == last.offset) {
		if e.after == nil {
			e.after, e.prev = makeEncoded(f, l, p, before.pub), last.offset
			c.grown(key, e, e.after)
		}
		return e.after
	}
	// Either there is no context, or the entry's second encoding is for sessions with another one,
	// because a session did not want its own publication back.
	if e.alone == nil {
		e.alone = makeEncoded(f, l, p, nil)
		c.grown(key, e, e.alone)
	}
	return e.alone
}

func makeEncoded(f CompressedFormat, l *life, p, prev *engine.Publication) *encoded {
	e := new(encoded)
	e.bytes, e.compressed = f.AppendCompressed(nil, l.ch.name, l.epoch, p, prev)
	return e
}

func (c *encodings) shard(k encodingKey) *encodingShard {
	return &c.shards[k.offset%encodingShards]
}

// entry returns the entry of a publication, and makes one if there is none.
func (c *encodings) entry(k encodingKey, p *engine.Publication) *encoding {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.find(k)
	if e == nil {
		e = &encoding{pub: p, size: encodingCost + len(p.Data)}
		s.put(k, e)
	}
	return e
}

// known returns the entry of a publication, nil if there is none.
func (c *encodings) known(k encodingKey) *encoding {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(k)
}

// grown counts the bytes that the entry has got. The caller holds e.mu.
func (c *encodings) grown(k encodingKey, e *encoding, by *encoded) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	e.size += len(by.bytes)
	if s.young[k] == e {
		s.count(len(by.bytes))
	}
}

// find returns an entry, and makes it young.
func (s *encodingShard) find(k encodingKey) *encoding {
	e := s.young[k]
	if e == nil {
		if e = s.old[k]; e != nil {
			delete(s.old, k)
			s.put(k, e)
		}
	}
	return e
}

func (s *encodingShard) put(k encodingKey, e *encoding) {
	if s.young == nil {
		s.young = make(map[encodingKey]*encoding)
	}
	s.young[k] = e
	s.count(e.size)
}

func (s *encodingShard) count(bytes int) {
	if s.bytes += bytes; s.bytes > encodingBytes {
		s.young, s.old, s.bytes = nil, s.young, 0
	}
}

// compression is the state of a session whose format compresses. It is guarded by Session.mu.
type compression struct {
	format CompressedFormat // immutable

	// last is the newest compressed publication that the client has received, or is receiving.
	last spot
}

// other records that bytes that are no publication have been written.
func (c *compression) other() {
	if c.format.WholeStream() {
		c.last = spot{}
	}
}

// wrote records that the writing of a publication has begun.
func (c *compression) wrote(l *life, m *mark) {
	if m.encoded != nil && m.encoded.compressed {
		c.last = spot{l, m.pub.Offset}
	} else {
		c.other()
	}
}
