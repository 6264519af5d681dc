package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/channellog"
)

const (
	// readGap is how many bytes of other records are read along with two messages, rather than
	// reading twice.
	readGap = 2 << 10

	// readMost is how many bytes are read at once, unless one record is larger.
	readMost = 256 << 10

	// keyRoom is how many bytes are read beyond a record without a key.
	keyRoom = 32

	// readAttempts is how often a read looks again for messages that were moved or dropped
	// meanwhile.
	readAttempts = 10
)

// errMoved means that a message is not where it was: its segment was rewritten or dropped.
var errMoved = errors.New("the messages were moved while they were read")

// Read implements [engine.Engine]. The newest messages are in memory, and reading the others waits
// for the disk.
func (e *Engine) Read(ctx context.Context, channel string, since engine.Position, limit engine.Limit) (engine.History, error) {
	var err error
	for range readAttempts {
		var h engine.History
		if h, err = e.read(ctx, channel, since, limit); !errors.Is(err, errMoved) {
			return h, err
		}
	}
	return engine.History{}, e.readError(channel, err)
}

// Peek implements [engine.Peeker].
func (e *Engine) Peek(channel string, since engine.Position, limit engine.Limit) (h engine.History, ok bool, err error) {
	h, rest, err := e.look(channel, since, limit)
	return h, len(rest.addresses) == 0, err
}

func (e *Engine) read(ctx context.Context, channel string, since engine.Position, limit engine.Limit) (engine.History, error) {
	h, rest, err := e.look(channel, since, limit)
	if err != nil || len(rest.addresses) == 0 {
		return h, err
	}
	if err := e.fetch(ctx, rest.addresses, rest.offsets, h.Publications); err != nil {
		if errors.Is(err, ctx.Err()) && ctx.Err() != nil {
			return engine.History{}, err
		}
		if e.moved(channel, rest.addresses, rest.offsets) {
			return engine.History{}, errMoved
		}
		return engine.History{}, e.readError(channel, err)
	}
	if rest.newest {
		e.recall(rest.log, h.Publications[:len(rest.addresses)])
	}
	return h, nil
}

// onlyStored are the first messages of a history: those that are not in memory.
type onlyStored struct {
	log       *channellog.Log
	addresses []address
	offsets   []uint64
	newest    bool // all later messages of the channel are in memory
}

// look returns a history in which the messages are missing that are not in memory.
func (e *Engine) look(channel string, since engine.Position, limit engine.Limit) (h engine.History, rest onlyStored, err error) {
	if e.table.Closed() {
		return h, rest, engine.ErrClosed
	}
	l, start := e.table.Find(channel)
	if l == nil {
		onDisk := e.onDisk(channel, e.table.Limits(channel))
		offset := start.Memory
		if onDisk {
			offset = start.Stored
		}
		h, err = channellog.Bounds(e.epochOf(onDisk), offset, offset, since, limit)
		return h, rest, err
	}
	index, ok := l.Store().(*stored)
	if !ok {
		h, err = e.table.Read(channel, since, limit)
		return h, rest, err
	}
	l.Lock()
	defer l.Unlock()
	l.Expire(e.table)
	h, err = l.Bounds(e.epoch, since, limit)
	if err == nil && (!since.IsZero() && index.lost(since.Offset) || limit.Before > 0 && index.lost(limit.Before)) {
		err = engine.ErrAhead
	}
	if err != nil || limit.Messages == 0 {
		return h, rest, err
	}
	first, end := index.after(since.Offset), index.Len()
	if limit.Before > 0 {
		end = max(first, index.after(limit.Before-1))
	}
	from, to, more := channellog.Within(end-first, limit, func(i int) int64 { return index.Size(first + i) })
	from, to, h.More = first+from, first+to, more
	if from == to {
		return h, rest, nil
	}
	h.Publications = make([]*engine.Publication, to-from)
	newest := l.Newest()
	inMemory := index.Len() - len(newest) // index of the first one in memory
	if to > inMemory {
		at := max(from, inMemory)
		copy(h.Publications[at-from:], newest[at-inMemory:])
	}
	rest.log, rest.newest = l, to >= inMemory
	for i := from; i < min(to, inMemory); i++ {
		rest.addresses = append(rest.addresses, index.addresses[i])
		rest.offsets = append(rest.offsets, index.offset(i))
	}
	return h, rest, nil
}

// recall keeps messages in memory that were read from disk, if all later ones are there. After a
// restart, the clients of a channel all read its newest messages, and only the first one waits for
// the disk.
func (e *Engine) recall(l *channellog.Log, pubs []*engine.Publication) {
	copies := make([]*engine.Publication, len(pubs))
	for i, p := range pubs {
		c := *p
		c.Data = bytes.Clone(p.Data) // it is a part of what was read at once
		copies[i] = &c
	}
	e.table.Recall(l, copies, func() bool {
		index := l.Store().(*stored)
		to := index.Len() - len(l.Newest())
		from := to - len(copies)
		return from >= 0 && index.offset(from) == copies[0].Offset && index.offset(to-1) == copies[len(copies)-1].Offset
	})
}

// readError logs an error of the disk and returns it.
func (e *Engine) readError(channel string, err error) error {
	if e.table.Closed() {
		return engine.ErrClosed // the files are closed
	}
	e.complaints.read.say(func() { e.log.Error("cannot read messages", "channel", channel, "error", err) })
	return fmt.Errorf("%w: cannot read messages: %w", engine.ErrStorageFailed, err)
}

// moved reports whether one of the messages has another address now, or was dropped.
func (e *Engine) moved(channel string, addresses []address, offsets []uint64) bool {
	l, _ := e.table.Find(channel)
	if l == nil {
		return true
	}
	l.Lock()
	defer l.Unlock()
	index, ok := l.Store().(*stored)
	if !ok {
		return true
	}
	for i, offset := range offsets {
		at := index.after(offset - 1)
		if at == index.Len() || index.offset(at) != offset || index.addresses[at] != addresses[i] {
			return true
		}
	}
	return false
}

// fetch reads messages from disk. Messages that are near each other are read together.
func (e *Engine) fetch(ctx context.Context, addresses []address, offsets []uint64, pubs []*engine.Publication) error {
	for i := 0; i < len(addresses); {
		if err := ctx.Err(); err != nil {
			return err
		}
		slot := slotOf(addresses[i])
		s := e.slots.get(slot)
		if s == nil {
			return errMoved
		}
		start := placeOf(addresses[i])
		end := start + e.room(addresses[i])
		next := i + 1
		for ; next < len(addresses) && slotOf(addresses[next]) == slot; next++ {
			place := placeOf(addresses[next])
			to := place + e.room(addresses[next])
			if place < start || place-end > readGap || to-start > readMost {
				break
			}
			end = max(end, to)
		}
		b := make([]byte, end-start)
		n, err := s.file.ReadAt(b, start)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read %s at byte %d: %w", s.path, start, err)
		}
		b = b[:n]
		for ; i < next; i++ {
			place := placeOf(addresses[i])
			if pubs[i], err = e.parse(s, b[min(place-start, int64(n)):], place, offsets[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// room returns how many bytes the record of a message takes, at most, unless it has a long key.
func (e *Engine) room(a address) int64 { return messageOverhead + 8 + keyRoom + e.sizeOf(a) }

// parse returns the message whose record begins with b, which may be cut short.
func (e *Engine) parse(s *segment, b []byte, place int64, offset uint64) (*engine.Publication, error) {
	kind, body, n, err := parseRecord(b)
	if errors.Is(err, errShort) && n > 0 && int64(n) <= maxSegment {
		b = make([]byte, n)
		if _, err := s.file.ReadAt(b, place); err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read %s at byte %d: %w", s.path, place, err)
		}
		kind, body, _, err = parseRecord(b)
	}
	if err == nil && kind != messageRecord {
		err = errRecord
	}
	var m message
	if err == nil {
		m, err = parseMessage(body)
	}
	if err == nil && m.offset != offset {
		err = fmt.Errorf("it has the message with the offset %d, not %d", m.offset, offset)
	}
	if err != nil {
		return nil, &DamageError{s.path, place, err.Error()}
	}
	return &engine.Publication{Offset: m.offset, Time: m.time, Sender: m.sender, Data: m.data}, nil
}
